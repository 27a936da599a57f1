// The monitoring page for browsers, and the JSON document that it polls.
import type { Answer } from '../../../net/answer.ts';
import { htmlPage, linkItems } from '../../../net/page.ts';
import { goTime } from '../../../protocol/go-format.ts';
import { connz } from '../endpoints/connz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import type { Query } from '../endpoints/query.ts';
import { describeRevocation, tlsBlocks, tlsz } from '../endpoints/tlsz.ts';

/** The files that only this page loads. */
export const pageAssets = ['page.js', 'revocation.js', 'traffic.js', 'connections.js'];

/** @param base the relative URL from the page to the endpoints; empty or with a trailing slash */
export function fillPage(
  template: string,
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
export function pageDocument(query: Query, broker: MonitoredBroker) {
  const { facts, sessions, websocket, cluster, startedAt, isReady } = broker;
  const now = broker.now();
  const tls = sessions.countTls();
  const { inMsgs, inBytes, outMsgs, outBytes } = sessions.traffic();
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
    connections: connz(query, broker, matching(query.text('filter'))),
  };
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
