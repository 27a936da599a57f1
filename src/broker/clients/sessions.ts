// Who is connected, who was, and what all of them together have sent and received.
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

/** How many connections have this version and suite. */
export interface TlsCount {
  /** As nats-server names it: `1.3`. */
  readonly version: string;
  readonly suite: string;
  readonly count: number;
}

/** As many as nats-server keeps (const.go, DEFAULT_MAX_CLOSED_CLIENTS). */
const maxClosed = 10_000;

/** Subscriptions of connections that have ended: beyond this the oldest connections are forgotten earlier. */
const maxClosedSubscriptions = 100_000;

export class Sessions {
  /** Those that are over and done with. */
  readonly ended = new EndedConnections();
  readonly #endedByAccount = new Map<string, EndedConnections>();
  readonly #open = new Map<number, ClientSession>();
  /** In the order of their ends. */
  readonly #closed = new Map<number, ClosedConnection>();
  #closedSubscriptions = 0;
  #total = 0;
  #lastId = 0;

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** How many there ever were. */
  get total(): number {
    return this.#total;
  }

  /** Lists those that are open now. */
  list(): ClientSession[] {
    return [...this.#open.values()];
  }

  /** Those that ended, the oldest first. */
  get closed(): Iterable<ClosedConnection> {
    return this.#closed.values();
  }

  /** Gives the id of a new connection, be it a route's. */
  nextId(): number {
    this.#lastId++;
    return this.#lastId;
  }

  add(session: ClientSession): void {
    this.#total++;
    this.#open.set(session.id, session);
  }

  /** Takes a session out that ends, with its subscriptions still there, and remembers it. */
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

  /** Has those that are open take over what a reload has changed. @param max more than these, the newest, end */
  applyOptions(max: number): void {
    const sessions = this.list();
    for (const session of sessions.slice(max)) session.violation(violations.maxConnections);
    // Where there are too many in an account those who came first stay.
    for (const session of sessions.reverse()) session.applyOptions();
  }

  /** Counts the subscriptions of those that are open. */
  countSubscriptions(): number {
    let sum = 0;
    for (const { profile } of this.#open.values()) sum += profile.subscriptions.size;
    return sum;
  }

  /** Counts those that are open over TLS by version and cipher suite, the most first. */
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

  /** Lists those of one account that are open now. */
  of(account: string): ClientSession[] {
    return this.list().filter(({ profile }) => profile.account === account);
  }

  /** Adds up what the connections of one account, ended ones too, have sent and received. */
  trafficOf(account: string): Traffic & { slowConsumers: number } {
    const { inMsgs, inBytes, outMsgs, outBytes, slowConsumers } =
      this.#endedByAccount.get(account) ?? new EndedConnections();
    const sum = { inMsgs, inBytes, outMsgs, outBytes, slowConsumers };
    for (const { statistics } of this.of(account)) addTraffic(sum, statistics);
    return sum;
  }

  #count({ statistics, connection, profile }: ClientSession, reason: CloseReason): void {
    const ofAccount = this.#endedByAccount.get(profile.account) ?? new EndedConnections();
    this.#endedByAccount.set(profile.account, ofAccount);
    for (const ended of [this.ended, ofAccount]) ended.add(statistics, connection.stalls, reason);
  }

  /** Adds up what all connections, ended ones too, have sent and received. */
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
