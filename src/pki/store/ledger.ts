// The record of every certificate that an authority ever signed, and of those it wants nobody to accept any more: one
// line of JSON each, only ever added to.
import { dirname } from 'node:path';
import { exists, type FileWrite } from '../../files/files.ts';
import { readOwnFile } from '../../files/own-files.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { formatSan } from '../../x509/name.ts';
import { type ProfileName, profileNames } from './profile.ts';

/** Of what signs others: a root, and what signs below one. */
export type AuthorityProfile = 'authority' | 'intermediate';

export interface LedgerEntry {
  /** When it was signed; this and the other times as ISO 8601 in UTC. */
  readonly time: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** Of its files; `ca` for a root, `intermediate` for what signs below one. */
  readonly name: string;
  readonly profile: ProfileName | AuthorityProfile;
  readonly sans: readonly string[];
  readonly keyType: string;
  /** The pin of the key that signed it. */
  readonly issuer: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly pin: string;
  /** Set when it answered a request, so that its private key is elsewhere. */
  readonly request?: true;
  /** Set when its files were written outside of the folder. */
  readonly outside?: true;
}

/** A certificate that nobody is to accept any more. */
export interface Revocation {
  /** When, as ISO 8601 in UTC. */
  readonly time: string;
  /** Serial number, lower-case hex. */
  readonly revoked: string;
  /** Of its files. */
  readonly name: string;
}

export interface LedgerContents {
  /** Oldest first. */
  readonly entries: LedgerEntry[];
  /** By serial number. */
  readonly revocations: Map<string, Revocation>;
  /** Numbers of the lines that a crash or an editor has damaged. */
  readonly damagedLines: number[];
}

const newline = 0x0a;

export class Ledger {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  /**
   * Gives the file with these entries behind those it has, to be written in one step with the certificates themselves:
   * none is recorded that is not there, and none is there that is not recorded.
   */
  async with(entries: readonly (LedgerEntry | Revocation)[]): Promise<FileWrite> {
    const old = exists(this.file) ? await this.#bytes() : Buffer.alloc(0);
    // A line that is torn damages no other.
    const end = old.length === 0 || old.at(-1) === newline ? '' : '\n';
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
    return { path: this.file, data: Buffer.concat([old, Buffer.from(end + lines.join(''))]), mode: 0o600 };
  }

  async #bytes(): Promise<Buffer> {
    return readOwnFile(dirname(dirname(this.file)), this.file, Number.POSITIVE_INFINITY);
  }

  /** Reads all that is on record. */
  async read(): Promise<LedgerContents> {
    const contents: LedgerContents = { entries: [], revocations: new Map(), damagedLines: [] };
    if (!exists(this.file)) return contents;
    const lines = (await this.#bytes()).toString().split('\n');
    for (const [index, line] of lines.entries()) {
      if (line === '') continue;
      const parsed = parseLine(line);
      if (parsed === undefined) contents.damagedLines.push(index + 1);
      else if ('revoked' in parsed) contents.revocations.set(parsed.revoked, parsed);
      else contents.entries.push(parsed);
    }
    return contents;
  }
}

/** Makes the entry of a certificate. */
export function ledgerEntry(
  certificate: Certificate,
  facts: Pick<LedgerEntry, 'name' | 'profile' | 'issuer' | 'request'> & { now: Date },
): LedgerEntry {
  const { now, ...rest } = facts;
  return {
    time: now.toISOString(),
    serial: certificate.serial,
    ...rest,
    sans: certificate.sans.map(formatSan),
    keyType: certificate.keyType,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    pin: certificate.pin,
  };
}

/** Tells the profiles of what signs others from those of leaves. */
export function isAuthority(profile: string): profile is AuthorityProfile {
  return profile === 'authority' || profile === 'intermediate';
}

function parseLine(line: string): LedgerEntry | Revocation | undefined {
  try {
    const value = JSON.parse(line) as Partial<LedgerEntry & Revocation> | null;
    if (isRevocation(value)) return value;
    return isEntry(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRevocation(value: Partial<Revocation> | null): value is Revocation {
  const { time, revoked, name } = value ?? {};
  return (
    [revoked, name].every((field) => typeof field === 'string') && !Number.isNaN(Date.parse(String(time)))
  );
}

function isEntry(entry: Partial<LedgerEntry> | null): entry is LedgerEntry {
  const { serial, name, profile, issuer, pin, notAfter } = entry ?? {};
  return (
    [serial, name, issuer, pin].every((field) => typeof field === 'string') &&
    (isAuthority(String(profile)) || profileNames.some((known) => known === profile)) &&
    !Number.isNaN(Date.parse(String(notAfter)))
  );
}
