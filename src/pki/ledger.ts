// The record of every certificate that an authority ever signed: one line of JSON each, only ever appended to.
import { appendLines, exists, readFile } from '../files.ts';
import type { Certificate } from '../x509/certificate.ts';
import { formatSan } from '../x509/name.ts';
import type { ProfileName } from './profile.ts';

export interface LedgerEntry {
  /** When it was signed; this and the other times as ISO 8601 in UTC. */
  readonly time: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** Of its files; `ca` for the authority. */
  readonly name: string;
  readonly profile: ProfileName | 'authority';
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

export class Ledger {
  readonly file: string;

  constructor(file: string) {
    this.file = file;
  }

  /** Appends, and waits until the disk has it: before the certificates themselves can be seen by anybody. */
  async append(entries: readonly LedgerEntry[]): Promise<void> {
    await appendLines(
      this.file,
      entries.map((entry) => JSON.stringify(entry)),
      0o600,
    );
  }

  /** Reads all entries, oldest first, and the numbers of the lines that a crash or an editor has damaged. */
  async read(): Promise<{ entries: LedgerEntry[]; damagedLines: number[] }> {
    const entries: LedgerEntry[] = [];
    const damagedLines: number[] = [];
    if (!exists(this.file)) return { entries, damagedLines };
    const lines = (await readFile(this.file, Number.POSITIVE_INFINITY)).toString().split('\n');
    for (const [index, line] of lines.entries()) {
      if (line === '') continue;
      const entry = parseEntry(line);
      if (entry === undefined) damagedLines.push(index + 1);
      else entries.push(entry);
    }
    return { entries, damagedLines };
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

function parseEntry(line: string): LedgerEntry | undefined {
  try {
    const entry = JSON.parse(line) as Partial<LedgerEntry> | null;
    return typeof entry?.serial === 'string' && typeof entry.profile === 'string'
      ? (entry as LedgerEntry)
      : undefined;
  } catch {
    return undefined;
  }
}
