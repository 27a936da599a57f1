// /accstatz: the connection and message counts of each account (monitor.go, AccountStatz).

import { goTime } from '../../../protocol/go-format.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import type { Query } from './query.ts';

/** Answers a request; throws BadQuery. @param only the accounts to list; undefined for all */
export function accstatz(query: Query, broker: MonitoredBroker, only?: readonly string[]): AccountStatz {
  const isUnusedWanted = query.boolean('unused');
  const names = [...broker.accounts].map(({ name }) => name);
  const statistics = names
    .filter((name) => only === undefined || only.includes(name))
    .map((name) => accountStatistics(broker, name));
  return {
    server_id: broker.facts.id,
    now: goTime(broker.now()),
    account_statz: statistics.filter(({ conns }) => isUnusedWanted || conns > 0),
  };
}

export interface AccountStatz {
  readonly server_id: string;
  readonly now: string;
  readonly account_statz: readonly AccountStatistics[];
}

/** The statistics of one account, in the fields of nats-server's AccountStat (events.go). */
export type AccountStatistics = ReturnType<typeof accountStatistics>;

export function accountStatistics(broker: MonitoredBroker, name: string) {
  const { sessions, accounts } = broker;
  const conns = sessions.inAccount(name).length;
  const { inMsgs, inBytes, outMsgs, outBytes, slowConsumers } = sessions.trafficOf(name);
  const nothing = { msgs: 0, bytes: 0 };
  const elsewhere = { gateways: nothing, routes: nothing, leafs: nothing };
  return {
    acc: name,
    name,
    conns,
    leafnodes: 0,
    total_conns: conns,
    num_subscriptions: accounts.get(name).subscriptions.size,
    sent: { msgs: outMsgs, bytes: outBytes, ...elsewhere },
    received: { msgs: inMsgs, bytes: inBytes, ...elsewhere },
    slow_consumers: slowConsumers,
  };
}
