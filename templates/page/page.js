// Keeps the page up to date: polls the broker every few seconds while the page is visible, and shows when the broker
// does not answer.
import { showCertificates } from './certificates.js';
import { connectionsQuery, showConnections, startConnections } from './connections.js';
import { byId, make, setText } from './document.js';
import { clock, span } from './format.js';
import { showHandshakes, showHistory, showSuites, showSummary } from './traffic.js';

/** @typedef {import('../../src/broker/monitoring/http/page.ts').PageDocument} Page */

const intervalMs = 2000;
const timeoutMs = 5000;
/** Milliseconds for which the page shows that the broker is available again. */
const newsMs = 20_000;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {AbortController | undefined} */
let asking;
let answeredAt = 0;
let goneSince = 0;
let backAt = 0;
let serverId = '';
const title = document.title;

startConnections(() => void ask());
document.addEventListener('visibilitychange', () => {
  if (document.hidden) stop();
  else void ask();
});
if (!document.hidden) void ask();

function stop() {
  clearTimeout(timer);
  asking?.abort();
  asking = undefined;
}

/** Requests the data immediately, in place of any request in progress or scheduled. */
async function ask() {
  stop();
  const mine = new AbortController();
  asking = mine;
  const timeout = setTimeout(() => mine.abort(), timeoutMs);
  try {
    const url = new URL(`../page.json?${connectionsQuery()}`, import.meta.url);
    const response = await fetch(url, { signal: mine.signal, cache: 'no-store' });
    if (!response.ok) throw new Error(`HTTP status ${response.status}`);
    const page = /** @type {Page} */ (await response.json());
    if (asking === mine) show(page);
  } catch (error) {
    if (asking === mine) showGone(error);
  } finally {
    clearTimeout(timeout);
    if (asking === mine) timer = setTimeout(() => void ask(), intervalMs);
  }
}

/** @param {Page} page */
function show(page) {
  const now = Date.parse(page.now);
  const { server, tls, clients } = page;
  if (goneSince > 0) tellBack(server.id);
  else if (backAt > 0 && Date.now() - backAt > newsMs) tell('');
  answeredAt = Date.now();
  serverId = server.id;
  setState(server.ready ? 'ready' : 'leaving', server.ready ? 'ready' : 'accepts no new clients');
  setText(byId('updated'), `as of ${clock(now)}`);
  byId('main').dataset.old = 'false';
  showSummary(page, now);
  showCertificates(byId('certificates'), tls, now);
  showHistory(tls);
  showSuites(clients);
  showHandshakes(page.handshakes);
  showConnections(page.connections, now);
}

/** @param {unknown} error */
function showGone(error) {
  const isFirst = goneSince === 0;
  if (isFirst) goneSince = Date.now();
  setState('gone', 'no answer');
  byId('main').dataset.old = 'true';
  if (!isFirst) return;
  const why = error instanceof Error && error.message.startsWith('HTTP status') ? ` (${error.message})` : '';
  const seen = answeredAt === 0 ? '' : ` The data shown is from ${clock(answeredAt)}.`;
  tell(
    `The broker has been unavailable since ${clock(goneSince)}${why}.${seen} This page keeps trying.`,
    'bad',
  );
}

/** @param {string} id */
function tellBack(id) {
  const away = span(Date.now() - goneSince);
  goneSince = 0;
  backAt = Date.now();
  const how =
    serverId === '' || serverId === id ? '' : ' It was restarted, so its counters started again from zero.';
  tell(`The broker has been available again since ${clock(backAt)}, after ${away}.${how}`);
}

/** Shows a notice. @param {string} text empty to remove it @param {'' | 'bad'} [kind] */
function tell(text, kind = '') {
  byId('news').replaceChildren(...(text === '' ? [] : [make('p', `notice ${kind}`, text)]));
}

/** @param {string} state @param {string} text */
function setState(state, text) {
  byId('state').dataset.state = state;
  setText(byId('state'), text);
  // Show it in the browser tab as well.
  document.title = state === 'ready' ? title : `${text}: ${title}`;
}
