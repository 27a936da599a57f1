// STATSZ: the statistics of the server, in the fields of nats-server's ServerStats (events.go).
import { availableParallelism } from 'node:os';
import { goTime } from '../../../protocol/go-format.ts';
import type { RouteSession } from '../../cluster/route.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { endedByKind, totalSubscriptions, totalTraffic } from './totals.ts';

export function statsz(broker: MonitoredBroker): object {
  const { sessions, startedAt } = broker;
  const { clients, inMsgs, inBytes, outMsgs, outBytes } = totalTraffic(broker);
  const routes = broker.cluster?.routes ?? [];
  const [slow, stale] = [endedByKind(broker, 'slowConsumers'), endedByKind(broker, 'staleConnections')];
  const { user, system } = process.cpuUsage();
  return {
    start: goTime(startedAt),
    mem: process.memoryUsage.rss(),
    cores: availableParallelism(),
    cpu: Math.round((user + system) / 10 / (process.uptime() * 1000)),
    connections: sessions.size,
    total_connections: sessions.total,
    active_accounts: new Set(sessions.list().map(({ profile }) => profile.account)).size,
    subscriptions: totalSubscriptions(broker),
    sent: { msgs: outMsgs, bytes: outBytes },
    sent_to_clients: { msgs: clients.outMsgs, bytes: clients.outBytes },
    received: { msgs: inMsgs, bytes: inBytes },
    received_from_clients: { msgs: clients.inMsgs, bytes: clients.inBytes },
    slow_consumers: sum(slow),
    slow_consumer_stats: sum(slow) === 0 ? undefined : slow,
    stale_connections: sum(stale) || undefined,
    stale_connection_stats: sum(stale) === 0 ? undefined : stale,
    stalled_clients: clients.stalls || undefined,
    routes: routes.length === 0 ? undefined : routes.map(ofRoute),
    active_servers: 1 + (broker.cluster?.peers.length ?? 0),
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

function sum({ clients, routes }: ReturnType<typeof endedByKind>): number {
  return clients + routes;
}
