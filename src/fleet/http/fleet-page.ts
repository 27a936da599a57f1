// The page of an authority for people, and the JSON document that it polls.
import { hostname } from 'node:os';
import { given } from '../../given.ts';
import type { Answer } from '../../net/answer.ts';
import { htmlPage, linkItems, readPage } from '../../net/page.ts';
import type { Certificate } from '../../x509/certificate.ts';
import type { AuditRecord } from '../authority/audit-log.ts';
import type { FleetAuthority } from '../authority/authority.ts';
import type { FleetDocument, ShownAuthority, ShownMember, ShownRefusal } from './fleet-document.ts';
import { listAuthorities, listMembers, type MemberRow } from './overview.ts';

/** The files that only this page loads. */
export const fleetAssets = ['fleet.js'];

/** The most members in one document; the page says how many there are. */
const mostShown = 500;
/** The most names that a rotation of the authority lists. */
const mostBehind = 200;

export interface PageFacts {
  readonly fleet: FleetAuthority;
  readonly version: string;
  readonly startedAt: Date;
  readonly now: Date;
  /** Whether it is connected to NATS; undefined when it does not serve there. */
  readonly nats: boolean | undefined;
}

/** Fills the HTML of the page. @param endpoints paths to link to */
export function fleetPage({ fleet, version }: PageFacts, endpoints: readonly string[]): Answer {
  const name = fleet.roots[0].commonName;
  const texts = { title: `${name}, natspki ${version}`, name, version, base: '' };
  return htmlPage(readPage('fleet'), texts, linkItems('', endpoints));
}

/** Gathers the response of /page.json. @param filter a text that the names have; empty for all */
export function fleetDocument(
  { fleet, version, startedAt, now, nats }: PageFacts,
  filter = '',
): FleetDocument {
  const { tally, roots } = fleet;
  const { enrolments, renewals, repeated, refusals, copied, refused } = tally;
  const all = listMembers(fleet, now);
  const wanted = filter.toLowerCase();
  const found = wanted === '' ? all : all.filter(({ name }) => name.toLowerCase().includes(wanted));
  return {
    now: now.toISOString(),
    server: {
      id: `${hostname()} ${process.pid} ${startedAt.toISOString()}`,
      version,
      node: process.versions.node,
      start: startedAt.toISOString(),
      memory: process.memoryUsage.rss(),
      ...given({ nats }),
    },
    authorities: listAuthorities(fleet).map(shownAuthority),
    counts: {
      names: all.length,
      overdue: all.filter(({ overdue }) => overdue).length,
      enrolments,
      renewals: { est: renewals.est, nats: renewals.nats },
      repeated,
      refusals: Object.values(refusals).reduce((sum, count) => sum + count, 0),
    },
    ...(roots.length > 1 && { rotation: rotationOf(roots.slice(1), all) }),
    found: found.length,
    members: found.slice(0, mostShown).map(shownMember),
    copied: copied.map(shownRefusal).reverse(),
    refused: refused.map(shownRefusal).reverse(),
  };
}

function rotationOf(retired: readonly Certificate[], all: readonly MemberRow[]) {
  const behind = all.filter((row) => row.behind).map(({ name }) => name);
  return {
    retired: retired.map(({ commonName }) => commonName),
    total: all.length,
    left: behind.length,
    names: behind.sort().slice(0, mostBehind),
  };
}

function shownAuthority({ commonName, serial, pin, notBefore, notAfter }: Certificate): ShownAuthority {
  const life = { not_before: notBefore.toISOString(), not_after: notAfter.toISOString() };
  return { subject: commonName, serial, pin, ...life };
}

function shownMember({ issued, renewAt, notBefore, notAfter, left: _, ...row }: MemberRow): ShownMember {
  const life = { not_before: notBefore.toISOString(), not_after: notAfter.toISOString() };
  return { ...row, issued: issued.toISOString(), renew_at: renewAt.toISOString(), ...life };
}

function shownRefusal({ time, name, over, peer, code, reason }: AuditRecord): ShownRefusal {
  return { time, ...given({ name, over, peer, code, reason }) };
}
