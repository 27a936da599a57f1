// The monitoring page for browsers: its files in `templates/page`, and the JSON document that it polls. The page loads
// nothing from other origins, which its Content-Security-Policy enforces.
import { readFileSync } from 'node:fs';
import { packageFile } from '../../../files/package-files.ts';
import { fillTemplate } from '../../../files/templates.ts';
import type { Answer } from '../../../net/answer.ts';
import { goTime } from '../../../protocol/go-format.ts';
import { connz } from '../endpoints/connz.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import type { Query } from '../endpoints/query.ts';
import { tlsBlocks, tlsz } from '../endpoints/tlsz.ts';

/** The Content-Security-Policy of the page: it may load from this broker only. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const types: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

const assets = [
  'page.js',
  'document.js',
  'format.js',
  'certificates.js',
  'traffic.js',
  'connections.js',
  'page.css',
  'icon.svg',
];

/** Reads the files of the page; returns them by URL path. */
export function readAssets(): ReadonlyMap<string, Answer> {
  return new Map(
    assets.map((name) => {
      const type = types[name.slice(name.lastIndexOf('.') + 1)] as string;
      return [
        `/page/${name}`,
        { status: 200, type, body: readFileSync(packageFile(`templates/page/${name}`), 'utf8') },
      ];
    }),
  );
}

/** Reads the HTML template of the page. */
export function readPageTemplate(): string {
  return readFileSync(packageFile('templates/page/index.html'), 'utf8');
}

/** @param base the relative URL from the page to the endpoints; empty or with a trailing slash */
export function fillPage(
  template: string,
  { facts }: MonitoredBroker,
  base: string,
  endpoints: readonly string[],
): Answer {
  const links = endpoints.map((path) => {
    const name = path.slice(1);
    return `<li><a href="${escapeHtml(base + name)}">${path}</a></li>`;
  });
  const body = fillTemplate(template, 'page', {
    title: escapeHtml(`${facts.name}, natspki ${facts.version}`),
    name: escapeHtml(facts.name),
    version: escapeHtml(facts.version),
    base: escapeHtml(base),
    links: links.join('\n'),
  });
  return { status: 200, type: 'text/html; charset=utf-8', body, policy };
}

/** The response of /page.json. */
export type PageDocument = ReturnType<typeof pageDocument>;

/**
 * Gathers the data of the page; throws BadQuery.
 * @param query the parameters of /connz, and `filter`, a text to search for
 */
export function pageDocument(query: Query, broker: MonitoredBroker) {
  const { facts, sessions, cluster, startedAt, isReady } = broker;
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
      plain: sessions.size - tls.reduce((sum, { count }) => sum + count, 0),
    },
    tls: tlsz(broker).tls,
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

function escapeHtml(raw: string): string {
  return raw.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
