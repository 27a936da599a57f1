// When the pairs of a member's folder are to be renewed. It only reads.
import { formatDay } from '../../duration.ts';
import { type RenewalPolicy, renewalTime } from '../../pki/rotate/schedule.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import { readLeaves } from '../../pki/store/leaves.ts';
import { isAnyAuthority, listCertificates } from '../../pki/store/listing.ts';
import { anchorOf } from '../../x509/trust-anchor.ts';
import { readMemberFile } from './member-file.ts';

export interface DuePair {
  readonly name: string;
  /** `due, 12 days left`, `the authority was replaced`, ... */
  readonly why: string;
  readonly notAfter: Date;
  /** Whether less than a tenth of its life is left. */
  readonly urgent: boolean;
}

export interface MemberSchedule {
  readonly due: readonly DuePair[];
  /** The names of all pairs that can be renewed here. */
  readonly names: readonly string[];
  /** When the next pair becomes due; undefined when there is none. */
  readonly next: Date | undefined;
  /** One line for each pair that is not renewed, or whose time is strange. */
  readonly remarks: readonly string[];
}

export interface MemberPolicy extends RenewalPolicy {
  /** Takes `dueMs` as it is, for a single run: it may be longer than two thirds of a life. */
  readonly once?: boolean;
}

/** Returns what to renew now, and when to look again; throws as listCertificates does. */
export async function scheduleMember(
  directory: PkiDirectory,
  now: Date,
  policy: MemberPolicy = {},
): Promise<MemberSchedule> {
  const { certificates, damaged } = await listCertificates(directory, { now: () => now });
  const replaced = await namesBelowOldRoots(directory);
  const due: DuePair[] = [];
  const names: string[] = [];
  const remarks = damaged.map(({ name, problem }) => `"${name}" is not renewed: ${problem.message}`);
  let next: Date | undefined;
  for (const row of certificates.filter(({ profile }) => !isAnyAuthority(profile))) {
    const { name, keyFile, notBefore, notAfter, lifeLeft, daysLeft } = row;
    if (keyFile === undefined) {
      remarks.push(`"${name}" is not renewed: its key is not in the folder`);
      continue;
    }
    names.push(name);
    if (now < notBefore) {
      remarks.push(`"${name}" is valid from ${formatDay(notBefore)} on: is the clock of this host behind?`);
      continue;
    }
    const { once, dueMs } = policy;
    const time =
      once && dueMs !== undefined ? new Date(notAfter.getTime() - dueMs) : renewalTime(row, policy);
    const urgent = lifeLeft < 0.1;
    if (time <= now) {
      const left = now >= notAfter ? 'expired' : `due, ${daysLeft} days left`;
      due.push({ name, why: left, notAfter, urgent });
    } else if (replaced.has(name)) due.push({ name, why: 'the authority was replaced', notAfter, urgent });
    else if (next === undefined || time < next) next = time;
  }
  return { due, names, next, remarks };
}

/** Returns the names whose chain does not end in the first root, which signs now, once a statement has named the roots. */
async function namesBelowOldRoots(directory: PkiDirectory): Promise<Set<string>> {
  const [root, ...others] = await directory.readBundle();
  const { counter = 0 } = (await readMemberFile(directory)) ?? {};
  if (counter === 0 || others.length === 0) return new Set();
  const { chains } = await readLeaves(directory);
  const below = [...chains].filter(([, [leaf, ...behind]]) => anchorOf(leaf, behind, [root]) === undefined);
  return new Set(below.map(([name]) => name));
}
