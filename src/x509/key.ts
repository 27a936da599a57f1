// Private keys as values: making them, and PKCS#8 with or without a passphrase. Reads and writes no files.
import type { KeyObject } from 'node:crypto';

/** Lists the key types that a user can ask for, the default first. */
export const keyTypes = ['p256', 'p384', 'ed25519', 'rsa2048', 'rsa3072', 'rsa4096'] as const;
export type KeyType = (typeof keyTypes)[number];

/** Makes a private key without blocking the event loop. */
export async function generateKey(_type: KeyType): Promise<KeyObject> {
  throw new Error('not yet');
}

/** Names the type of a key as `--key-type` does; foreign ones read `rsa1024`, `p521`, `x25519`. */
export function keyTypeOf(_key: KeyObject): string {
  throw new Error('not yet');
}
