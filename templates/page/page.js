// Keeps the page true: asks the broker every few seconds while somebody can see it, and says when it does not answer.
import { showCertificates } from './certificates.js';
import { connectionsQuery, showConnections, startConnections } from './connections.js';
import { byId, make, setText } from './document.js';
import { clock, span } from './format.js';
import { showHandshakes, showHistory, showSuites, showSummary } from './traffic.js';

/** @typedef {import('../../src/broker/monitoring/page.ts').PageDocument} Page */

const everyMs = 2000;
const patienceMs = 5000;
/** How long it is told that the broker is back. */
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

/** Asks at once, instead of what was asked or was going to be. */
async function ask() {
  stop();
  const mine = new AbortController();
  asking = mine;
  const patience = setTimeout(() => mine.abort(), patienceMs);
  try {
    const url = new URL(`../page.json?${connectionsQuery()}`, import.meta.url);
    const response = await fetch(url, { signal: mine.signal, cache: 'no-store' });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    const page = /** @type {Page} */ (await response.json());
    if (asking === mine) show(page);
  } catch (error) {
    if (asking === mine) showGone(error);
  } finally {
    clearTimeout(patience);
    if (asking === mine) timer = setTimeout(() => void ask(), everyMs);
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
  setState(server.ready ? 'ready' : 'leaving', server.ready ? 'ready' : 'takes no new clients');
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
  const why = error instanceof Error && error.message.startsWith('it answered') ? `: ${error.message}` : '';
  const seen = answeredAt === 0 ? '' : ` What is shown is from ${clock(answeredAt)}.`;
  tell(`The broker does not answer since ${clock(goneSince)}${why}.${seen} This page goes on asking.`, 'bad');
}

/** @param {string} id */
function tellBack(id) {
  const away = span(Date.now() - goneSince);
  goneSince = 0;
  backAt = Date.now();
  const how = serverId === '' || serverId === id ? '' : ' It was started again: its figures count from then.';
  tell(`The broker is back since ${clock(backAt)}, after ${away}.${how}`);
}

/** @param {string} text empty for nothing @param {'' | 'bad'} [kind] */
function tell(text, kind = '') {
  byId('news').replaceChildren(...(text === '' ? [] : [make('p', `notice ${kind}`, text)]));
}

/** @param {string} state @param {string} text */
function setState(state, text) {
  byId('state').dataset.state = state;
  setText(byId('state'), text);
  // For those who look at the tabs only.
  document.title = state === 'ready' ? title : `${text}: ${title}`;
}
