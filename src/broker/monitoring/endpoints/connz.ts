// /connz: open and closed connections, filtered, sorted and paged as in nats-server (monitor.go, Connz).
import { formatGoSpan } from '../../../duration.ts';
import { goTime, uptime } from '../../../protocol/go-format.ts';
import { overlap, tokens } from '../../../subjects/subject.ts';
import { peerOf } from '../../../tls/peer.ts';
import type { ClientSession } from '../../clients/client.ts';
import {
  type ConnectionRecord,
  recordConnection,
  recordSubscriptions,
} from '../../clients/connection-record.ts';
import type { ClosedConnection } from '../../clients/sessions.ts';
import { globalAccountName } from '../../options/account-name.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { InvalidQuery, type Query } from './query.ts';

const defaultLimit = 1024;

/** A listed connection: an open session, or the record of a closed one. */
interface Listed {
  readonly record: ConnectionRecord;
  readonly source: ClientSession | ClosedConnection;
}

type Order = (a: ConnectionRecord, b: ConnectionRecord) => number;

function ascending(key: (record: ConnectionRecord) => number): Order {
  return (a, b) => key(a) - key(b) || byCid(a, b);
}

function descending(key: (record: ConnectionRecord) => number): Order {
  return (a, b) => key(b) - key(a) || byCid(b, a);
}

function byCid(a: ConnectionRecord, b: ConnectionRecord): number {
  return a.cid - b.cid;
}

/** The sort orders by name; equal connections are ordered by cid, in the same direction (monitor_sort_opts.go). */
const orders: Readonly<Record<string, Order>> = {
  cid: byCid,
  start: byCid,
  subs: descending(({ subscriptionCount }) => subscriptionCount),
  pending: descending(({ pending }) => pending),
  msgs_to: descending(({ outMsgs }) => outMsgs),
  msgs_from: descending(({ inMsgs }) => inMsgs),
  bytes_to: descending(({ outBytes }) => outBytes),
  bytes_from: descending(({ inBytes }) => inBytes),
  last: descending(({ lastActivity }) => lastActivity),
  idle: descending(({ lastActivity }) => -lastActivity),
  uptime: ascending(({ at, start }) => at - start),
  stop: descending(({ at }) => at),
  reason: (a, b) => compareText(a.reason ?? '', b.reason ?? '') || byCid(a, b),
  rtt: descending(({ rttMs }) => rttMs),
};

const ofClosedOnly = ['stop', 'reason'];

/** Answers a request; throws BadQuery. @param matches an additional filter, which also reduces `total` */
export function connz(
  query: Query,
  broker: MonitoredBroker,
  matches: (record: ConnectionRecord) => boolean = () => true,
) {
  const { sort, auth, subs, offset, limit, cid, state, user, account, interest } = readQuery(query);
  const now = broker.now().getTime();
  const open = state === 'closed' ? [] : broker.sessions.list().map((session) => listOpen(session, now));
  const closed = state === 'open' ? [] : Array.from(broker.sessions.closed, listClosed);
  const chosen = [...open, ...closed].filter(
    ({ record, source }) =>
      (account === '' || record.account === account) &&
      matches(record) &&
      (user === '' || record.user === user) &&
      (cid === 0 || record.cid === cid) &&
      (interest === undefined || !('connection' in source) || isInterested(source, interest)),
  );
  chosen.sort((a, b) => sort(a.record, b.record));
  const connections = chosen.slice(offset, offset + limit).map((listed) => ({
    ...describe(listed),
    ...(auth && describeUser(listed)),
    ...describeSubs(listed, subs),
  }));
  return {
    server_id: broker.facts.id,
    now: goTime(now),
    num_connections: connections.length,
    total: chosen.length,
    offset,
    limit,
    connections,
  };
}

function readQuery(query: Query) {
  const sortName = query.text('sort') || 'cid';
  const auth = query.boolean('auth');
  const subs = query.subscriptions('subs');
  const offset = Math.max(0, query.integer('offset'));
  const limit = query.integer('limit');
  const cid = query.unsigned('cid');
  const state = readState(query.text('state'));
  const sort = Object.hasOwn(orders, sortName) ? orders[sortName] : undefined;
  if (sort === undefined) throw new InvalidQuery(`invalid sorting option: ${sortName}`);
  if (ofClosedOnly.includes(sortName) && state !== 'closed') {
    throw new InvalidQuery(`sort by ${sortName} only valid on closed connections`);
  }
  if (query.text('mqtt_client') !== '')
    throw new InvalidQuery('mqtt_client is not supported: this server has no MQTT');
  const account = query.text('acc');
  const filter = query.text('filter_subject');
  const isFiltered = filter !== '' && filter !== '>';
  if (isFiltered && account === '') {
    throw new InvalidQuery('filter by subject only valid with account filtering');
  }
  return {
    sort,
    auth,
    offset,
    cid,
    state,
    account,
    subs,
    limit: cid > 0 ? 1 : limit > 0 ? limit : defaultLimit,
    user: query.text('user'),
    interest: isFiltered ? tokens(Buffer.from(filter)) : undefined,
  };
}

/** Whether a session subscribes to a subject that overlaps with `interest`, which may contain wildcards. */
function isInterested({ profile }: ClientSession, interest: readonly string[]): boolean {
  return [...profile.subscriptions].some(({ subject }) => overlap(subject.split('.'), interest));
}

function readState(text: string): 'open' | 'closed' | 'any' {
  const state = text.toLowerCase();
  if (state === '' || state === 'open') return 'open';
  if (state === 'closed') return 'closed';
  if (state === 'any' || state === 'all') return 'any';
  throw new InvalidQuery(`Error decoding state for ${text}`);
}

function listOpen(session: ClientSession, now: number): Listed {
  return { record: recordConnection(session, now, undefined), source: session };
}

function listClosed(closed: ClosedConnection): Listed {
  return { record: closed.record, source: closed };
}

/** The fields of nats-server's ConnInfo in its order; undefined ones are omitted. */
function describe({ record }: Listed) {
  const { at, reason, tls } = record;
  return {
    cid: record.cid,
    kind: 'Client',
    type: record.type,
    ip: record.ip,
    port: record.port,
    start: goTime(record.start),
    last_activity: goTime(record.lastActivity),
    stop: reason === undefined ? undefined : goTime(at),
    reason,
    rtt: formatGoSpan(record.rttMs),
    uptime: uptime(at - record.start),
    idle: uptime(at - record.lastActivity),
    pending_bytes: record.pending,
    in_msgs: record.inMsgs,
    out_msgs: record.outMsgs,
    in_bytes: record.inBytes,
    out_bytes: record.outBytes,
    stalls: record.stalls || undefined,
    subscriptions: record.subscriptionCount,
    name: record.name || undefined,
    lang: record.lang || undefined,
    version: record.version || undefined,
    tls_version: tls?.tls_version,
    tls_cipher_suite: tls?.tls_cipher_suite,
    tls_first: tls?.isFirst || undefined,
  };
}

function describeUser({ record: { user, account }, source }: Listed) {
  return {
    tls_peer_certs: 'connection' in source ? describePeer(source) : undefined,
    authorized_user: user || undefined,
    account: account === globalAccountName ? undefined : account,
    name_tag: account === globalAccountName && !('connection' in source) ? undefined : account,
  };
}

/**
 * Describes the client's own certificate. nats-server also lists the rest of the chain, which Node does not provide.
 */
function describePeer({ tls }: ClientSession) {
  const peer = tls === undefined ? undefined : peerOf(tls);
  if (peer === undefined) return undefined;
  return [{ subject: peer.subject, spki_sha256: peer.pin, cert_sha256: peer.fingerprint }];
}

function describeSubs({ record, source }: Listed, how: 'none' | 'list' | 'detail') {
  if (how === 'none' || record.subscriptionCount === 0) return {};
  const details = 'connection' in source ? recordSubscriptions(source, false) : source.subscriptions;
  if (how === 'detail') return { subscriptions_list_detail: details };
  return { subscriptions_list: details.map(({ subject }) => subject) };
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
