// Reads requests for the status of certificates (OCSP, RFC 6960 section 4.1). ocsp-response.ts makes the answers.
import { readExtensions } from './certificate.ts';
import {
  DerError,
  type DerValue,
  expectTag,
  readChildren,
  readDer,
  readHexInteger,
  readOid,
  tags,
} from './der.ts';

/** The certificate that a request names: by the hashes of its issuer's name and key, and its serial number. */
export interface CertificateId {
  /** The object identifier of the hash. */
  readonly hash: string;
  /** Lower-case hex. */
  readonly issuerNameHash: string;
  readonly issuerKeyHash: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** DER: the answer repeats it byte for byte. */
  readonly der: Buffer;
}

export interface OcspRequest {
  /** At least one. */
  readonly certificates: readonly [CertificateId, ...CertificateId[]];
  /** The value of the nonce extension, which the answer repeats. */
  readonly nonce: Buffer | undefined;
}

/** The most certificates that one request may name. */
const maximumCertificates = 32;
/** The most bytes of a nonce (RFC 9654 section 2.1). */
const maximumNonce = 128;

const nonceExtension = '1.3.6.1.5.5.7.48.1.2';

/**
 * Reads a request, DER; the signature of the requester, if there is one, is not considered. Throws DerError, also for a
 * critical extension that is unknown (section 4.4).
 */
export function readOcspRequest(der: Buffer): OcspRequest {
  const [tbs] = readChildren(readDer(der));
  const fields = readChildren(tbs).filter(({ tag }) => tag !== 0xa0 && tag !== 0xa1);
  const list = readChildren(fields[0]);
  const extensions = readExtensions(fields[1]?.tag === 0xa2 ? fields[1] : undefined);
  if (list.length > maximumCertificates) throw new DerError('too many certificates');
  const [first, ...others] = list.map(readId);
  if (first === undefined) throw new DerError('a request without a certificate');
  for (const [oid, { critical }] of extensions) {
    if (critical && oid !== nonceExtension) throw new DerError(`unknown critical extension ${oid}`);
  }
  return { certificates: [first, ...others], nonce: readNonce(extensions.get(nonceExtension)?.value) };
}

function readId(request: DerValue): CertificateId {
  const [id] = readChildren(request);
  const [algorithm, name, key, serial] = readChildren(id);
  return {
    hash: readOid(readChildren(algorithm)[0]),
    issuerNameHash: readOctets(name).toString('hex'),
    issuerKeyHash: readOctets(key).toString('hex'),
    serial: readHexInteger(serial),
    der: (id as DerValue).raw,
  };
}

function readNonce(value: Buffer | undefined): Buffer | undefined {
  if (value === undefined) return undefined;
  const { length } = readOctets(readDer(value));
  if (length < 1 || length > maximumNonce) throw new DerError('a nonce of an impossible length');
  return value;
}

function readOctets(value: DerValue | undefined): Buffer {
  expectTag(value, tags.octetString);
  return value.content;
}
