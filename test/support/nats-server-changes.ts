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
  'nobody-serves-an-import': {
    since: '2.10.0',
    what: 'a client is told that nobody provides a service that its account imports',
    why: 'the account itself counted as the one who listens',
  },
  'tells-of-lame-duck': {
    since: '2.10.0',
    what: 'a server tells in the system account that it enters lame duck mode',
    why: 'other servers learned of it from INFO alone',
  },
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
  'clients-end-before-shutdown': {
    since: '2.15.3',
    what: 'a server ends its clients before it tells of SHUTDOWN, which only other servers pass on then',
    why: 'wills of MQTT clients that are ended still need the routes',
  },
  'speaks-in-lame-duck': {
    since: '2.15.3',
    what: 'in lame duck mode a server goes on to answer and to tell in the system account, up to SHUTDOWN',
    why: 'LAMEDUCK was the last that it said, though clients were there for minutes',
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
