// What a server counts over all its connections, clients and routes together, as nats-server does.
import type { Monitored } from './monitored.ts';

/** Messages and bytes: of clients, and of all. */
export function totalTraffic({ sessions, cluster }: Monitored) {
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

/** The subscriptions of clients, and what other servers of the cluster asked for. */
export function totalSubscriptions({ accounts }: Monitored): number {
  return [...accounts].reduce((sum, { subscriptions, remote }) => sum + subscriptions.size + remote.size, 0);
}

/** How many connections were ended for being slow or stale, by what they were. */
export function endedByKind({ sessions, cluster }: Monitored, why: 'slowConsumers' | 'staleConnections') {
  return { clients: sessions.ended[why], routes: cluster?.ended[why] ?? 0, gateways: 0, leafs: 0 };
}
