// What a server that has no gateways, leaf nodes, JetStream, operator and Go runtime says of them: none, in the fields of
// nats-server's Gatewayz, Leafz, JSInfo and ExpvarzStatus (monitor.go). Tools that ask all servers of a system count on an answer from each.
import { goTime } from '../../go-time.ts';
import { quote } from '../../log.ts';
import { BadQuery, type Query } from './monitor-query.ts';
import type { Monitored } from './monitored.ts';

/** Answers /gatewayz; throws BadQuery. */
export function gatewayz(query: Query, broker: Monitored): object {
  query.subscriptions('subs');
  query.boolean('accs');
  return { ...askedNow(broker), outbound_gateways: {}, inbound_gateways: {} };
}

/** Answers /leafz; throws BadQuery. */
export function leafz(query: Query, broker: Monitored): object {
  query.boolean('subs');
  return { ...askedNow(broker), leafnodes: 0, leafs: [] };
}

const jszFlags = ['accounts', 'streams', 'consumers', 'direct-consumers', 'config'];

/** Answers /jsz; throws BadQuery, also where only a leader is to answer. */
export function jsz(query: Query, broker: Monitored): object {
  for (const name of jszFlags) query.boolean(name);
  for (const name of ['offset', 'limit']) query.integer(name);
  const onlyLeader = query.boolean('leader-only');
  for (const name of ['raft', 'stream-leader-only']) query.boolean(name);
  if (onlyLeader) throw new BadQuery('filtered response: not leader');
  return {
    ...{ memory: 0, storage: 0, reserved_memory: 0, reserved_storage: 0, accounts: 0, ha_assets: 0 },
    api: { level: 0, total: 0, errors: 0 },
    ...askedNow(broker),
    disabled: true,
    config: { max_memory: 0, max_storage: 0 },
    ...{ streams: 0, consumers: 0, messages: 0, bytes: 0, total: 0 },
  };
}

/** Answers a request for a profile of the Go runtime by its name (monitor.go, profilez). */
export function profilez(name: string): object {
  const error = name === '' ? 'Profile name not specified' : `Profile ${quote(name)} not found`;
  return { profile: null, error };
}

/** What Node knows of what Go says of its memory, and the program without its arguments, which may hold a password. */
export function expvarz(): object {
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  const memstats = {
    ...{ Alloc: heapUsed + external, Sys: rss, HeapAlloc: heapUsed, HeapSys: heapTotal },
    ...{ HeapIdle: heapTotal - heapUsed, HeapInuse: heapUsed },
  };
  return { memstats, cmdline: process.argv.slice(0, 2) };
}

/** Refuses to take what an operator says of an account (accounts.go, respondToUpdate). */
export function claims(account: string, isEmpty: boolean): object {
  const description = isEmpty
    ? 'jwt update error - request body is empty'
    : 'jwt update resulted in error - accounts come from the configuration';
  return { account, code: 500, description };
}

function askedNow({ facts, now }: Monitored) {
  return { server_id: facts.id, now: goTime(now()) };
}
