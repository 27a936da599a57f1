// Schedules renewals: computes when each certificate is renewed, which are due now, and when to check again. It only reads
// the folder; renewer.ts renews.
import { formatDay } from '../../duration.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { type ListedCertificate, listCertificates } from '../store/listing.ts';
import { authorityRemedies } from './plan.ts';
import { planRotation } from './rotate.ts';

export interface RenewalPolicy {
  /**
   * Renew this many milliseconds before a certificate expires; default the last third of its lifetime. At most two thirds
   * of a lifetime: otherwise a certificate with a lifetime shorter than this would be renewed in every round.
   */
  readonly dueMs?: number;
  /** The fraction of that window, 0 to 1, over which renewals are spread, so that not all certificates change at once. */
  readonly spread?: number;
}

export interface ScheduleOptions extends RenewalPolicy {
  /** The leaves to look at; default all of the folder. */
  readonly names?: readonly string[];
}

export interface Schedule {
  /** Names of leaves, in the order of the list. */
  readonly due: readonly string[];
  /** When the next leaf becomes due; undefined when there is none. */
  readonly next: Date | undefined;
  /** One line for each problem that a renewal does not solve. */
  readonly remarks: readonly string[];
}

type Life = Pick<ListedCertificate, 'notBefore' | 'notAfter' | 'pin'>;

/** Computes when a certificate is renewed. The spread is derived from its pin, so that the result is always the same. */
export function renewalTime({ notBefore, notAfter, pin }: Life, policy: RenewalPolicy = {}): Date {
  const life = notAfter.getTime() - notBefore.getTime();
  const window = Math.min(policy.dueMs ?? life / 3, (life * 2) / 3);
  const fraction = Number.parseInt(pin.slice(0, 8), 16) / 2 ** 32;
  return new Date(notAfter.getTime() - window * (1 - fraction * (policy.spread ?? 0)));
}

/** Returns what to renew now and when to check again; throws as listCertificates does. */
export async function scheduleRenewal(
  directory: PkiDirectory,
  now: Date,
  policy: ScheduleOptions = {},
): Promise<Schedule> {
  const clock = { now: () => now };
  const { certificates: rows } = await listCertificates(directory, clock);
  const authorities = authorityRemedies(rows);
  const { names } = policy;
  const isWanted = (name: string) => names?.includes(name) ?? true;
  // Without names, so that the plan leaves the pairs that their hosts renew.
  const { steps, left } = await planRotation({ directory, ...clock });
  const renewable = new Set(steps.map((step) => step.action === 'reissue' && step.replaces));
  const due: string[] = [];
  const remarks = left.filter((line) => isWanted(/^"([^"]*)"/.exec(line)?.[1] ?? ''));
  let next: Date | undefined;
  for (const row of rows.filter(({ serial, name }) => renewable.has(serial) && isWanted(name))) {
    const time = renewalTime(row, policy);
    // A certificate that was issued while the clock was ahead is not valid yet, and is renewed at once.
    if (time > now && row.notBefore <= now) next = next === undefined || time < next ? time : next;
    else if (authorities.some(({ certificate }) => endsWith(row, certificate, now)))
      remarks.push(boundRemark(row));
    else due.push(row.name);
  }
  for (const { certificate, remedy } of authorities) {
    if (renewalTime(certificate, policy) > now) continue;
    remarks.push(`the ${certificate.profile} expires on ${formatDay(certificate.notAfter)}: ${remedy}`);
  }
  return { due, next, remarks };
}

/** Returns whether a new certificate could not expire later than the present one. */
function endsWith(leaf: ListedCertificate, authority: ListedCertificate, now: Date): boolean {
  // With an expired authority, issuing fails with a clear error.
  return now < authority.notAfter && leaf.notAfter >= authority.notAfter;
}

function boundRemark({ name, notAfter }: ListedCertificate): string {
  return `"${name}" expires with its authority on ${formatDay(notAfter)}, renewing it would not help`;
}
