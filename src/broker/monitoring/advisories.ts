// What the server tells in the system account unasked: clients that come, go and are refused, how many each account has,
// how the server does, and that it leaves (nats-server, events.go). It costs next to nothing where nobody listens.

import type { ClientSession } from '../clients/client.ts';
import { userOf } from '../clients/connection-record.ts';
import { globalAccountName } from '../options/account-name.ts';
import { type AccountStatistics, accountStatistics } from './accstatz.ts';
import type { Monitored } from './monitored.ts';
import { statsz } from './statsz.ts';
import type { System } from './system.ts';

/** How often the server says how it does, and how many connections an account has (events.go). */
const statisticsMs = 10_000;
const connectionsMs = 30_000;

/** How long the number of connections may lag behind. */
const togetherMs = 50;

export class Advisories {
  readonly #system: System;
  readonly #broker: Monitored;
  readonly #timers: NodeJS.Timeout[];
  /** By account. */
  readonly #pending = new Map<string, NodeJS.Timeout>();

  constructor(system: System, broker: Monitored) {
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

  /** @param reason in the words of monitoring */
  disconnected(session: ClientSession, reason: string): void {
    const { account } = session.profile;
    this.#system.tell(`$SYS.ACCOUNT.${account}.DISCONNECT`, () => this.#ended(session, reason));
    this.#tellConnectionsOf(account);
  }

  /** Somebody was not let in, who is of the global account until then: its clients are told as well (events.go). */
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
      // From the client's point of view.
      sent: { msgs: inMsgs, bytes: inBytes },
      received: { msgs: outMsgs, bytes: outBytes },
      reason,
    };
  }

  #tellStatistics(): void {
    this.#system.tell(`$SYS.SERVER.${this.#broker.facts.id}.STATSZ`, () => ({
      server: this.#system.server(),
      statsz: statsz(this.#broker),
    }));
  }

  #tellConnections(): void {
    const accounts = new Set(this.#broker.sessions.list().map(({ profile }) => profile.account));
    for (const account of accounts) this.#tellConnectionsOf(account);
  }

  /** Soon, once for all that come and go together. Of the global account nothing is told. */
  #tellConnectionsOf(account: string): void {
    if (account === globalAccountName || this.#pending.has(account)) return;
    const timer = setTimeout(() => this.#tellConnectionsNow(account), togetherMs).unref();
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

/** Who a client is (events.go, ClientInfo). */
function describe(session: ClientSession): object {
  const { profile, connection, statistics, id } = session;
  const { name, lang, version } = profile.connect;
  return {
    start: new Date(statistics.start).toISOString(),
    host: connection.remoteAddress,
    id,
    acc: profile.account,
    user: userOf(profile) || undefined,
    name: name || undefined,
    lang: lang || undefined,
    ver: version || undefined,
    name_tag: profile.account,
    kind: 'Client',
    client_type: 'nats',
  };
}
