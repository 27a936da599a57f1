// What must not be seen of a private key: its secret numbers, in the forms in which they could be written.
import type { KeyObject } from 'node:crypto';

/** Returns the secret numbers of a private key as bytes (latin1), hex and base64, each long enough to be no coincidence. */
export function secretsOf(key: KeyObject): string[] {
  const { d = '', p = '' } = key.export({ format: 'jwk' });
  return [d, p]
    .filter((number) => number !== '')
    .flatMap((number) => formsOf(Buffer.from(number, 'base64url')));
}

/** Returns the forms in which secret bytes could be written; of base64 also those that begin within a group of three. */
export function formsOf(secret: Buffer): string[] {
  const shifted = [0, 1, 2].map((by) => secret.subarray(by));
  return [
    secret.toString('latin1'),
    secret.toString('hex'),
    secret.toString('base64url'),
    ...shifted.map((bytes) => bytes.toString('base64').slice(0, 36)),
  ];
}

/** Returns texts, together with what their parts are in base64, wherever in a part it begins. */
export function decoded(texts: readonly string[]): string {
  const inner = texts.flatMap((text) =>
    (text.replace(/\s+/g, '').match(/[A-Za-z0-9+/_-]{40,}/g) ?? []).flatMap((word) =>
      [0, 1, 2, 3].map((by) => Buffer.from(word.slice(by), 'base64').toString('latin1')),
    ),
  );
  return [...texts, ...inner].join('\n');
}
