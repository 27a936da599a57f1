// Shows the table of client connections. The broker searches, sorts and pages them, since there may be thousands.
import { byId, make, setText, showRows } from './document.js';
import { bytes, count, span } from './format.js';

/** @typedef {import('../../src/broker/monitoring/http/page.ts').PageDocument} Page */
/** @typedef {Page['connections']} Connections */
/** @typedef {Connections['connections'][number]} Connection */

const pageSize = 50;

/**
 * The columns: title, class, text, and the sort order of /connz that a click requests.
 * @type {readonly { title: string, className: string, text: (connection: Connection) => string, sort?: string, way?:
 * string }[]}
 */
const columns = [
  { title: 'Id', className: 'number', text: ({ cid }) => String(cid), sort: 'cid', way: 'ascending' },
  { title: 'Name', className: 'cut', text: ({ name }) => name ?? '' },
  { title: 'User', className: 'cut', text: ({ authorized_user }) => authorized_user ?? '' },
  { title: 'Account', className: 'cut', text: ({ account, name_tag }) => account ?? name_tag ?? '' },
  {
    title: 'Certificate',
    className: 'cut',
    text: ({ tls_peer_certs }) => tls_peer_certs?.[0]?.subject ?? '',
  },
  {
    title: 'Expires in',
    className: 'nowrap',
    text: ({ cid }) => expiry(cid),
  },
  {
    title: 'Address',
    className: 'nowrap',
    text: ({ ip, port }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`),
  },
  { title: 'Type', className: 'nowrap', text: ({ type }) => (type === 'websocket' ? 'WebSocket' : 'NATS') },
  {
    title: 'Subs',
    className: 'number',
    text: ({ subscriptions }) => count(subscriptions),
    sort: 'subs',
    way: 'descending',
  },
  {
    title: 'In',
    className: 'number',
    text: ({ in_msgs }) => count(in_msgs),
    sort: 'msgs_from',
    way: 'descending',
  },
  {
    title: 'Out',
    className: 'number',
    text: ({ out_msgs }) => count(out_msgs),
    sort: 'msgs_to',
    way: 'descending',
  },
  {
    title: 'Pending',
    className: 'number nowrap',
    text: ({ pending_bytes }) => bytes(pending_bytes),
    sort: 'pending',
    way: 'descending',
  },
  {
    title: 'Idle',
    className: 'nowrap',
    text: ({ last_activity }) => span(now - Date.parse(last_activity)),
    sort: 'idle',
    way: 'descending',
  },
  { title: 'Connected', className: 'nowrap', text: ({ start }) => span(now - Date.parse(start)) },
  {
    title: 'TLS',
    className: 'suite',
    text: ({ tls_version, tls_cipher_suite }) =>
      tls_version === undefined ? 'none' : `${tls_version} ${(tls_cipher_suite ?? '').replace(/^TLS_/, '')}`,
  },
  {
    title: 'Client',
    className: 'cut',
    text: ({ lang, version }) => [lang, version].filter(Boolean).join(' '),
  },
];

const asked = { sort: 'cid', offset: 0, filter: '' };
let now = 0;
/** @type {Page['client_certificates']} */
let certificates = {};

/** @param {number} cid */
function expiry(cid) {
  const certificate = certificates[cid];
  if (certificate === undefined) return '';
  const left = Date.parse(certificate.not_after) - now;
  return left > 0 ? span(left) : `expired ${span(-left)} ago`;
}

/** The parameters of the next request. */
export function connectionsQuery() {
  return new URLSearchParams({ ...asked, auth: '1', offset: String(asked.offset), limit: String(pageSize) });
}

/** Builds the table head and handles its controls. @param {() => void} ask called when the parameters have changed */
export function startConnections(ask) {
  const heads = columns.map(({ title, className, sort }) => {
    const head = make('th', className);
    head.scope = 'col';
    if (sort === undefined) {
      head.textContent = title;
      return head;
    }
    const button = make('button', '', title);
    button.type = 'button';
    button.addEventListener('click', () => {
      asked.sort = sort;
      asked.offset = 0;
      markSorted();
      ask();
    });
    head.append(button);
    return head;
  });
  byId('columns').replaceChildren(...heads);
  markSorted();
  const filter = /** @type {HTMLInputElement} */ (byId('filter'));
  filter.addEventListener('input', () => {
    asked.filter = filter.value.trim();
    asked.offset = 0;
    ask();
  });
  byId('search').addEventListener('submit', (event) => event.preventDefault());
  const turn = (/** @type {number} */ by) => () => {
    asked.offset = Math.max(0, asked.offset + by);
    ask();
  };
  byId('previous').addEventListener('click', turn(-pageSize));
  byId('next').addEventListener('click', turn(pageSize));
}

/**
 * @param {Connections} list
 * @param {Page['client_certificates']} expiries
 * @param {number} at
 */
export function showConnections({ total, offset, connections }, expiries, at) {
  now = at;
  certificates = expiries;
  // Fewer connections than before: go back to the last page that exists.
  if (offset > 0 && offset >= total)
    asked.offset = Math.max(0, Math.floor((total - 1) / pageSize) * pageSize);
  const [first, last] = [offset + 1, offset + connections.length];
  const all = asked.filter === '' ? '' : ' found';
  setText(
    byId('matching'),
    connections.length === 0 ? `0${all}` : `${count(first)} to ${count(last)} of ${count(total)}${all}`,
  );
  /** @type {HTMLButtonElement} */ (byId('previous')).disabled = offset === 0;
  /** @type {HTMLButtonElement} */ (byId('next')).disabled = last >= total;
  showRows(
    byId('connections'),
    connections,
    ({ cid }) => String(cid),
    columns.map(({ className, text }) => /** @type {const} */ ([className, text])),
    asked.filter === '' ? 'No clients are connected.' : 'No connection matches.',
  );
}

function markSorted() {
  for (const [index, { sort, way }] of columns.entries()) {
    const head = byId('columns').children[index];
    if (sort === asked.sort && way !== undefined) head?.setAttribute('aria-sort', way);
    else head?.removeAttribute('aria-sort');
  }
}
