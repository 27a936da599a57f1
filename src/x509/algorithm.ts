// Signature algorithms by object identifier: names them, and verifies signatures with node:crypto.
import { constants, type KeyObject, verify } from 'node:crypto';
import { DerError, type DerValue, readChildren, readOid, readSmallInteger } from './der.ts';

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
  return signatureAlgorithms[oid]?.name ?? brokenAlgorithms[oid] ?? (oid === rsaPss ? 'rsassaPss' : oid);
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
  const [id, parameters] = readChildren(identifier);
  const oid = readOid(id);
  const pss = oid === rsaPss ? pssDigest(parameters) : undefined;
  const algorithm = signatureAlgorithms[oid];
  if (algorithm === undefined && pss === undefined) return false;
  try {
    if (pss === undefined) return verify(algorithm?.digest, signed, key, signature);
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    const options = { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    return key.asymmetricKeyType === 'rsa' && verify(pss, signed, options, signature);
  } catch {
    // The algorithm needs another type of key.
    return false;
  }
}

const rsaPss = '1.2.840.113549.1.1.10';
const mgf1 = '1.2.840.113549.1.1.8';
const pssHashes: Readonly<Record<string, readonly [digest: string, saltLength: number]>> = {
  '2.16.840.1.101.3.4.2.1': ['sha256', 32],
  '2.16.840.1.101.3.4.2.2': ['sha384', 48],
  '2.16.840.1.101.3.4.2.3': ['sha512', 64],
};

/** Returns the digest of RSASSA-PSS parameters as peers use them: one hash for all, and a salt of its length (RFC 4055). */
function pssDigest(parameters: DerValue | undefined): string | undefined {
  try {
    const fields = readChildren(parameters);
    const field = (tag: number) => {
      const found = fields.find((each) => each.tag === tag);
      return found && readChildren(found, tag)[0];
    };
    const hash = readOid(readChildren(field(0xa0))[0]);
    const [generator, inner] = readChildren(field(0xa1));
    const [digest, saltLength] = pssHashes[hash] ?? [];
    const isUsual = readOid(generator) === mgf1 && readOid(readChildren(inner)[0]) === hash;
    return isUsual && readSmallInteger(field(0xa2)) === saltLength ? digest : undefined;
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}
