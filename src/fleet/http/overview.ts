// What the page and the metrics of an authority show: the certificates of its members, what was decided, and who still
// depends on a retired root. It reads the ledger in memory and changes nothing.
import { exists } from '../../files/files.ts';
import { renewalTime } from '../../pki/rotate/schedule.ts';
import type { PkiDirectory } from '../../pki/store/directory.ts';
import type { Certificate } from '../../x509/certificate.ts';
import type { Pin } from '../../x509/pin.ts';
import type { FleetAuthority } from '../authority/authority.ts';
import type { LeafEntry } from '../authority/ledger-index.ts';
import { namesBehind } from '../authority/trust-state.ts';

/** What the authority knows of the newest certificate of a name. */
export interface MemberRow {
  readonly name: string;
  readonly profile: string;
  /** Lower-case hex. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** When its member should renew it. */
  readonly renewAt: Date;
  /** How it was requested: `token`, `est` or `nats`; `folder` when natspki issued it with its key. */
  readonly over: string;
  /** When it was issued. */
  readonly issued: Date;
  /** The fraction of its life that is left, 1 to 0. */
  readonly left: number;
  /** Whether its member is late: less than a quarter of the life is left, and renewal is due with a third. */
  readonly overdue: boolean;
  /** Whether it depends on a retired root. */
  readonly behind: boolean;
}

const dayMs = 24 * 60 * 60 * 1000;
/** How long an expired certificate is shown; after that its member counts as gone. */
const goneMs = 30 * dayMs;

/** Lists the members, those with the least of their lives left first. */
export function listMembers(fleet: FleetAuthority, now: Date): MemberRow[] {
  const { index, directory, roots } = fleet;
  const behind = new Set(namesBehind(index, roots, now));
  const rows: MemberRow[] = [];
  for (const entry of index.newest.values()) {
    const notAfter = new Date(entry.notAfter);
    if (index.isRevoked(entry.serial) || notAfter.getTime() + goneMs <= now.getTime()) continue;
    if (entry.member === undefined && !isInUse(directory, entry)) continue;
    rows.push(rowOf(entry, behind.has(entry.name), now));
  }
  return rows.sort((a, b) => a.left - b.left || (a.name < b.name ? -1 : 1));
}

/** The certificates that must not expire before those of the members. */
export function listAuthorities({ signing, roots }: FleetAuthority): readonly Certificate[] {
  return [...roots, ...signing.intermediates];
}

/** A pair that was issued for another folder, or removed, is nothing that this authority can tell about. */
function isInUse(directory: PkiDirectory, { name, outside }: LeafEntry): boolean {
  return outside === undefined && exists(directory.certificateFile(name));
}

function rowOf(entry: LeafEntry, behind: boolean, now: Date): MemberRow {
  const { name, profile, serial, pin, time, member } = entry;
  const [notBefore, notAfter] = [new Date(entry.notBefore), new Date(entry.notAfter)];
  const life = notAfter.getTime() - notBefore.getTime();
  const left = Math.min(1, Math.max(0, (notAfter.getTime() - now.getTime()) / life));
  const renewAt = renewalTime({ notBefore, notAfter, pin: pin as Pin });
  const over = member?.over ?? 'folder';
  const issued = new Date(time);
  const overdue = left < 1 / 4;
  return { name, profile, serial, notBefore, notAfter, renewAt, over, issued, left, overdue, behind };
}
