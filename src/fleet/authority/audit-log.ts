// The audit log of a fleet's authority: one line of JSON for each decision. Refusals that strangers can cause are written
// at a bounded rate; a later line says how many were left out.
import { dirname } from 'node:path';
import { appendLines } from '../../files/append.ts';
import { exists } from '../../files/files.ts';
import { readOwnFile } from '../../files/own-files.ts';
import { given } from '../../given.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import type { Decision, RefusalCode, Transport } from '../decision.ts';

export interface AuditRecord {
  /** ISO 8601 in UTC. */
  readonly time: string;
  readonly action: 'enroll' | 'renew' | 'invite' | 'withdraw' | 'serve' | 'left-out';
  readonly decision?: 'granted' | 'repeated' | 'refused';
  readonly name?: string;
  /** Serial number of the certificate that asked. */
  readonly by?: string;
  /** The id of the invitation. */
  readonly invitation?: string;
  /** Serial number and pin of the certificate that was given. */
  readonly serial?: string;
  readonly pin?: string;
  readonly over?: Transport;
  /** Where the request came from, as its transport knows it. */
  readonly peer?: string;
  readonly code?: RefusalCode;
  readonly reason?: string;
  /** How many refusals were left out since the line before. */
  readonly count?: number;
}

/** Refusals that are written at once, and how many more each second. */
const burst = 60;
const perSecond = 1;

/** In characters; a reason may quote the certificate of a stranger. */
const longestReason = 300;

/** Bytes at the end of the log in which earlier refusals are looked for. */
const tailBytes = 4 * 1024 * 1024;

export class AuditLog {
  readonly #folder: string;
  readonly #file: string;
  readonly #now: () => Date;
  #allowance = burst;
  #at = 0;
  #leftOut = 0;

  constructor(directory: PkiDirectory, now: () => Date = () => new Date()) {
    this.#folder = directory.path;
    this.#file = directory.stateFile('audit.log');
    this.#now = now;
  }

  /**
   * Writes records. Those of refusals are left out while there are too many of them.
   * @returns the records that were written
   */
  async write(records: readonly AuditRecord[]): Promise<AuditRecord[]> {
    const kept = records.filter((record) => record.decision !== 'refused' || this.#takes());
    if (kept.length === 0) return [];
    const missing: AuditRecord[] =
      this.#leftOut === 0
        ? []
        : [{ time: this.#now().toISOString(), action: 'left-out', count: this.#leftOut }];
    this.#leftOut = 0;
    const lines = [...missing, ...kept].map((record) => JSON.stringify(record));
    // A decision that is in the ledger is safe without its line here, so no request waits for the disk.
    await appendLines(this.#folder, this.#file, lines, { durable: false });
    return [...missing, ...kept];
  }

  /** Returns the last records that match, the oldest first. */
  async last(count: number, matches: (record: AuditRecord) => boolean): Promise<AuditRecord[]> {
    if (!exists(this.#file)) return [];
    const bytes = await readOwnFile(dirname(dirname(this.#file)), this.#file, Number.POSITIVE_INFINITY);
    const lines = bytes.subarray(-tailBytes).toString().split('\n');
    return lines.flatMap(parseRecord).filter(matches).slice(-count);
  }

  #takes(): boolean {
    const now = this.#now().getTime();
    const earned = (Math.max(0, now - this.#at) / 1000) * perSecond;
    this.#allowance = Math.min(burst, this.#allowance + earned);
    this.#at = now;
    if (this.#allowance < 1) {
      this.#leftOut++;
      return false;
    }
    this.#allowance--;
    return true;
  }
}

/** Adds a decision to the record of its request. */
export function audited(record: AuditRecord, decision: Decision): AuditRecord {
  if (!decision.granted) {
    const { code, reason, name } = decision;
    const shown = reason.length > longestReason ? `${reason.slice(0, longestReason)}…` : reason;
    return { ...record, decision: 'refused', ...given({ name }), code, reason: shown };
  }
  const { name, serial, repeated } = decision;
  return { ...record, decision: repeated ? 'repeated' : 'granted', name, serial };
}

/** Describes a decision in one line, for the log of the process. */
export function describeRecord({
  action,
  decision,
  name,
  serial,
  over,
  peer,
  code,
  reason,
  count,
}: AuditRecord): string {
  if (action === 'left-out') return `Left ${count} refusals out of the log`;
  const where = `${over === 'token' ? 'with a token' : `over ${over}`} from ${peer}`;
  if (decision === 'refused') return `Refused to ${action} ${where}: ${reason} (${code})`;
  const what = action === 'enroll' ? 'Enrolled' : 'Renewed';
  const again = decision === 'repeated' ? ' again, as before' : '';
  return `${what} "${name}"${again} ${where}: serial ${serial}`;
}

function parseRecord(line: string): AuditRecord[] {
  try {
    const value = JSON.parse(line) as AuditRecord | null;
    return typeof value?.action === 'string' && typeof value.time === 'string' ? [value] : [];
  } catch {
    return [];
  }
}
