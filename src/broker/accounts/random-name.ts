// Names of letters and digits as nats-server makes them: ones that nobody can guess, and the one that stands for a server.
import { createHash, randomInt } from 'node:crypto';

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** As many as one random number makes: randomInt gives no more than 48 bits. */
const atOnce = 8;

/** Draws a name of this many letters and digits. */
export function randomName(length: number): string {
  let name = '';
  while (name.length < length) {
    const count = Math.min(atOnce, length - name.length);
    let rest = randomInt(digits.length ** count);
    for (let index = 0; index < count; index++) {
      name += digits[rest % digits.length];
      rest = Math.floor(rest / digits.length);
    }
  }
  return name;
}

/** As long as nats-server's ids of messages, and of the same letters (nuid). */
export function uniqueId(): string {
  return randomName(22);
}

/** The token by which other servers reach the one of this name (events.go, getHash). */
export function serverToken(name: string): string {
  const hash = createHash('sha256').update(name).digest();
  return Array.from(hash.subarray(0, 8), (byte) => digits[byte % digits.length]).join('');
}
