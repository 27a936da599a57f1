// The advisories that the server publishes in the system account: clients that connect, disconnect or are rejected, the
// connections of each account, server statistics, lame duck mode and shutdown (nats-server, events.go). Without a
// subscriber an advisory costs next to nothing.

import type { ClientSession } from '../../clients/client.ts';
import { userNameOf } from '../../clients/connection-record.ts';
import { globalAccountName } from '../../options/account-name.ts';
import { type AccountStatistics, accountStatistics } from '../endpoints/accstatz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import { statsz } from '../endpoints/statsz.ts';
import type { System } from './system-publisher.ts';

/** Milliseconds between two server statistics, and between two connection counts of an account (events.go). */
const statisticsMs = 10_000;
const connectionsMs = 30_000;

/** Maximum delay of a connection count, in milliseconds: one advisory covers all changes in that time. */
const coalesceMs = 50;

export class Advisories {
  readonly #system: System;
  readonly #broker: MonitoredBroker;
  readonly #timers: NodeJS.Timeout[];
  /** Timers of delayed connection counts, by account. */
  readonly #pending = new Map<string, NodeJS.Timeout>();

  constructor(system: System, broker: MonitoredBroker) {
    this.#system = system;
    this.#broker = broker;
    this.#timers = [
      setInterval(() => this.#tellStatistics(), statisticsMs).unref(),
      setInterval(() => this.#tellConnections(), connectionsMs).unref(),
    ];
  }

  connected(session: ClientSession): void {
    const { account } = session.profile;
    this.#system.tell(`$SYS.ACCOUNT.${account}.CONNECT`, () => ({
      ...this.#system.event('client_connect'),
      client: describe(session),
    }));
    this.#tellConnectionsOf(account);
  }

  /** @param reason in the wording of monitoring */
  disconnected(session: ClientSession, reason: string): void {
    const { account } = session.profile;
    this.#system.tell(`$SYS.ACCOUNT.${account}.DISCONNECT`, () => this.#ended(session, reason));
    this.#tellConnectionsOf(account);
  }

  /** A client was rejected. It belongs to the global account until then, so that account is told too (events.go). */
  refused(session: ClientSession, reason: string): void {
    const { id } = this.#broker.facts;
    this.#system.tellGlobal('$SYS.ACCOUNT.CLIENT.AUTH.ERR', () => this.#ended(session, reason));
    this.#system.tell(`$SYS.SERVER.${id}.CLIENT.AUTH.ERR`, () => this.#ended(session, reason));
  }

  lameDuck(): void {
    this.#system.tell(`$SYS.SERVER.${this.#broker.facts.id}.LAMEDUCK`, () => this.#system.server());
  }

  close(): void {
    for (const timer of [...this.#timers, ...this.#pending.values()]) clearTimeout(timer);
    this.#system.tell(`$SYS.SERVER.${this.#broker.facts.id}.SHUTDOWN`, () => this.#system.server());
  }

  #ended(session: ClientSession, reason: string): object {
    const { inMsgs, inBytes, outMsgs, outBytes } = session.statistics;
    const { rttMs } = session.profile;
    return {
      ...this.#system.event('client_disconnect'),
      client: {
        ...describe(session),
        rtt: Math.round(rttMs * 1e6) || undefined,
        stop: this.#broker.now().toISOString(),
      },
      // From the client's point of view, as in nats-server.
      sent: { msgs: inMsgs, bytes: inBytes },
      received: { msgs: outMsgs, bytes: outBytes },
      reason,
    };
  }

  /** Not in lame duck mode: a server that says how it does is taken for one to connect to (events.go, limitStatsz). */
  #tellStatistics(): void {
    if (!this.#broker.isReady) return;
    this.#system.tell(`$SYS.SERVER.${this.#broker.facts.id}.STATSZ`, () => ({
      server: this.#system.server(),
      statsz: statsz(this.#broker),
    }));
  }

  #tellConnections(): void {
    const accounts = new Set(this.#broker.sessions.list().map(({ profile }) => profile.account));
    for (const account of accounts) this.#tellConnectionsOf(account);
  }

  /** Schedules one count for all connections that open and close together. The global account has no counts. */
  #tellConnectionsOf(account: string): void {
    if (account === globalAccountName || this.#pending.has(account)) return;
    const timer = setTimeout(() => this.#tellConnectionsNow(account), coalesceMs).unref();
    this.#pending.set(account, timer);
  }

  #tellConnectionsNow(account: string): void {
    this.#pending.delete(account);
    let counted: AccountStatistics | undefined;
    for (const subject of [`$SYS.SERVER.ACCOUNT.${account}.CONNS`, `$SYS.ACCOUNT.${account}.SERVER.CONNS`]) {
      this.#system.tell(subject, () => {
        counted ??= accountStatistics(this.#broker, account);
        return { ...this.#system.event('account_connections'), ...counted };
      });
    }
  }
}

/** Describes a client (events.go, ClientInfo). */
function describe(session: ClientSession): object {
  const { profile, connection, statistics, id } = session;
  const { name, lang, version } = profile.connect;
  return {
    start: new Date(statistics.start).toISOString(),
    host: connection.remoteAddress,
    id,
    acc: profile.account,
    user: userNameOf(profile) || undefined,
    name: name || undefined,
    lang: lang || undefined,
    ver: version || undefined,
    name_tag: profile.account,
    kind: 'Client',
    client_type: 'nats',
  };
}
