// Reads nkeys, the text form of Ed25519 public keys, and verifies the signatures by which clients prove that they have
// the private key. Never holds a private key.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { fromPublic } from '@nats-io/nkeys';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/**
 * The points of Ed25519 whose order divides 8, little-endian and without the sign bit; 0 and 1 also as p and p + 1. Anyone
 * can make signatures for such a key.
 */
const smallOrderPoints = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
]);

/** Whether the text is the public key of a user (U) or an account (A): prefix, 32 bytes and checksum in base 32. */
export function isPublicKey(text: string, of: 'U' | 'A'): boolean {
  if (!text.startsWith(of) || !/^[A-Z2-7]{56}$/.test(text)) return false;
  try {
    fromPublic(text);
    return !isOfSmallOrder(decodeBase32(text).subarray(1, 33));
  } catch {
    return false;
  }
}

function isOfSmallOrder(key: Buffer): boolean {
  const point = Buffer.from(key);
  point.writeUInt8(point.readUInt8(31) & 0x7f, 31);
  return smallOrderPoints.has(point.toString('hex'));
}

/** Reads a valid public key for node:crypto, which verifies fifty times faster than the nkeys library. */
export function readPublicKey(text: string): KeyObject {
  const x = decodeBase32(text).subarray(1, 33).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** Whether the text is a signature of the nonce, in unpadded URL-safe base64 or in padded standard base64. */
export function isSigned(nonce: string, signature: string, key: KeyObject): boolean {
  if (nonce === '' || !/^(?:[\w-]{86}|[A-Za-z0-9+/]{86}==)$/.test(signature)) return false;
  return verify(null, Buffer.from(nonce), key, Buffer.from(signature, 'base64'));
}

/** Redacts private keys (seeds) in a client's text: a client may send one in place of its public key. */
export function redactSeeds(text: string): string {
  return text.replace(/S[A-Z2-7]{57}/g, '[REDACTED]');
}

function decodeBase32(text: string): Buffer {
  const bits = Array.from(text, (letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}
