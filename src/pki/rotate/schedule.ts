// When certificates are renewed, as values: the moment of each, which of them are due now, and when somebody has to
// look again. Pure but for what it reads of the folder; renewing itself is renewer.ts's.
import { formatDay } from '../store/authority.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { type ListedCertificate, listCertificates } from '../store/listing.ts';
import { authorityRemedies } from './plan.ts';
import { planRotation } from './rotate.ts';

export interface RenewalPolicy {
  /**
   * Renew this many milliseconds before the end of a life; default its last third. It counts for two thirds of a life
   * at most, or a certificate that lives shorter would be renewed without end.
   */
  readonly dueMs?: number;
  /** The part of that window, 0 to 1, over which renewals are spread, so that not everything changes at once. */
  readonly spread?: number;
}

export interface Schedule {
  /** Names of leaves, in the order of the list. */
  readonly due: readonly string[];
  /** When the next leaf that is not due yet will be; undefined when there is none. */
  readonly next: Date | undefined;
  /** What renewing will not help, a line each. */
  readonly remarks: readonly string[];
}

type Life = Pick<ListedCertificate, 'notBefore' | 'notAfter' | 'pin'>;

/**
 * Computes the moment at which a certificate is renewed. The spread comes from its pin, so that everybody who asks, at
 * any time, is told the same.
 */
export function renewalTime({ notBefore, notAfter, pin }: Life, policy: RenewalPolicy = {}): Date {
  const life = notAfter.getTime() - notBefore.getTime();
  const window = Math.min(policy.dueMs ?? life / 3, (life * 2) / 3);
  const place = Number.parseInt(pin.slice(0, 8), 16) / 2 ** 32;
  return new Date(notAfter.getTime() - window * (1 - place * (policy.spread ?? 0)));
}

/** Plans what to renew now and when to look again; throws what listCertificates does. */
export async function scheduleRenewal(
  directory: PkiDirectory,
  now: Date,
  policy: RenewalPolicy = {},
): Promise<Schedule> {
  const clock = { now: () => now };
  const { certificates: rows } = await listCertificates(directory, clock);
  const authorities = authorityRemedies(rows);
  const { steps, left } = await planRotation({ directory, ...clock });
  const renewable = new Set(steps.map((step) => step.action === 'reissue' && step.replaces));
  const due: string[] = [];
  const remarks = [...left];
  let next: Date | undefined;
  for (const row of rows.filter(({ serial }) => renewable.has(serial))) {
    const time = renewalTime(row, policy);
    // One that was issued while the clock was ahead is of no use before its life begins.
    if (time > now && row.notBefore <= now) next = next === undefined || time < next ? time : next;
    else if (authorities.some(({ certificate }) => endsWith(row, certificate, now)))
      remarks.push(boundRemark(row));
    else due.push(row.name);
  }
  for (const { certificate, remedy } of authorities) {
    if (renewalTime(certificate, policy) > now) continue;
    remarks.push(`the ${certificate.profile} ends on ${formatDay(certificate.notAfter)}: ${remedy}`);
  }
  return { due, next, remarks };
}

/** Tells whether a new certificate could not live longer than the one that is there. */
function endsWith(leaf: ListedCertificate, authority: ListedCertificate, now: Date): boolean {
  // Of an authority that has ended, who issues says so.
  return now < authority.notAfter && leaf.notAfter >= authority.notAfter;
}

function boundRemark({ name, notAfter }: ListedCertificate): string {
  return `"${name}" ends with its authority on ${formatDay(notAfter)}, renewing it would not help`;
}
