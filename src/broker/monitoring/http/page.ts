// The monitoring page for browsers, and the JSON document that it polls.
import type { Answer } from '../../../net/answer.ts';
import { htmlPage, linkItems, type PageTemplate } from '../../../net/page.ts';
import { goTime } from '../../../protocol/go-format.ts';
import { peerOf } from '../../../tls/peer.ts';
import { connz } from '../endpoints/connz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import type { Query } from '../endpoints/query.ts';
import type { RecentHistory } from '../endpoints/recent.ts';
import { describeRevocation, tlsBlocks, tlsz } from '../endpoints/tlsz.ts';

/** The files that only this page loads. */
export const pageAssets = ['page.js', 'plots.js', 'revocation.js', 'traffic.js', 'connections.js'];

/** @param base the relative URL from the page to the endpoints; empty or with a trailing slash */
export function fillPage(
  template: PageTemplate,
  { facts }: MonitoredBroker,
  base: string,
  endpoints: readonly string[],
): Answer {
  const { name, version } = facts;
  const title = `${name}, natspki ${version}`;
  return htmlPage(template, { title, name, version, base }, linkItems(base, endpoints));
}

/** The response of /page.json. */
export type PageDocument = ReturnType<typeof pageDocument>;

/**
 * Gathers the data of the page; throws BadQuery.
 * @param query the parameters of /connz, and `filter`, a text to search for
 */
export function pageDocument(query: Query, broker: MonitoredBroker, recent: RecentHistory) {
  const { facts, sessions, websocket, cluster, startedAt, isReady } = broker;
  const now = broker.now();
  const tls = sessions.countTls();
  const { inMsgs, inBytes, outMsgs, outBytes } = sessions.traffic();
  const connections = connz(query, broker, matching(query.text('filter')));
  return {
    now: goTime(now),
    server: {
      id: facts.id,
      name: facts.name,
      version: facts.version,
      node: process.versions.node,
      start: goTime(startedAt),
      ready: isReady,
      memory: process.memoryUsage.rss(),
      /** Undefined for a standalone server. */
      routes: cluster?.routes.length,
    },
    traffic: { in_msgs: inMsgs, in_bytes: inBytes, out_msgs: outMsgs, out_bytes: outBytes },
    clients: {
      open: sessions.size,
      total: sessions.total,
      subscriptions: sessions.countSubscriptions(),
      slow_consumers: sessions.ended.slowConsumers,
      /** Over TLS, by version and cipher suite. */
      tls,
      /** Undefined without a listener for them. */
      websockets: websocket && sessions.countWebsockets(),
      plain: sessions.size - tls.reduce((sum, { count }) => sum + count, 0),
    },
    tls: tlsz(broker).tls,
    revocation: describeRevocation(broker, now),
    handshakes: handshakes(broker),
    recent: recent.steps,
    routes: routes(broker),
    connections,
    /** When the certificates of these connections expire, by their ids. */
    client_certificates: clientCertificates(connections.connections, broker),
  };
}

/** The most routes that the page shows. */
const maxRoutes = 100;

/** Describes the routes of the cluster. */
function routes({ cluster }: MonitoredBroker) {
  return (cluster?.routes ?? []).slice(0, maxRoutes).map((route) => {
    const { id, remote, connection, statistics, rttMs, isDialled, interestCount } = route;
    const { remoteAddress: ip, remotePort: port, pending } = connection;
    const { start, inMsgs, outMsgs } = statistics;
    const peer = route.tls === undefined ? undefined : peerOf(route.tls);
    return {
      rid: id,
      name: remote?.server_name ?? '',
      address: ip?.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`,
      dialled: isDialled,
      start: goTime(start),
      rtt_ms: rttMs,
      in_msgs: inMsgs,
      out_msgs: outMsgs,
      pending,
      subscriptions: interestCount,
      certificate: peer && { subject: peer.subject, serial: peer.serial, not_after: goTime(peer.notAfter) },
    };
  });
}

function clientCertificates(shown: readonly { readonly cid: number }[], { sessions }: MonitoredBroker) {
  const wanted = new Set(shown.map(({ cid }) => cid));
  return Object.fromEntries(
    sessions.list().flatMap(({ id, tls }) => {
      const peer = tls === undefined || !wanted.has(id) ? undefined : peerOf(tls);
      return peer === undefined ? [] : [[id, { serial: peer.serial, not_after: goTime(peer.notAfter) }]];
    }),
  );
}

/** Counts handshakes by listener and result, most frequent first; omits results that did not occur. */
function handshakes(broker: MonitoredBroker) {
  return tlsBlocks(broker)
    .flatMap(({ listener: own, serverTls }) => serverTls.outcomes(own))
    .flatMap(([listener, outcomes]) =>
      Object.entries(outcomes).map(([result, count]) => ({ listener, result, count })),
    )
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
}

function matching(filter: string): Parameters<typeof connz>[2] {
  if (filter === '') return undefined;
  const wanted = filter.toLowerCase();
  return ({ cid, name, user, account, ip, port }) =>
    String(cid) === wanted ||
    [name, user, account, `${ip}:${port}`].some((text) => text.toLowerCase().includes(wanted));
}
