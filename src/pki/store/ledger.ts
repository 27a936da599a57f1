// The append-only record of every certificate that an authority signed or revoked, one line of JSON each.
import { dirname } from 'node:path';
import { type Appended, appendLines, type ReadPosition, readAppended } from '../../files/append.ts';
import { exists, type FileWrite } from '../../files/files.ts';
import { readOwnFile } from '../../files/own-files.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { formatSan } from '../../x509/name.ts';
import { type ProfileName, profileNames } from './profile.ts';

/** The profiles of the authority's own certificates: roots, intermediates, and what answers for them over OCSP. */
export type AuthorityProfile = 'authority' | 'intermediate' | 'responder';

export interface LedgerEntry {
  /** When it was signed; all times are ISO 8601 in UTC. */
  readonly time: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** The name of its files; `ca` for a root and for a responder, which has none, `intermediate` for an intermediate. */
  readonly name: string;
  readonly profile: ProfileName | AuthorityProfile;
  readonly sans: readonly string[];
  readonly keyType: string;
  /** The pin of the issuer's key. */
  readonly issuer: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly pin: string;
  /** Set when it was issued for a certificate request: its private key is elsewhere. */
  readonly request?: true;
  /** Set when it names an OCSP responder. */
  readonly ocsp?: true;
  /** Set when its files were written outside of the folder. */
  readonly outside?: boolean;
  /** The absolute path of that other folder. */
  readonly folder?: string;
  /** Set when a member of the fleet asked for it. */
  readonly member?: MemberRecord;
}

/** What the authority remembers of a member's request, so that it can repeat its answer. */
export interface MemberRecord {
  /** How the request arrived: with a `token`, over `est` or over `nats`. */
  readonly over: string;
  /** The life that the name was given, in days; the end of the authority may shorten that of a certificate. */
  readonly days: number;
  /** The certificate, base64 DER. */
  readonly certificate: string;
  /** Serial number of the certificate that the member renewed. */
  readonly replaces?: string;
  /** The id of the invitation that the member used. */
  readonly invitation?: string;
}

/** A revoked certificate. */
export interface Revocation {
  /** The time of the revocation, ISO 8601 in UTC. */
  readonly time: string;
  /** Serial number, lower-case hex. */
  readonly revoked: string;
  /** The name of its files. */
  readonly name: string;
  /** As in RFC 5280 section 5.3.1: `keyCompromise`; absent when none was given. */
  readonly reason?: string;
}

export interface LedgerContents {
  /** Oldest first. */
  readonly entries: LedgerEntry[];
  /** By serial number. */
  readonly revocations: Map<string, Revocation>;
  /** The numbers of lines that are not valid entries, as after a crash or a manual edit. */
  readonly damagedLines: number[];
}

const newline = 0x0a;

export class Ledger {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  /**
   * Returns the write that appends entries. Execute it in one step with the writes of the certificates, so that the ledger
   * always agrees with the files.
   */
  async append(entries: readonly (LedgerEntry | Revocation)[]): Promise<FileWrite> {
    const old = exists(this.file) ? await this.#bytes() : Buffer.alloc(0);
    // Start a new line after an incomplete one.
    const end = old.length === 0 || old.at(-1) === newline ? '' : '\n';
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`);
    return { path: this.file, data: Buffer.concat([old, Buffer.from(end + lines.join(''))]), mode: 0o600 };
  }

  async #bytes(): Promise<Buffer> {
    return readOwnFile(dirname(dirname(this.file)), this.file, Number.POSITIVE_INFINITY);
  }

  /** Appends entries that no other file has to agree with, without rewriting the file. Hold the lock of the folder. */
  async record(entries: readonly LedgerEntry[]): Promise<void> {
    const lines = entries.map((entry) => JSON.stringify(entry));
    await appendLines(dirname(dirname(this.file)), this.file, lines);
  }

  /** Reads all lines. */
  async read(): Promise<LedgerContents> {
    return parseLines(exists(this.file) ? (await this.#bytes()).toString().split('\n') : []);
  }

  /** Reads the lines that were appended after a position; all lines when the file was replaced since. */
  readAfter(last: ReadPosition | undefined): LedgerContents & Partial<Omit<Appended, 'lines'>> {
    if (!exists(this.file)) return { ...parseLines([]), isWhole: true };
    const { lines, ...rest } = readAppended(dirname(dirname(this.file)), this.file, last);
    return { ...parseLines(lines), ...rest };
  }
}

function parseLines(lines: readonly string[]): LedgerContents {
  const contents: LedgerContents = { entries: [], revocations: new Map(), damagedLines: [] };
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    const parsed = parseLine(line);
    if (parsed === undefined) contents.damagedLines.push(index + 1);
    else if ('revoked' in parsed) contents.revocations.set(parsed.revoked, parsed);
    else contents.entries.push(parsed);
  }
  return contents;
}

/** Returns the ledger entry of a certificate. */
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
    ...(certificate.addresses.ocsp.length > 0 && { ocsp: true as const }),
  };
}

/** Identifies the files of an entry: two with the same result are versions of one pair. */
export function placeOf({ name, outside, folder = '' }: LedgerEntry): string {
  return outside ? `${folder}/${name}` : name;
}

/**
 * Returns the newest entries, by name, of the names that members of the fleet renew: their keys are on other hosts, and a pair
 * that is still in the folder is out of use.
 */
export function renewedByMembers(entries: readonly LedgerEntry[]): Map<string, LedgerEntry> {
  const newest = new Map(entries.map((entry) => [entry.name, entry]));
  return new Map([...newest].filter(([, { member }]) => member !== undefined));
}

/** Returns whether a profile is that of a root, an intermediate or a responder. */
export function isAuthority(profile: string): profile is AuthorityProfile {
  return ['authority', 'intermediate', 'responder'].includes(profile);
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

function isMemberRecord({ over, days, certificate }: Partial<MemberRecord>): boolean {
  return typeof over === 'string' && typeof certificate === 'string' && Number(days) > 0;
}

function isEntry(entry: Partial<LedgerEntry> | null): entry is LedgerEntry {
  const { serial, name, profile, issuer, pin, notAfter, member } = entry ?? {};
  return (
    [serial, name, issuer, pin].every((field) => typeof field === 'string') &&
    (member === undefined || isMemberRecord(member)) &&
    (isAuthority(String(profile)) || profileNames.some((known) => known === profile)) &&
    !Number.isNaN(Date.parse(String(notAfter)))
  );
}
