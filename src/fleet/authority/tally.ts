// Counts what an authority decided since it was opened, and remembers the last decisions for the page.
import type { Decision, RefusalCode, Transport } from '../decision.ts';
import { refusalCodes } from '../decision.ts';
import type { AuditRecord } from './audit-log.ts';

/** How many refusals and copied keys the page shows. */
const remembered = 50;

export class Tally {
  /** First certificates for invitations. */
  enrolments = 0;
  readonly renewals: Record<Transport, number> = { token: 0, est: 0, nats: 0 };
  /** Answers that were given again. */
  repeated = 0;
  readonly refusals = Object.fromEntries(refusalCodes.map((code) => [code, 0])) as Record<
    RefusalCode,
    number
  >;
  /** The last refusals in the audit log, the oldest first. */
  readonly refused: AuditRecord[] = [];
  /** The refusals because of copied keys, the oldest first. */
  readonly copied: AuditRecord[] = [];

  count(decision: Decision, over: Transport): void {
    if (!decision.granted) this.refusals[decision.code]++;
    else if (decision.repeated) this.repeated++;
    else if (over === 'token') this.enrolments++;
    else this.renewals[over]++;
  }

  remember(records: readonly AuditRecord[]): void {
    for (const record of records) {
      if (record.code === 'renewed-twice') keepLast(this.copied, record);
      if (record.decision === 'refused') keepLast(this.refused, record);
    }
  }
}

function keepLast(list: AuditRecord[], record: AuditRecord): void {
  list.push(record);
  if (list.length > remembered) list.shift();
}
