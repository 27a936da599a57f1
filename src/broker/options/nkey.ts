// Reads nkeys, the text form of Ed25519 public keys, and verifies the signatures by which clients prove that they have
// the private key. Never holds a private key.
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { fromPublic } from '@nats-io/nkeys';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Whether the text is the public key of a user (U) or an account (A): prefix, 32 bytes and checksum in base 32. */
export function isPublicKey(text: string, of: 'U' | 'A'): boolean {
  if (!text.startsWith(of) || !/^[A-Z2-7]{56}$/.test(text)) return false;
  try {
    fromPublic(text);
    return true;
  } catch {
    return false;
  }
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
