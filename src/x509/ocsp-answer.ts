// OCSP from the side that asks (RFC 6960): encodes a request for one certificate, and reads and verifies the answer. Written
// by hand like the reader of certificates, since answers come from the network and must be DER.
import { createHash } from 'node:crypto';
import { verifySignature } from './algorithm.ts';
import { Certificate, readExtensions } from './certificate.ts';
import {
  DerError,
  type DerValue,
  expectTag,
  readBitString,
  readChildren,
  readDer,
  readHexInteger,
  readOid,
  readTime,
  tags,
} from './der.ts';

/** The certificate that a question or an answer is about. */
export interface OcspSubject {
  /** Lower-case hex. */
  readonly serial: string;
  readonly issuer: Certificate;
}

export type OcspStatus = 'good' | 'revoked' | 'unknown';

/** What an answer with a valid signature says; the caller compares the times with its clock. */
export interface OcspAnswer {
  readonly status: OcspStatus;
  readonly thisUpdate: Date;
  /** Undefined when the responder always has newer information (RFC 6960 section 4.2.2.1). */
  readonly nextUpdate: Date | undefined;
}

/** The answer is of no use: an error, about another certificate, or signed by a key that may not answer for the issuer. */
export class OcspError extends Error {
  override readonly name = 'OcspError';
}

const enumerated = 0x0a;
const basicResponse = '1.3.6.1.5.5.7.48.1.1';
const responseStatuses = [
  'successful',
  'malformedRequest',
  'internalError',
  'tryLater',
  '',
  'sigRequired',
  'unauthorized',
];

/** The digests by which an answer may name the issuer. */
const digests: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** SHA-1 with NULL parameters: what every responder knows (RFC 5019 section 2.1.1), and no signature depends on it. */
const sha1Identifier = Buffer.from('300906052b0e03021a0500', 'hex');

/** Encodes the request as nats-server does: SHA-1, no nonce, so that caches can answer it. */
export function encodeOcspRequest({ serial, issuer }: OcspSubject): Buffer {
  const number = Buffer.from(/^[89a-f]/.test(serial) ? `00${serial}` : serial, 'hex');
  const id = encode(
    tags.sequence,
    sha1Identifier,
    encode(tags.octetString, hashOf('sha1', issuer.subjectDer)),
    encode(tags.octetString, hashOf('sha1', keyBitsOf(issuer))),
    encode(tags.integer, number),
  );
  // Request, requestList, TBSRequest, OCSPRequest.
  return [1, 2, 3, 4].reduce((inner) => encode(tags.sequence, inner), id);
}

/**
 * Reads the answer to a question, and verifies that the issuer has signed it, or the delegate whose certificate the
 * answer contains. As in nats-server, only the first certificate of the answer counts. Throws DerError or OcspError.
 * @param now the time at which the certificate of a delegate must be valid
 */
export function readOcspAnswer(der: Buffer, subject: OcspSubject, now: Date): OcspAnswer {
  const [status, bytes] = readChildren(readDer(der));
  expectTag(status, enumerated);
  const code = status.content[0] ?? 0;
  if (code !== 0) throw new OcspError(`the responder answers ${responseStatuses[code] || code}`);
  const [type, content] = readChildren(readChildren(bytes, 0xa0)[0]);
  if (readOid(type) !== basicResponse) throw new OcspError(`unknown type of answer ${readOid(type)}`);
  expectTag(content, tags.octetString);
  const [data, algorithm, signature, certificates] = readChildren(readDer(content.content));
  const signer = signerOf(certificates, subject.issuer, now);
  const isSigned = verifySignature(
    algorithm,
    signer.publicKey,
    (data as DerValue).raw,
    readBitString(signature),
  );
  if (!isSigned) throw new OcspError(`the answer is not signed by ${JSON.stringify(signer.commonName)}`);
  return readSingle(findSingle(data, subject));
}

/** Returns the certificate whose key must verify the answer (RFC 6960 section 4.2.2.2). */
function signerOf(field: DerValue | undefined, issuer: Certificate, now: Date): Certificate {
  const [first] = field === undefined ? [] : readChildren(readChildren(field, 0xa0)[0]);
  if (first === undefined || first.raw.equals(issuer.der)) return issuer;
  const delegate = new Certificate(Buffer.from(first.raw));
  const name = JSON.stringify(delegate.commonName);
  if (!delegate.hasSignatureOf(issuer)) {
    throw new OcspError(`the answer is signed by ${name}, whom the issuer has not signed`);
  }
  if (delegate.extendedKeyUsage?.includes('OCSPSigning') !== true) {
    throw new OcspError(`the answer is signed by ${name}, which is not for OCSP signing`);
  }
  if (now < delegate.notBefore || now > delegate.notAfter) {
    throw new OcspError(`the answer is signed by ${name}, which is not valid at this time`);
  }
  return delegate;
}

/** Finds the part of the answer that is about the certificate; a responder may answer for several at once. */
function findSingle(data: DerValue | undefined, { serial, issuer }: OcspSubject): DerValue[] {
  const fields = readChildren(data).filter(({ tag }) => tag !== 0xa0);
  const all = readChildren(fields.at(2)).map((single) => readChildren(single));
  for (const single of all) {
    const [algorithm, nameHash, keyHash, number] = readChildren(single[0]);
    if (readHexInteger(number) !== serial) continue;
    const digest = digests[readOid(readChildren(algorithm)[0])];
    if (digest === undefined) throw new OcspError('the answer names the issuer by an unknown digest');
    const isIssuer =
      nameHash?.content.equals(hashOf(digest, issuer.subjectDer)) &&
      keyHash?.content.equals(hashOf(digest, keyBitsOf(issuer)));
    if (isIssuer) return single;
  }
  throw new OcspError('the answer is about another certificate');
}

function readSingle([, status, thisUpdate, ...rest]: DerValue[]): OcspAnswer {
  const next = rest[0]?.tag === 0xa0 ? readChildren(rest.shift(), 0xa0)[0] : undefined;
  const extensions = readExtensions(rest[0]?.tag === 0xa1 ? rest.shift() : undefined);
  for (const [oid, { critical }] of extensions) {
    if (critical) throw new OcspError(`the answer has the critical extension ${oid}`);
  }
  return {
    status: statusOf(status),
    thisUpdate: readTime(thisUpdate),
    nextUpdate: next && readTime(next),
  };
}

function statusOf(value: DerValue | undefined): OcspStatus {
  switch (value?.tag) {
    case 0x80:
      return 'good';
    case 0xa1:
      return 'revoked';
    case 0x82:
      return 'unknown';
    default:
      throw new DerError('unknown status of a certificate');
  }
}

/** The bits of the public key, without tag, length and unused bits (RFC 6960 section 4.1.1). */
function keyBitsOf({ spki }: Certificate): Buffer {
  return readBitString(readChildren(readDer(spki))[1]);
}

function hashOf(digest: string, bytes: Buffer): Buffer {
  return createHash(digest).update(bytes).digest();
}

/** Encodes a value of at most 65535 bytes. */
function encode(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}
