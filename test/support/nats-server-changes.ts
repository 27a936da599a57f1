// What releases of nats-server have changed that tests see. The bundled broker does as the newest one of test/peers.json;
// a test beside an older one consults this table, so that the suite is green beside both. A new release adds its lines:
// `npm run peers:newest` shows where they are missing.
import { type PeerName, versionOf } from './peers.ts';

interface Change {
  /** The nats-server version that came with it. */
  readonly since: string;
  readonly what: string;
  readonly why: string;
}

const changes = {
  'connz-total-of-chosen': {
    since: '2.15.3',
    what: '"total" of /connz counts the connections that user, cid and filter_subject choose',
    why: 'it counted all of the state and the account, so that paging ran past the end',
  },
  'connz-ties-by-cid': {
    since: '2.15.3',
    what: 'connections that are equal in the order of /connz come by cid',
    why: 'they came in any order, so that a page could repeat some and lack others',
  },
  'test-validates-options': {
    since: '2.15.3',
    what: 'nats-server -t refuses what nats-server does not start with',
    why: 'it only parsed the file, so that a tested configuration could keep the server from starting',
  },
} as const satisfies Record<string, Change>;

export type ChangeName = keyof typeof changes;

/** Whether the nats-server that tests run beside has a change. @param peer another one than the usual */
export function natsServerHas(change: ChangeName, peer: PeerName = 'nats-server'): boolean {
  const version = versionOf(peer);
  return version !== undefined && !isOlder(version, changes[change].since);
}

/** Compares the numbers of two versions. */
function isOlder(version: string, other: string): boolean {
  const [numbers, others] = [version, other].map((each) => each.split(/[.-]/).map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (numbers?.[index] ?? 0) - (others?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
