// Generates names of letters and digits as nats-server does: random ones, and the token that stands for a server.
import { randomInt } from 'node:crypto';
import { nameHash } from '../../subjects/account-hash.ts';

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Characters drawn from one random number: randomInt returns at most 48 bits. */
const digitsPerNumber = 8;

/** Returns a random name of this length that cannot be guessed. */
export function randomName(length: number): string {
  let name = '';
  while (name.length < length) {
    const count = Math.min(digitsPerNumber, length - name.length);
    let rest = randomInt(digits.length ** count);
    for (let index = 0; index < count; index++) {
      name += digits[rest % digits.length];
      rest = Math.floor(rest / digits.length);
    }
  }
  return name;
}

/** Returns an id with the length and alphabet of nats-server's message ids (nuid). */
export function uniqueId(): string {
  return randomName(22);
}

/** Returns the token by which other servers address the server of this name. */
export function serverToken(name: string): string {
  return nameHash(name);
}
