// Shows the summary, the TLS versions of connections, the handshakes and the history of certificate reloads.
import { byId, make, reconcile, setText, showRows } from './document.js';
import { bytes, count, minute, moment, span } from './format.js';

/** @typedef {import('../../src/broker/monitoring/http/page.ts').PageDocument} Page */

/** @type {{ at: number, id: string, traffic: Page['traffic'] } | undefined} */
let last;

/** @param {Page} page @param {number} now */
export function showSummary({ server, clients, traffic }, now) {
  // A restarted server counts from zero.
  const before = last?.id === server.id ? last : undefined;
  const seconds = before === undefined ? 0 : (now - before.at) / 1000;
  /** @param {'in_msgs' | 'in_bytes' | 'out_msgs' | 'out_bytes'} key */
  const rate = (key) => (before && seconds > 0 ? (traffic[key] - before.traffic[key]) / seconds : 0);
  last = { at: now, id: server.id, traffic };
  const tiles = [
    ['Connections', count(clients.open), `${count(clients.total)} since the start`],
    ['Subscriptions', count(clients.subscriptions), ''],
    [
      'Messages in',
      `${count(rate('in_msgs'))}/s`,
      `${bytes(rate('in_bytes'))}/s, ${count(traffic.in_msgs)} in total`,
    ],
    [
      'Messages out',
      `${count(rate('out_msgs'))}/s`,
      `${bytes(rate('out_bytes'))}/s, ${count(traffic.out_msgs)} in total`,
    ],
    ...(clients.websockets === undefined ? [] : [['WebSockets', count(clients.websockets), 'connections']]),
    ...(server.routes === undefined ? [] : [['Routes', count(server.routes), 'to other servers']]),
    ['Slow consumers', count(clients.slow_consumers), 'disconnected since the start'],
    ['Uptime', span(now - Date.parse(server.start)), `since ${minute(server.start)}`],
    ['Memory', bytes(server.memory), `Node ${server.node}`],
  ];
  const create = () => make('div', '', make('dt'), make('dd'), make('dd'));
  reconcile(
    byId('summary'),
    tiles,
    ([name = '']) => name,
    create,
    (tile, texts) => {
      for (const [index, text] of texts.entries())
        setText(/** @type {Element} */ (tile.children[index]), text);
    },
  );
}

/** @param {Page['clients']} clients */
export function showSuites({ open, plain, tls }) {
  const rows =
    plain === 0 ? tls : [...tls, { version: 'none', suite: 'unencrypted, or in a handshake', count: plain }];
  const body = byId('suites');
  /** @typedef {Page['clients']['tls'][number]} Row */
  showRows(
    body,
    rows,
    ({ version, suite }) => `${version} ${suite}`,
    [
      ['nowrap', (/** @type {Row} */ { version }) => (version === 'none' ? 'none' : `TLS ${version}`)],
      ['suite', ({ suite }) => suite],
      ['number', ({ count: value }) => count(value)],
      ['', () => ''],
    ],
    'No clients are connected.',
  );
  for (const [index, row] of rows.entries()) {
    const cell = body.children[index]?.lastElementChild;
    const share = row.count / Math.max(1, open);
    const bar = make('div', 'bar share', make('span'));
    /** @type {HTMLElement} */ (bar.firstElementChild).style.width = `${share * 100}%`;
    bar.setAttribute('role', 'img');
    bar.setAttribute('aria-label', `${Math.round(share * 100)} percent`);
    cell?.replaceChildren(bar);
  }
}

/** @param {Page['handshakes']} handshakes */
export function showHandshakes(handshakes) {
  /** @typedef {Page['handshakes'][number]} Row */
  showRows(
    byId('handshakes'),
    handshakes,
    ({ listener, result }) => `${listener} ${result}`,
    [
      ['nowrap', (/** @type {Row} */ { listener }) => listener],
      ['', ({ result }) => result.replaceAll('-', ' ')],
      ['number', ({ count: value }) => count(value)],
    ],
    'No handshakes yet.',
  );
}

/** @param {Page['routes']} routes @param {number} now */
export function showRoutes(routes, now) {
  byId('routes-section').hidden = routes.length === 0;
  /** @typedef {Page['routes'][number]} Row */
  showRows(
    byId('routes'),
    routes,
    ({ rid }) => String(rid),
    [
      ['cut', (/** @type {Row} */ { name }) => name],
      ['nowrap', ({ address }) => address],
      ['', ({ dialled }) => (dialled ? 'dialled' : 'accepted')],
      ['nowrap', ({ start }) => span(now - Date.parse(start))],
      ['nowrap', ({ rtt_ms }) => (rtt_ms === 0 ? '' : `${Number(rtt_ms.toFixed(1))} ms`)],
      ['number', ({ in_msgs }) => count(in_msgs)],
      ['number', ({ out_msgs }) => count(out_msgs)],
      ['number', ({ subscriptions }) => count(subscriptions)],
      ['cut', ({ certificate }) => certificate?.subject ?? ''],
      ['nowrap', ({ certificate }) => (certificate ? span(Date.parse(certificate.not_after) - now) : '')],
    ],
    'No routes.',
  );
}

/** @param {Page['tls']} blocks */
export function showHistory(blocks) {
  const events = blocks
    .flatMap(({ name, history }) =>
      history.map((event, index) => ({ ...event, name, key: `${name} ${index} ${event.at}` })),
    )
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  const words = { opened: 'started', swapped: 'reloaded', refused: 'rejected' };
  const body = byId('history');
  /** @typedef {typeof events[number]} Row */
  showRows(
    body,
    events,
    ({ key }) => key,
    [
      ['nowrap', (/** @type {Row} */ { at }) => moment(at)],
      ['nowrap', ({ name }) => name],
      ['number', ({ generation }) => String(generation)],
      ['nowrap', ({ outcome }) => words[outcome]],
      ['what serials', ({ changes, reason }) => reason ?? changes.join('; ')],
    ],
    'No TLS.',
  );
  for (const [index, { outcome }] of events.entries()) {
    const cell = /** @type {HTMLElement} */ (body.children[index]?.children[3]);
    cell.dataset.state = outcome === 'refused' ? 'refused' : '';
  }
}
