// The mapping functions that insert the hash of an account name into a subject, such as `a.{{account-hash()}}.>`. They are
// resolved once, when exports and imports are read, and never per message (nats-server's subject_transform.go).
import { createHash } from 'node:crypto';
import { MappingError } from './mapping.ts';

/** The accounts whose names the functions hash. */
export interface HashedAccounts {
  /** The account that declares the export or import. */
  readonly own: string;
  /** The account that exports; undefined in an export itself. */
  readonly exporter?: string | undefined;
}

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const hashFunction = /^\{\{\s*[aA]ccount-[hH]ash(-[iI]mport|-[lL]eaf-[rR]emote|)\s*\((.*)\)\s*\}\}$/;

/** Returns the token of 8 letters and digits that stands for a name (events.go, getHash). */
export function nameHash(name: string): string {
  const hash = createHash('sha256').update(name).digest();
  return Array.from(hash.subarray(0, 8), (byte) => digits[byte % digits.length]).join('');
}

/** Replaces the functions by the hashes. Throws a MappingError for an argument, or if the account does not apply. */
export function resolveAccountHashes(subject: string, accounts: HashedAccounts): string {
  if (!subject.includes('{{')) return subject;
  return subject
    .split('.')
    .map((token) => resolve(token, accounts))
    .join('.');
}

/** Whether the subject contains one of the functions. */
export function hasAccountHash(subject: string): boolean {
  return subject.split('.').some((token) => hashFunction.test(token));
}

function resolve(token: string, { own, exporter }: HashedAccounts): string {
  const [found, kind = '', argument = ''] = hashFunction.exec(token) ?? [];
  if (found === undefined) return token;
  if (argument.trim() !== '') throw new MappingError(`${token} takes no argument`);
  const names: Readonly<Record<string, string | undefined>> = { '': own, '-import': exporter };
  const name = names[kind.toLowerCase()];
  if (name === undefined) throw new MappingError(`${token} is not available here`);
  return nameHash(name);
}
