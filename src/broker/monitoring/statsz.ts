// How the server does, in the fields of nats-server's ServerStats (events.go).
import { availableParallelism } from 'node:os';
import { goTime } from '../../go-time.ts';
import type { RouteSession } from '../cluster/route.ts';
import type { Monitored } from './monitored.ts';

export function statsz(broker: Monitored): object {
  const { sessions, accounts, startedAt } = broker;
  const { inMsgs, inBytes, outMsgs, outBytes, stalls } = sessions.traffic();
  const routes = broker.cluster?.routes ?? [];
  const { slowConsumers, staleConnections } = sessions.ended;
  const sent = { msgs: outMsgs, bytes: outBytes };
  const received = { msgs: inMsgs, bytes: inBytes };
  const { user, system } = process.cpuUsage();
  return {
    start: goTime(startedAt),
    mem: process.memoryUsage.rss(),
    cores: availableParallelism(),
    cpu: Math.round((user + system) / 10 / (process.uptime() * 1000)),
    connections: sessions.size,
    total_connections: sessions.total,
    active_accounts: new Set(sessions.list().map(({ profile }) => profile.account)).size,
    subscriptions: [...accounts].reduce((sum, { subscriptions }) => sum + subscriptions.size, 0),
    ...{ sent, sent_to_clients: sent, received, received_from_clients: received },
    slow_consumers: slowConsumers,
    slow_consumer_stats: ofClients(slowConsumers),
    stale_connections: staleConnections || undefined,
    stale_connection_stats: ofClients(staleConnections),
    stalled_clients: stalls || undefined,
    routes: routes.length === 0 ? undefined : routes.map(ofRoute),
    active_servers: 1 + routes.length,
    gomaxprocs: 1,
  };
}

function ofRoute({ id, remote, statistics, connection }: RouteSession) {
  return {
    rid: id,
    name: remote?.server_name || undefined,
    sent: { msgs: statistics.outMsgs, bytes: statistics.outBytes },
    received: { msgs: statistics.inMsgs, bytes: statistics.inBytes },
    pending: connection.pending,
  };
}

function ofClients(clients: number) {
  return clients === 0 ? undefined : { clients, routes: 0, gateways: 0, leafs: 0 };
}
