// The password-based ciphers and the integrity check of PKCS#12: PBES2 (RFC 8018), the older 3DES scheme, and the key
// derivation of RFC 7292 appendix B. node:crypto does the cryptography; it offers all of it but that derivation. The
// packages load slowly, so only pkcs12.ts imports this file.
import { createCipheriv, createDecipheriv, createHmac, hash, pbkdf2, randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { AsnConvert, AsnProp, AsnPropTypes, AsnType, AsnTypeTypes, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';
import { NatspkiError } from '../errors.ts';
import { algorithmOf, algorithms, Pbes2Parameters, Pbkdf2Parameters, pbes2With } from './pbes2.ts';

const stretch = promisify(pbkdf2);

/** pbeWithSHAAnd3-KeyTripleDES-CBC (RFC 7292 appendix C). */
const tripleDes = '1.2.840.113549.1.12.1.3';
/** The most rounds of a derivation in a file that is read: Java accepts as many. */
const maximumRounds = 5_000_000;
/** Rounds of a derivation between two turns of the event loop, about 30 ms. */
const roundsPerTurn = 20_000;

const pseudoRandomFunctions: Readonly<Record<string, string>> = {
  [algorithms.hmacWithSha1]: 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  [algorithms.hmacWithSha256]: 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};

const ciphers: Readonly<Record<string, { name: string; keyLength: number }>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyLength: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyLength: 24 },
  [algorithms.aes256Cbc]: { name: 'aes-256-cbc', keyLength: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyLength: 24 },
};

const digests: Readonly<Record<string, string>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.4': 'sha224',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};

/** pkcs-12PbeParams. */
class Pkcs12PbeParameters {
  salt = new OctetString();
  iterations = 0;
}
AsnProp({ type: OctetString })(Pkcs12PbeParameters.prototype, 'salt');
AsnProp({ type: AsnPropTypes.Integer })(Pkcs12PbeParameters.prototype, 'iterations');
AsnType({ type: AsnTypeTypes.Sequence })(Pkcs12PbeParameters);

/** How a file is encrypted. */
export interface Protection {
  readonly password: string;
  /** 3DES and SHA-1, for programs that know no AES in PKCS#12. */
  readonly legacy: boolean;
  /** Of each key derivation. */
  readonly rounds: number;
}

export interface Encrypted {
  readonly algorithm: AlgorithmIdentifier;
  readonly data: Buffer;
}

export interface Mac {
  readonly digestAlgorithm: string;
  readonly digest: Buffer;
  readonly salt: Buffer;
}

/** Encrypts with a fresh salt. */
export async function encrypt(
  plain: Uint8Array,
  { password, legacy, rounds }: Protection,
): Promise<Encrypted> {
  if (legacy) {
    const salt = randomBytes(8);
    const cipher = createCipheriv('des-ede3-cbc', ...(await tripleDesKey(password, salt, rounds)));
    const parameters = Object.assign(new Pkcs12PbeParameters(), {
      salt: new OctetString(salt),
      iterations: rounds,
    });
    return {
      algorithm: algorithmOf(tripleDes, parameters),
      data: Buffer.concat([cipher.update(plain), cipher.final()]),
    };
  }
  const [salt, iv] = [randomBytes(16), randomBytes(16)];
  const cipher = createCipheriv('aes-256-cbc', await stretch(password, salt, rounds, 32, 'sha256'), iv);
  const derivation = Object.assign(new Pbkdf2Parameters(), {
    salt: new OctetString(salt),
    iterationCount: rounds,
    prf: new AlgorithmIdentifier({ algorithm: algorithms.hmacWithSha256, parameters: null }),
  });
  return {
    algorithm: pbes2With(algorithmOf(algorithms.pbkdf2, derivation), iv),
    data: Buffer.concat([cipher.update(plain), cipher.final()]),
  };
}

/**
 * Decrypts. Throws `unsupported-encryption` for an algorithm that neither this program nor Node has, and any other error for
 * a wrong password.
 */
export async function decrypt(
  { algorithm, data }: Encrypted,
  password: string,
  source: string,
): Promise<Buffer> {
  const parameters = algorithm.parameters ?? new ArrayBuffer(0);
  if (algorithm.algorithm === tripleDes) {
    const { salt, iterations } = AsnConvert.parse(parameters, Pkcs12PbeParameters);
    checkRounds(iterations, source);
    const [key, iv] = await tripleDesKey(password, Buffer.from(salt.buffer), iterations);
    const decipher = createDecipheriv('des-ede3-cbc', key, iv);
    return Buffer.concat([decipher.update(data), decipher.final()]);
  }
  if (algorithm.algorithm !== algorithms.pbes2) throw unsupported(source, algorithm.algorithm);
  const { keyDerivationFunction, encryptionScheme } = AsnConvert.parse(parameters, Pbes2Parameters);
  const cipher = ciphers[encryptionScheme.algorithm];
  if (cipher === undefined) throw unsupported(source, encryptionScheme.algorithm);
  if (keyDerivationFunction.algorithm !== algorithms.pbkdf2) {
    throw unsupported(source, keyDerivationFunction.algorithm);
  }
  const derivation = AsnConvert.parse(
    keyDerivationFunction.parameters ?? new ArrayBuffer(0),
    Pbkdf2Parameters,
  );
  const { salt, iterationCount, prf } = derivation;
  checkRounds(iterationCount, source);
  const digest = pseudoRandomFunctions[prf?.algorithm ?? algorithms.hmacWithSha1];
  if (digest === undefined) throw unsupported(source, String(prf?.algorithm));
  const key = await stretch(password, Buffer.from(salt.buffer), iterationCount, cipher.keyLength, digest);
  const iv = Buffer.from(
    AsnConvert.parse(encryptionScheme.parameters ?? new ArrayBuffer(0), OctetString).buffer,
  );
  const decipher = createDecipheriv(cipher.name, key, iv);
  return Buffer.concat([decipher.update(data), decipher.final()]);
}

/** Computes the MAC of the content of a file (RFC 7292 section 4). */
export async function macOf(content: Uint8Array, { password, legacy, rounds }: Protection): Promise<Mac> {
  const digestAlgorithm = legacy ? '1.3.14.3.2.26' : '2.16.840.1.101.3.4.2.1';
  const salt = randomBytes(legacy ? 8 : 16);
  return {
    digestAlgorithm,
    salt,
    digest: await authenticate(content, digestAlgorithm, salt, password, rounds),
  };
}

/** Computes the MAC of the content of a file that is read, for comparison; throws `unsupported-encryption`. */
export async function expectedMac(
  content: Uint8Array,
  mac: Mac & { readonly rounds: number },
  password: string,
  source: string,
): Promise<Buffer> {
  if (digests[mac.digestAlgorithm] === undefined) throw unsupported(source, mac.digestAlgorithm);
  checkRounds(mac.rounds, source);
  return authenticate(content, mac.digestAlgorithm, mac.salt, password, mac.rounds);
}

async function authenticate(
  content: Uint8Array,
  digestAlgorithm: string,
  salt: Buffer,
  password: string,
  rounds: number,
): Promise<Buffer> {
  const digest = digests[digestAlgorithm] as string;
  const length = hash(digest, '', 'buffer').length;
  const key = await derive({ digest, purpose: 3, password, salt, rounds, length });
  return createHmac(digest, key).update(content).digest();
}

async function tripleDesKey(password: string, salt: Buffer, rounds: number): Promise<[Buffer, Buffer]> {
  const common = { digest: 'sha1', password, salt, rounds };
  return [
    await derive({ ...common, purpose: 1, length: 24 }),
    await derive({ ...common, purpose: 2, length: 8 }),
  ];
}

interface Derivation {
  readonly digest: string;
  /** 1 for a key, 2 for an initialization vector, 3 for the key of a MAC. */
  readonly purpose: 1 | 2 | 3;
  readonly password: string;
  readonly salt: Buffer;
  readonly rounds: number;
  /** Of the result, in bytes. */
  readonly length: number;
}

/** Derives a key as RFC 7292 appendix B.2 does. */
async function derive({ digest, purpose, password, salt, rounds, length }: Derivation): Promise<Buffer> {
  const block = ['sha384', 'sha512'].includes(digest) ? 128 : 64;
  const purposeBlock = Buffer.alloc(block, purpose);
  // BMPString with a final zero character.
  const secret = Buffer.from(`${password}\0`, 'utf16le').swap16();
  const input = Buffer.concat([filled(salt, block), filled(secret, block)]);
  const parts: Buffer[] = [];
  for (let size = 0; size < length; size += (parts.at(-1) as Buffer).length) {
    let part = hash(digest, Buffer.concat([purposeBlock, input]), 'buffer');
    for (let round = 1; round < rounds; round++) {
      part = hash(digest, part, 'buffer');
      if (round % roundsPerTurn === 0) await setImmediate();
    }
    parts.push(part);
    const added = filled(part, block).subarray(0, block);
    for (let at = 0; at < input.length; at += block) addOneMore(input.subarray(at, at + block), added);
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** Repeats bytes up to a multiple of the block size; nothing stays nothing. */
function filled(bytes: Buffer, block: number): Buffer {
  return bytes.length === 0 ? bytes : Buffer.alloc(Math.ceil(bytes.length / block) * block, bytes);
}

/** Adds `other` and 1 to a big-endian number in place, without the carry beyond its length. */
function addOneMore(number: Buffer, other: Buffer): void {
  let carry = 1;
  for (let at = number.length - 1; at >= 0; at--) {
    const sum = (number[at] as number) + (other[at] as number) + carry;
    number[at] = sum & 0xff;
    carry = sum >> 8;
  }
}

function checkRounds(rounds: number, source: string): void {
  if (rounds >= 1 && rounds <= maximumRounds) return;
  throw new NatspkiError(
    'unsupported-encryption',
    `"${source}" asks for ${rounds} rounds of key derivation, expected 1 to ${maximumRounds}`,
  );
}

function unsupported(source: string, algorithm: string): NatspkiError {
  return new NatspkiError(
    'unsupported-encryption',
    `"${source}" is encrypted with ${names[algorithm] ?? algorithm}, which Node does not have`,
    { hint: `openssl pkcs12 -legacy -in "${source}" -nodes -out new.pem` },
  );
}

const names: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.12.1.1': '128-bit RC4',
  '1.2.840.113549.1.12.1.2': '40-bit RC4',
  '1.2.840.113549.1.12.1.4': '2-key 3DES',
  '1.2.840.113549.1.12.1.5': '128-bit RC2',
  '1.2.840.113549.1.12.1.6': '40-bit RC2',
};
