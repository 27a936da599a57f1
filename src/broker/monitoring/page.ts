// The monitoring page for people: its files, which stand in `templates/page`, and the one document that it shows again
// and again. Nothing in it comes from elsewhere, and a browser is told so.
import { readFileSync } from 'node:fs';
import { goTime } from '../../go-time.ts';
import { packageFile } from '../../package-files.ts';
import { fillTemplate } from '../../templates.ts';
import { connz } from './connz.ts';
import type { Answer } from './monitor-answer.ts';
import type { Query } from './monitor-query.ts';
import type { Monitored } from './monitored.ts';
import { tlsBlocks, tlsz } from './tlsz.ts';

/** What the page may do: load from this broker, and nothing else. */
const policy = [
  "default-src 'none'",
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
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

/** Reads the files that the page needs, by their paths. */
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

/** Makes the page itself. */
export class PageTemplate {
  readonly #text = readFileSync(packageFile('templates/page/index.html'), 'utf8');

  /** @param base what leads from the address of the page to the endpoints; empty, or with a slash at its end */
  fill({ facts }: Monitored, base: string, endpoints: readonly string[]): Answer {
    const links = endpoints.map((path) => {
      const name = path.slice(1);
      return `<li><a href="${escapeHtml(base + name)}">${path}</a></li>`;
    });
    const body = fillTemplate(this.#text, 'page', {
      title: escapeHtml(`${facts.name}, natspki ${facts.version}`),
      name: escapeHtml(facts.name),
      version: escapeHtml(facts.version),
      base: escapeHtml(base),
      links: links.join('\n'),
    });
    return { status: 200, type: 'text/html; charset=utf-8', body, policy };
  }
}

/** What /page.json answers. */
export type PageDocument = ReturnType<typeof pageDocument>;

/** Gathers what the page shows; throws BadQuery. @param query that of /connz, and `filter`, a text to be found in it */
export function pageDocument(query: Query, broker: Monitored) {
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
      /** Undefined for a server that stands alone. */
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

/** Those that happened, the most first. */
function handshakes(broker: Monitored) {
  return tlsBlocks(broker)
    .flatMap(({ listener: own, entrance }) => entrance.outcomes(own))
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
