// Reads and checks PKCS#10 certificate requests (RFC 2986). It does not make them; sign.ts does.
import type { KeyObject } from 'node:crypto';
import { signatureAlgorithmName, verifySignature } from './algorithm.ts';
import { readExtensions } from './certificate.ts';
import { readMaterialOf, wrapDerErrors } from './decode.ts';
import { type DerValue, readBitString, readChildren, readDer, readOid } from './der.ts';
import { type NameAttribute, readName } from './distinguished-name.ts';
import { openPublicKey } from './key.ts';
import { readGeneralNames, type San } from './name.ts';
import { type Pin, pinOfSpki } from './pin.ts';

export interface CertificateRequest {
  readonly subject: readonly NameAttribute[];
  readonly publicKey: KeyObject;
  readonly pin: Pin;
  /** The requested alternative names, not checked. */
  readonly sans: readonly San[];
  /** Requested names of other kinds, printed. */
  readonly otherNames: readonly string[];
  /** The kinds of other requested names: `otherName`, `directoryName`, ... */
  readonly otherNameKinds: readonly string[];
  /** The object identifiers of the other requested extensions. */
  readonly otherExtensions: readonly string[];
  readonly signatureAlgorithm: string;
  /** Whether the requester has the private key; false also for a signature algorithm that is broken or unknown. */
  readonly signatureValid: boolean;
}

const extensionRequest = '1.2.840.113549.1.9.14';
const subjectAltName = '2.5.29.17';

/**
 * Reads the first request in a file, PEM or DER; throws a NatspkiError that names the file.
 * @param source the name of the file, for errors
 */
export function readRequest(bytes: Buffer, source: string): CertificateRequest {
  return readRequestDer((readMaterialOf('request', bytes, source)[0] as { der: Buffer }).der, source);
}

/** Reads a request; throws `damaged-request`. */
export function readRequestDer(der: Buffer, source: string): CertificateRequest {
  return wrapDerErrors('request', source, () => {
    const [info, algorithm, signature] = readChildren(readDer(der));
    const [, subject, spki, attributes] = readChildren(info);
    const name = readName(subject);
    const extensions = requestedExtensions(attributes);
    readChildren(spki);
    const spkiDer = (spki as DerValue).raw;
    const publicKey = openPublicKey({ kind: 'public-key', form: 'spki', der: spkiDer }, source);
    const names = extensions.get(subjectAltName);
    const { sans, otherKinds, others } =
      names === undefined ? { sans: [], otherKinds: [], others: [] } : readGeneralNames(names.value);
    return {
      subject: name,
      publicKey,
      pin: pinOfSpki(spkiDer),
      sans,
      otherNames: others,
      otherNameKinds: otherKinds,
      otherExtensions: [...extensions.keys()].filter((oid) => oid !== subjectAltName),
      signatureAlgorithm: signatureAlgorithmName(algorithm),
      signatureValid: verifySignature(algorithm, publicKey, (info as DerValue).raw, readBitString(signature)),
    };
  });
}

function requestedExtensions(attributes: DerValue | undefined): ReturnType<typeof readExtensions> {
  const all = attributes === undefined ? [] : readChildren(attributes, 0xa0).map((one) => readChildren(one));
  const [, values] = all.find(([oid]) => readOid(oid) === extensionRequest) ?? [];
  return readExtensions(values);
}
