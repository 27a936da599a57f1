// Generates, encodes and decodes keys. Reads and writes no files.
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { NatspkiError, UsageError } from '../errors.ts';
import { type Material, readMaterialOf, wrapDerErrors } from './decode.ts';
import { readChildren, readDer } from './der.ts';
import { writePem } from './pem.ts';

/** The key types that natspki generates, the default first. */
export const keyTypes = ['p256', 'p384', 'ed25519', 'rsa2048', 'rsa3072', 'rsa4096'] as const;
export type KeyType = (typeof keyTypes)[number];

const curves: Record<string, string> = { prime256v1: 'p256', secp384r1: 'p384', secp521r1: 'p521' };

const makePair = promisify(generateKeyPair);

/** Generates a private key without blocking the event loop. */
export async function generateKey(type: KeyType): Promise<KeyObject> {
  switch (type) {
    case 'p256':
      return (await makePair('ec', { namedCurve: 'P-256' })).privateKey;
    case 'p384':
      return (await makePair('ec', { namedCurve: 'P-384' })).privateKey;
    case 'ed25519':
      return (await makePair('ed25519')).privateKey;
    default:
      return (await makePair('rsa', { modulusLength: Number(type.slice(3)) })).privateKey;
  }
}

/** Returns the type of a key as in `--key-type`; others are `rsa1024`, `p521`, `x25519`, ... */
export function keyTypeOf(key: KeyObject): string {
  const { namedCurve = '', modulusLength } = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType ?? 'unknown';
  return type === 'ec' ? (curves[namedCurve] ?? namedCurve) : `${type}${modulusLength ?? ''}`;
}

/** Returns the type for the successor of a key: the same, or the nearest one that natspki generates. */
export function renewedKeyType(type: string): KeyType {
  const same = keyTypes.find((known) => known === type);
  if (same !== undefined) return same;
  return type.startsWith('rsa') ? 'rsa2048' : type === 'p521' ? 'p384' : 'p256';
}

/**
 * Returns why a key is unsuitable for TLS with a NATS server, `RSA with 1024 bits, expected 2048 or more`; undefined when
 * it is suitable.
 */
export function weaknessOf(key: KeyObject): string | undefined {
  const type = key.asymmetricKeyType;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  // Go's crypto/tls rejects larger keys.
  if (type === 'rsa' && bits > 8192) return `RSA with ${bits} bits, expected 8192 or fewer`;
  if (type === 'rsa') return bits < 2048 ? `RSA with ${bits} bits, expected 2048 or more` : undefined;
  const fit = ['p256', 'p384', 'p521', 'ed25519'];
  return fit.includes(keyTypeOf(key)) ? undefined : `${keyTypeOf(key)}, expected ${fit.join(', ')} or rsa`;
}

/** In bytes of UTF-8: OpenSSL cannot open a key with a longer passphrase. */
const maximumPassphrase = 1023;

/** Throws a UsageError for a passphrase with which a key cannot be opened again. */
export function checkPassphrase(passphrase: string): void {
  if (passphrase === '') throw new UsageError('the passphrase is empty');
  if (Buffer.byteLength(passphrase) > maximumPassphrase) {
    throw new UsageError(
      `the passphrase has more than ${maximumPassphrase} bytes, which OpenSSL does not accept`,
    );
  }
}

/**
 * Encodes a private key as PKCS#8 in PEM; encrypts it if a passphrase is given (PBES2 with scrypt and AES-256-CBC, RFC
 * 8018). Decrypts the result once, as a check. Throws as checkPassphrase does.
 */
export async function encodePrivateKey(key: KeyObject, passphrase?: string): Promise<string> {
  if (passphrase === undefined) return key.export({ type: 'pkcs8', format: 'pem' }) as string;
  checkPassphrase(passphrase);
  const { encryptPrivateKey } = await import('./encrypted-key.ts');
  const encrypted = await encryptPrivateKey(key.export({ type: 'pkcs8', format: 'der' }), passphrase);
  const pem = writePem('ENCRYPTED PRIVATE KEY', encrypted);
  if (!decodePrivateKey(Buffer.from(pem), 'the new key', passphrase).equals(key)) {
    throw new Error('the decrypted key differs from the original');
  }
  return pem;
}

/**
 * Reads the private key in a file, PEM or DER. Throws `passphrase-needed`, `wrong-passphrase`, `wrong-material`, or an
 * error that describes the damage of the file.
 * @param source the name of the file, for errors
 */
export function decodePrivateKey(bytes: Buffer, source: string, passphrase?: string): KeyObject {
  return openPrivateKey(readMaterialOf('private-key', bytes, source)[0] as Material, source, passphrase);
}

/** Opens a private key; throws as decodePrivateKey does. */
export function openPrivateKey(material: Material, source: string, passphrase?: string): KeyObject {
  const { der, form, encryption } = material;
  if (encryption === 'pem') {
    throw new NatspkiError(
      'unsupported-encryption',
      `the key in "${source}" is encrypted in an outdated format`,
      {
        hint: `openssl pkcs8 -topk8 -scrypt -in "${source}" -out new-key.pem`,
      },
    );
  }
  if (encryption !== undefined && passphrase === undefined) {
    throw new NatspkiError('passphrase-needed', `the key in "${source}" is encrypted`, {
      hint: 'pass --passphrase-file FILE',
    });
  }
  wrapDerErrors('private-key', source, () => readChildren(readDer(der)));
  try {
    return createPrivateKey({
      key: der,
      format: 'der',
      type: form as 'pkcs8' | 'pkcs1' | 'sec1',
      ...(encryption === undefined ? {} : { passphrase }),
    });
  } catch (error) {
    if (encryption !== undefined) {
      throw new NatspkiError('wrong-passphrase', `wrong passphrase for "${source}"`, { cause: error });
    }
    throw new NatspkiError('damaged-private-key', `"${source}" is damaged: its private key cannot be read`);
  }
}

/** Opens a public key; throws `damaged-public-key`. */
export function openPublicKey(material: Material, source: string): KeyObject {
  try {
    return createPublicKey({ key: material.der, format: 'der', type: material.form as 'spki' | 'pkcs1' });
  } catch (error) {
    throw new NatspkiError('damaged-public-key', `"${source}" is damaged: its public key cannot be read`, {
      cause: error,
    });
  }
}
