// Tokens that invite a host: one base64url word with everything that its first enrolment needs. Whoever has the token can
// use it, so it is a secret until it is used, withdrawn or expired.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { NatspkiError } from '../errors.ts';
import type { Pin } from '../x509/pin.ts';

export interface Token {
  /** Names the invitation; 16 lower-case hex digits. */
  readonly id: string;
  /** 32 random bytes. */
  readonly secret: Buffer;
  /**
   * The pins of the roots that the chain of the server may end in, the current one first. Until `rotate --ca` is finished,
   * the server may have a pair of either authority.
   */
  readonly authorities: readonly Pin[];
  /** The name of the certificate. */
  readonly name: string;
  /** Where the authority answers: `https://HOST:PORT` (EST); to renew also `nats://` or `tls://HOST:PORT`. */
  readonly urls: readonly string[];
}

const version = 1;
const idBytes = 8;
const secretBytes = 32;
const pinBytes = 32;
const checkBytes = 4;
/** The version, the id, the secret, and how many pins follow. */
const fixedBytes = 1 + idBytes + secretBytes + 1;
/** The most roots that a token names. */
export const maximumAuthorities = 16;
/** Longest token that is read, in characters. */
const maximumLength = 8192;

/** Makes the id and the secret of a new token. */
export function newSecret(random: (size: number) => Buffer = randomBytes): Pick<Token, 'id' | 'secret'> {
  return { id: random(idBytes).toString('hex'), secret: random(secretBytes) };
}

/** Encodes a token: the version, the fixed fields, the pins, a JSON list of the name and the URLs, and a checksum. */
export function encodeToken({ id, secret, authorities, name, urls }: Token): string {
  const body = Buffer.concat([
    Buffer.of(version),
    Buffer.from(id, 'hex'),
    secret,
    Buffer.of(authorities.length),
    ...authorities.map((pin) => Buffer.from(pin, 'hex')),
    Buffer.from(JSON.stringify([name, ...urls])),
  ]);
  return Buffer.concat([body, checksum(body)]).toString('base64url');
}

/** Decodes a token; white space around it is ignored. Throws `bad-token`, which never contains the token. */
export function decodeToken(text: string): Token {
  const word = text.trim();
  if (!/^[A-Za-z0-9_-]+$/.test(word) || word.length > maximumLength) {
    throw badToken('is not one word of letters, digits, - and _');
  }
  const bytes = Buffer.from(word, 'base64url');
  if (bytes[0] !== version) throw badToken(`has version ${bytes[0]}, expected ${version}`);
  const body = bytes.subarray(0, -checkBytes);
  if (body.length <= fixedBytes || !checksum(body).equals(bytes.subarray(-checkBytes))) {
    throw badToken('is incomplete or mistyped: its checksum does not match');
  }
  const field = (start: number, length: number) => body.subarray(start, start + length);
  const count = body[fixedBytes - 1] as number;
  const pinsEnd = fixedBytes + count * pinBytes;
  if (count === 0 || count > maximumAuthorities || body.length <= pinsEnd)
    throw badToken('names no authority');
  const pins = Array.from({ length: count }, (_, i) => field(fixedBytes + i * pinBytes, pinBytes));
  const [name, ...urls] = readStrings(body.subarray(pinsEnd));
  return {
    id: field(1, idBytes).toString('hex'),
    secret: Buffer.from(field(1 + idBytes, secretBytes)),
    authorities: pins.map((pin) => pin.toString('hex') as Pin),
    name: name ?? '',
    urls,
  };
}

/** Returns the hash of a secret that the authority keeps, in hex. The secret has 256 bits, so a plain hash suffices. */
export function hashSecret(secret: Buffer): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Compares a secret with a hash in constant time. */
export function isSecretOf(secret: Buffer, hash: string): boolean {
  const expected = Buffer.from(hash, 'hex');
  const found = Buffer.from(hashSecret(secret), 'hex');
  return expected.length === found.length && timingSafeEqual(expected, found);
}

function checksum(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, checkBytes);
}

function readStrings(bytes: Buffer): string[] {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string')) {
      return value;
    }
  } catch {
    // The checksum is right, so another version of natspki made it.
  }
  throw badToken('has no name');
}

function badToken(what: string): NatspkiError {
  return new NatspkiError('bad-token', `the token ${what}`, {
    hint: 'copy it whole, or make a new one with `natspki invite`',
  });
}
