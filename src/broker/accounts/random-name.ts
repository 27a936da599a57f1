// Names of letters and digits as nats-server makes them: ones that nobody can guess, and the one that stands for a server.
import { createHash, randomInt } from 'node:crypto';

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Draws a name of this many letters and digits. */
export function randomName(length: number): string {
  return Array.from({ length }, () => digits[randomInt(digits.length)]).join('');
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
