// Totals over all connections of a server, clients and routes together, as in nats-server.
import type { MonitoredBroker } from './monitored-broker.ts';

/** Totals messages and bytes, of clients alone and of all connections. */
export function totalTraffic({ sessions, cluster }: MonitoredBroker) {
  const clients = sessions.traffic();
  const routes = cluster?.traffic() ?? { inMsgs: 0, inBytes: 0, outMsgs: 0, outBytes: 0 };
  return {
    clients,
    inMsgs: clients.inMsgs + routes.inMsgs,
    inBytes: clients.inBytes + routes.inBytes,
    outMsgs: clients.outMsgs + routes.outMsgs,
    outBytes: clients.outBytes + routes.outBytes,
  };
}

/** Counts the subscriptions of clients and the interest of other servers of the cluster. */
export function totalSubscriptions({ accounts }: MonitoredBroker): number {
  return [...accounts].reduce((sum, { subscriptions, remote }) => sum + subscriptions.size + remote.size, 0);
}

/** Counts the connections closed as slow consumers or as stale, by kind of connection. */
export function endedByKind(
  { sessions, cluster }: MonitoredBroker,
  why: 'slowConsumers' | 'staleConnections',
) {
  return { clients: sessions.ended[why], routes: cluster?.ended[why] ?? 0, gateways: 0, leafs: 0 };
}
