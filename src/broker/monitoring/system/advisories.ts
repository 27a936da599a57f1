// The advisories that the server publishes in the system account: clients that connect, disconnect or are rejected, the
// connections of each account, server statistics, lame duck mode and shutdown (nats-server, events.go). Without a
// subscriber an advisory costs next to nothing.

import { nanoseconds } from '../../../protocol/go-format.ts';
import type { ClientSession } from '../../clients/client.ts';
import { userNameOf } from '../../clients/connection-record.ts';
import { globalAccountName } from '../../options/account-name.ts';
import { type AccountStatistics, accountStatistics } from '../endpoints/accstatz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import { statsz } from '../endpoints/statsz.ts';
import type { SystemPublisher } from './system-publisher.ts';

/** Milliseconds between two server statistics, and between two connection counts of an account (events.go). */
const statisticsMs = 10_000;
const connectionsMs = 30_000;

/** Maximum delay of a connection count, in milliseconds: one advisory covers all changes in that time. */
const coalesceMs = 50;

export class Advisories {
  readonly #system: SystemPublisher;
  readonly #broker: MonitoredBroker;
  readonly #timers: NodeJS.Timeout[];
  /** Timers of delayed connection counts, by account. */
  readonly #pending = new Map<string, NodeJS.Timeout>();

  constructor(system: SystemPublisher, broker: MonitoredBroker) {
    this.#system = system;
    this.#broker = broker;
    this.#timers = [
      setInterval(() => this.#publishStatistics(), statisticsMs).unref(),
      setInterval(() => this.#scheduleAllCounts(), connectionsMs).unref(),
    ];
  }

  connected(session: ClientSession): void {
    const { account } = session.profile;
    this.#system.publishAdvisory(`$SYS.ACCOUNT.${account}.CONNECT`, () => ({
      ...this.#system.typedEvent('client_connect'),
      client: describe(session),
    }));
    this.#scheduleCount(account);
  }

  /** @param reason in the wording of monitoring */
  disconnected(session: ClientSession, reason: string): void {
    const { account } = session.profile;
    this.#system.publishAdvisory(`$SYS.ACCOUNT.${account}.DISCONNECT`, () =>
      this.#disconnectEvent(session, reason),
    );
    this.#scheduleCount(account);
  }

  /** A client was rejected. It belongs to the global account until then, so that account is told too (events.go). */
  rejected(session: ClientSession, reason: string): void {
    const { id } = this.#broker.facts;
    this.#system.publishGlobalAdvisory('$SYS.ACCOUNT.CLIENT.AUTH.ERR', () =>
      this.#disconnectEvent(session, reason),
    );
    this.#system.publishAdvisory(`$SYS.SERVER.${id}.CLIENT.AUTH.ERR`, () =>
      this.#disconnectEvent(session, reason),
    );
  }

  lameDuck(): void {
    this.#system.publishAdvisory(`$SYS.SERVER.${this.#broker.facts.id}.LAMEDUCK`, () =>
      this.#system.serverInfo(),
    );
  }

  close(): void {
    for (const timer of [...this.#timers, ...this.#pending.values()]) clearTimeout(timer);
    this.#system.publishAdvisory(`$SYS.SERVER.${this.#broker.facts.id}.SHUTDOWN`, () =>
      this.#system.serverInfo(),
    );
  }

  #disconnectEvent(session: ClientSession, reason: string): object {
    const { inMsgs, inBytes, outMsgs, outBytes } = session.statistics;
    const { rttMs } = session.profile;
    return {
      ...this.#system.typedEvent('client_disconnect'),
      client: {
        ...describe(session),
        rtt: nanoseconds(rttMs) || undefined,
        stop: this.#broker.now().toISOString(),
      },
      // From the client's point of view, as in nats-server.
      sent: { msgs: inMsgs, bytes: inBytes },
      received: { msgs: outMsgs, bytes: outBytes },
      reason,
    };
  }

  /** Not in lame duck mode: clients connect to a server that publishes its statistics (events.go, limitStatsz). */
  #publishStatistics(): void {
    if (!this.#broker.isReady) return;
    this.#system.publishAdvisory(`$SYS.SERVER.${this.#broker.facts.id}.STATSZ`, () => ({
      server: this.#system.serverInfo(),
      statsz: statsz(this.#broker),
    }));
  }

  #scheduleAllCounts(): void {
    const accounts = new Set(this.#broker.sessions.list().map(({ profile }) => profile.account));
    for (const account of accounts) this.#scheduleCount(account);
  }

  /** Schedules one count for all connections that open and close together. The global account has no counts. */
  #scheduleCount(account: string): void {
    if (account === globalAccountName || this.#pending.has(account)) return;
    const timer = setTimeout(() => this.#publishCount(account), coalesceMs).unref();
    this.#pending.set(account, timer);
  }

  #publishCount(account: string): void {
    this.#pending.delete(account);
    let counted: AccountStatistics | undefined;
    for (const subject of [`$SYS.SERVER.ACCOUNT.${account}.CONNS`, `$SYS.ACCOUNT.${account}.SERVER.CONNS`]) {
      this.#system.publishAdvisory(subject, () => {
        counted ??= accountStatistics(this.#broker, account);
        return { ...this.#system.typedEvent('account_connections'), ...counted };
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
    client_type: profile.type,
  };
}
