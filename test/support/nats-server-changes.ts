// Behaviour that changed between releases of nats-server and that tests can see. The bundled broker behaves as the
// newest release in test/peers.json; a test compared with an older release consults this table. `npm run
// peers:newest` shows where a new release needs an entry.
import { type PeerName, versionOf } from './peers.ts';

interface Change {
  /** The first nats-server version with the change. */
  readonly since: string;
  readonly what: string;
  readonly why: string;
}

const changes = {
  'connz-total-of-chosen': {
    since: '2.15.3',
    what: '"total" of /connz counts the connections that user, cid and filter_subject select',
    why: 'it counted all connections of the state and the account, so that paging ran past the end',
  },
  'connz-ties-by-cid': {
    since: '2.15.3',
    what: '/connz orders connections with equal sort keys by cid',
    why: 'their order was random, so that a page could repeat some connections and omit others',
  },
  'test-validates-options': {
    since: '2.15.3',
    what: 'nats-server -t rejects a configuration that nats-server does not start with',
    why: 'it only parsed the file, so that a tested configuration could keep the server from starting',
  },
} as const satisfies Record<string, Change>;

export type ChangeName = keyof typeof changes;

/**
 * Returns whether the nats-server that tests run against has a change. @param peer another nats-server, such as 2.9
 */
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
