// Responses about what this broker lacks: gateways, leaf nodes, JetStream, an operator and the Go runtime. They report
// none, in the fields of nats-server's Gatewayz, Leafz, JSInfo and ExpvarzStatus (monitor.go). Tools that query all
// servers of a system expect a response from each.

import { quote } from '../../../log.ts';
import { goTime } from '../../../protocol/go-format.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { InvalidQuery, type Query } from './query.ts';

/** Answers /gatewayz; throws BadQuery. */
export function gatewayz(query: Query, broker: MonitoredBroker): object {
  query.subscriptions('subs');
  query.boolean('accs');
  return { ...serverAndTime(broker), outbound_gateways: {}, inbound_gateways: {} };
}

/** Answers /leafz; throws BadQuery. */
export function leafz(query: Query, broker: MonitoredBroker): object {
  query.boolean('subs');
  return { ...serverAndTime(broker), leafnodes: 0, leafs: [] };
}

const jszFlags = ['accounts', 'streams', 'consumers', 'direct-consumers', 'config'];

/** Answers /jsz; throws BadQuery, also when the request is for a leader only. */
export function jsz(query: Query, broker: MonitoredBroker): object {
  for (const name of jszFlags) query.boolean(name);
  for (const name of ['offset', 'limit']) query.integer(name);
  const onlyLeader = query.boolean('leader-only');
  for (const name of ['raft', 'stream-leader-only']) query.boolean(name);
  if (onlyLeader) throw new InvalidQuery('filtered response: not leader');
  return {
    memory: 0,
    storage: 0,
    reserved_memory: 0,
    reserved_storage: 0,
    accounts: 0,
    ha_assets: 0,
    api: { level: 0, total: 0, errors: 0 },
    ...serverAndTime(broker),
    disabled: true,
    config: { max_memory: 0, max_storage: 0 },
    streams: 0,
    consumers: 0,
    messages: 0,
    bytes: 0,
    total: 0,
  };
}

/** Answers a request for a profile of the Go runtime by its name (monitor.go, profilez). */
export function profilez(name: string): object {
  const error = name === '' ? 'Profile name not specified' : `Profile ${quote(name)} not found`;
  return { profile: null, error };
}

/**
 * Go's memory statistics as far as Node has them, and the program without its arguments, which may contain a password.
 */
export function expvarz(): object {
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  const memstats = {
    Alloc: heapUsed + external,
    Sys: rss,
    HeapAlloc: heapUsed,
    HeapSys: heapTotal,
    HeapIdle: heapTotal - heapUsed,
    HeapInuse: heapUsed,
  };
  return { memstats, cmdline: process.argv.slice(0, 2) };
}

/** The rejection of an account update by an operator (accounts.go, respondToUpdate). */
export function claims(account: string, isEmpty: boolean): object {
  const description = isEmpty
    ? 'jwt update error - request body is empty'
    : 'jwt update resulted in error - accounts come from the configuration';
  return { account, code: 500, description };
}

function serverAndTime({ facts, now }: MonitoredBroker) {
  return { server_id: facts.id, now: goTime(now()) };
}
