// Signature algorithms by their object identifiers: their names, and checking a signature over bytes with node:crypto.
import { type KeyObject, verify } from 'node:crypto';
import { type DerValue, readChildren, readOid } from './der.ts';

interface SignatureAlgorithm {
  readonly name: string;
  /** Of node:crypto; null where the scheme hashes by itself. */
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

/** Algorithms that still occur and that no peer should accept. */
const brokenAlgorithms: Record<string, string> = {
  '1.2.840.113549.1.1.4': 'md5WithRSAEncryption',
  '1.2.840.113549.1.1.5': 'sha1WithRSAEncryption',
  '1.2.840.10045.4.1': 'ecdsa-with-SHA1',
};

/** Names the algorithm of an AlgorithmIdentifier; an unknown one is its object identifier. */
export function signatureAlgorithmName(identifier: DerValue | undefined): string {
  const oid = readOid(readChildren(identifier)[0]);
  return signatureAlgorithms[oid]?.name ?? brokenAlgorithms[oid] ?? oid;
}

/** Tells whether a named signature algorithm rests on a broken hash. */
export function isBrokenAlgorithm(name: string): boolean {
  return Object.values(brokenAlgorithms).includes(name);
}

/** Checks a signature; false too when the algorithm is broken, unknown or not the key's. */
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
    // The key is of another kind than the algorithm.
    return false;
  }
}
