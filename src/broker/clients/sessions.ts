// The open sessions, recently closed ones, and the traffic totals of both.
import { type CloseReason, violations } from '../../protocol/violations.ts';
import { addTraffic, EndedConnections, type Traffic } from '../transport/statistics.ts';
import type { ClientSession } from './client.ts';
import {
  type ConnectionRecord,
  recordConnection,
  recordSubscriptions,
  type SubscriptionRecord,
} from './connection-record.ts';

/** A connection that has ended. */
export interface ClosedConnection {
  readonly record: ConnectionRecord;
  readonly subscriptions: readonly SubscriptionRecord[];
}

/** Number of open connections with one TLS version and cipher suite. */
export interface TlsCount {
  /** As nats-server names it: `1.3`. */
  readonly version: string;
  readonly suite: string;
  readonly count: number;
}

/** Maximum number of closed connections retained, as in nats-server (const.go, DEFAULT_MAX_CLOSED_CLIENTS). */
const maxClosed = 10_000;

/** Maximum number of their subscriptions retained: beyond it the oldest connections are evicted early. */
const maxClosedSubscriptions = 100_000;

export class Sessions {
  /** Totals of all sessions that have ended. */
  readonly ended = new EndedConnections();
  readonly #endedByAccount = new Map<string, EndedConnections>();
  readonly #open = new Map<number, ClientSession>();
  /** In the order in which they ended. */
  readonly #closed = new Map<number, ClosedConnection>();
  #closedSubscriptions = 0;
  #total = 0;
  #lastId = 0;

  /** Number of open sessions. */
  get size(): number {
    return this.#open.size;
  }

  /** Number of sessions ever opened. */
  get total(): number {
    return this.#total;
  }

  /** Lists the open sessions. */
  list(): ClientSession[] {
    return [...this.#open.values()];
  }

  /** The closed connections retained, oldest first. */
  get closed(): Iterable<ClosedConnection> {
    return this.#closed.values();
  }

  /** Returns the id for a new connection, of a client or a route. */
  nextId(): number {
    this.#lastId++;
    return this.#lastId;
  }

  add(session: ClientSession): void {
    this.#total++;
    this.#open.set(session.id, session);
  }

  /** Removes a session that ends, while its subscriptions still exist, and retains a record of it. */
  end(session: ClientSession, reason: CloseReason, at: number): void {
    this.#open.delete(session.id);
    this.#count(session, reason);
    const subscriptions = recordSubscriptions(session, true);
    this.#closed.set(session.id, { record: recordConnection(session, at, reason), subscriptions });
    this.#closedSubscriptions += subscriptions.length;
    for (const [id, oldest] of this.#closed) {
      if (this.#closed.size <= maxClosed && this.#closedSubscriptions <= maxClosedSubscriptions) break;
      this.#closed.delete(id);
      this.#closedSubscriptions -= oldest.subscriptions.length;
    }
  }

  /** Applies reloaded options to the open sessions. @param max beyond this number the newest sessions end */
  applyOptions(max: number): void {
    const sessions = this.list();
    for (const session of sessions.slice(max)) session.violation(violations.maxConnections);
    // Newest first: in an account that exceeds its limit the oldest connections stay.
    for (const session of sessions.reverse()) session.applyOptions();
  }

  /** Sends INFO to the clients that accept one after CONNECT. */
  sendInfo(): void {
    for (const session of this.#open.values()) if (session.acceptsInfo) session.sendInfo({});
  }

  /** Counts the subscriptions of the open sessions. */
  countSubscriptions(): number {
    let sum = 0;
    for (const { profile } of this.#open.values()) sum += profile.subscriptions.size;
    return sum;
  }

  /** Counts the open connections over WebSocket. */
  countWebsockets(): number {
    let sum = 0;
    for (const { type } of this.#open.values()) if (type === 'websocket') sum++;
    return sum;
  }

  /** Counts the open TLS connections by version and cipher suite, most frequent first. */
  countTls(): TlsCount[] {
    const counts = new Map<string, TlsCount>();
    for (const { profile } of this.#open.values()) {
      if (profile.tls === undefined) continue;
      const { tls_version: version, tls_cipher_suite: suite } = profile.tls;
      const count = (counts.get(`${version} ${suite}`)?.count ?? 0) + 1;
      counts.set(`${version} ${suite}`, { version, suite, count });
    }
    return [...counts.values()].sort((a, b) => b.count - a.count);
  }

  /** Lists the open sessions of one account. */
  inAccount(account: string): ClientSession[] {
    return this.list().filter(({ profile }) => profile.account === account);
  }

  /** Totals the traffic of the open and ended connections of one account. */
  trafficOf(account: string): Traffic & { slowConsumers: number } {
    const { inMsgs, inBytes, outMsgs, outBytes, slowConsumers } =
      this.#endedByAccount.get(account) ?? new EndedConnections();
    const sum = { inMsgs, inBytes, outMsgs, outBytes, slowConsumers };
    for (const { statistics } of this.inAccount(account)) addTraffic(sum, statistics);
    return sum;
  }

  #count({ statistics, connection, profile }: ClientSession, reason: CloseReason): void {
    const ofAccount = this.#endedByAccount.get(profile.account) ?? new EndedConnections();
    this.#endedByAccount.set(profile.account, ofAccount);
    for (const ended of [this.ended, ofAccount]) ended.add(statistics, connection.stalls, reason);
  }

  /** Totals the traffic of all open and ended connections. */
  traffic(): Traffic & { stalls: number } {
    const { inMsgs, inBytes, outMsgs, outBytes, stalls } = this.ended;
    const sum = { inMsgs, inBytes, outMsgs, outBytes, stalls };
    for (const { statistics, connection } of this.#open.values()) {
      addTraffic(sum, statistics);
      sum.stalls += connection.stalls;
    }
    return sum;
  }
}
