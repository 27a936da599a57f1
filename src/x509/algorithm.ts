// Signature algorithms by object identifier: names them, and verifies signatures with node:crypto.
import { type KeyObject, verify } from 'node:crypto';
import { type DerValue, readChildren, readOid } from './der.ts';

interface SignatureAlgorithm {
  readonly name: string;
  /** The digest for node:crypto; null when the scheme includes its own. */
  readonly digest: string | null;
}

const signatureAlgorithms: Record<string, SignatureAlgorithm> = {
  '1.2.840.10045.4.3.2': { name: 'ecdsa-with-SHA256', digest: 'sha256' },
  '1.2.840.10045.4.3.3': { name: 'ecdsa-with-SHA384', digest: 'sha384' },
  '1.2.840.10045.4.3.4': { name: 'ecdsa-with-SHA512', digest: 'sha512' },
  '1.2.840.113549.1.1.11': { name: 'sha256WithRSAEncryption', digest: 'sha256' },
  '1.2.840.113549.1.1.12': { name: 'sha384WithRSAEncryption', digest: 'sha384' },
  '1.2.840.113549.1.1.13': { name: 'sha512WithRSAEncryption', digest: 'sha512' },
  '1.3.101.112': { name: 'ed25519', digest: null },
};

/** Algorithms that are still in use although no peer should accept them. */
const brokenAlgorithms: Record<string, string> = {
  '1.2.840.113549.1.1.4': 'md5WithRSAEncryption',
  '1.2.840.113549.1.1.5': 'sha1WithRSAEncryption',
  '1.2.840.10045.4.1': 'ecdsa-with-SHA1',
};

/** Returns the name of the algorithm in an AlgorithmIdentifier; an unknown one is named by its object identifier. */
export function signatureAlgorithmName(identifier: DerValue | undefined): string {
  const oid = readOid(readChildren(identifier)[0]);
  return signatureAlgorithms[oid]?.name ?? brokenAlgorithms[oid] ?? oid;
}

/** Returns whether a named signature algorithm uses a broken hash. */
export function isBrokenAlgorithm(name: string): boolean {
  return Object.values(brokenAlgorithms).includes(name);
}

/** Verifies a signature; false also when the algorithm is broken, unknown or does not fit the key. */
export function verifySignature(
  identifier: DerValue | undefined,
  key: KeyObject,
  signed: Buffer,
  signature: Buffer,
): boolean {
  const algorithm = signatureAlgorithms[readOid(readChildren(identifier)[0])];
  if (algorithm === undefined) return false;
  try {
    return verify(algorithm.digest, signed, key, signature);
  } catch {
    // The algorithm needs another type of key.
    return false;
  }
}
