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

export const changes = {
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
    what: 'a server closes its clients before it publishes SHUTDOWN, so that only clients of other servers receive it',
    why: 'the wills of closed MQTT clients still need the routes',
  },
  'speaks-in-lame-duck': {
    since: '2.15.3',
    what: 'a server in lame duck mode answers and publishes in the system account until SHUTDOWN',
    why: 'LAMEDUCK was its last message, although clients stayed for minutes',
  },
  'reserves-replies-to-jetstream': {
    since: '2.15.3',
    what: 'a client may not use a reply subject below $JS.',
    why: 'only $JS.ACK. was reserved, so that an answer could be a request to JetStream with the permissions of the responder',
  },
  'answers-are-no-jetstream-requests': {
    since: '2.15.3',
    what: 'a message that only allow_responses permits does not reach a JetStream subject through an import under another name',
    why: 'an answer could be a request to JetStream with the permissions of the responder',
  },
  'wildcards-are-whole-tokens': {
    since: '2.15.3',
    what: 'a token such as *a is not a wildcard in filter_subject and in exports',
    why: 'only the first character of the token was compared',
  },
  'account-hashes': {
    since: '2.15.3',
    what: '{{account-hash()}} and {{account-hash-import()}} in exports and imports become the hash of an account name',
    why: 'accounts with the same exports and imports can have subjects of their own',
  },
  'subsz-in-order': {
    since: '2.15.3',
    what: '/subsz orders subscriptions by cid, sid and subject',
    why: 'their order was random, so that a page could repeat some subscriptions and omit others',
  },
  'healthz-of-leafnodes': {
    since: '2.15.3',
    what: '/healthz accepts leaf-remotes-connected',
    why: 'it checks on request whether the leafnode remotes are connected',
  },
  'no-keys-of-small-order': {
    since: '2.15.3',
    what: 'a public key of small order is not a valid nkey',
    why: 'anyone can make signatures for such a key',
  },
  'route-log-names-host': {
    since: '2.15.3',
    what: 'the log names the host of a route',
    why: 'it named only the address and the id of the connection',
  },
  'optional-certificates': {
    since: '2.15.3',
    what: 'with "verify: optional" a client needs no certificate, but the certificate of a client that has one must pass',
    why: 'clients with and without certificates can share a port',
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
export function isOlder(version: string, other: string): boolean {
  const [numbers, others] = [version, other].map((each) => each.split(/[.-]/).map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (numbers?.[index] ?? 0) - (others?.[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
