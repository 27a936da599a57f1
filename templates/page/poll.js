// Keeps a page up to date: polls its server every few seconds while the page is visible, and shows when the server does not
// answer.
import { byId, make, setText } from './document.js';
import { clock, span } from './format.js';

const intervalMs = 2000;
const timeoutMs = 5000;
/** Milliseconds for which the page shows that the server is available again. */
const newsMs = 20_000;

/**
 * What a page is about.
 * @template Document
 * @typedef {object} Subject
 * @property {string} what how the page calls the server: `broker`
 * @property {() => URLSearchParams} query the parameters of the next request
 * @property {(document: Document) => { id: string, now: string, isReady: boolean, kind?: string, state: string }} read
 *   `id` changes when the server restarts, and with it the counters; `state` is shown unless its `kind` is ready
 * @property {(document: Document, now: number) => void} show
 */

/**
 * Starts; returns the function that asks at once, in place of any request in progress or scheduled.
 * @template Document
 * @param {Subject<Document>} subject
 * @returns {() => void}
 */
export function startPolling({ what, query, read, show: showDocument }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {AbortController | undefined} */
  let asking;
  let answeredAt = 0;
  let goneSince = 0;
  let backAt = 0;
  let serverId = '';
  const title = document.title;

  function stop() {
    clearTimeout(timer);
    asking?.abort();
    asking = undefined;
  }

  async function ask() {
    stop();
    const mine = new AbortController();
    asking = mine;
    const timeout = setTimeout(() => mine.abort(), timeoutMs);
    try {
      const url = new URL(`../page.json?${query()}`, import.meta.url);
      const response = await fetch(url, { signal: mine.signal, cache: 'no-store' });
      if (!response.ok) throw new Error(`HTTP status ${response.status}`);
      const page = /** @type {Document} */ (await response.json());
      if (asking === mine) show(page);
    } catch (error) {
      if (asking === mine) showGone(error);
    } finally {
      clearTimeout(timeout);
      if (asking === mine) timer = setTimeout(() => void ask(), intervalMs);
    }
  }

  /** @param {Document} page */
  function show(page) {
    const { id, now, isReady, state, kind = isReady ? 'ready' : 'leaving' } = read(page);
    if (goneSince > 0) tellBack(id);
    else if (backAt > 0 && Date.now() - backAt > newsMs) tell('');
    answeredAt = Date.now();
    serverId = id;
    setState(kind, kind === 'ready' ? 'ready' : state);
    setText(byId('updated'), `as of ${clock(Date.parse(now))}`);
    byId('main').dataset.old = 'false';
    showDocument(page, Date.parse(now));
  }

  /** @param {unknown} error */
  function showGone(error) {
    const isFirst = goneSince === 0;
    if (isFirst) goneSince = Date.now();
    setState('gone', `no answer since ${clock(goneSince)}`);
    byId('main').dataset.old = 'true';
    if (!isFirst) return;
    const why =
      error instanceof Error && error.message.startsWith('HTTP status') ? ` (${error.message})` : '';
    const seen = answeredAt === 0 ? '' : ` The data shown is from ${clock(answeredAt)}.`;
    tell(
      `The ${what} has been unavailable since ${clock(goneSince)}${why}.${seen} This page keeps trying.`,
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
    tell(`The ${what} has been available again since ${clock(backAt)}, after ${away}.${how}`);
  }

  /** @param {string} state @param {string} text */
  function setState(state, text) {
    byId('state').dataset.state = state;
    setText(byId('state'), text);
    // Show it in the browser tab as well.
    document.title = state === 'ready' ? title : `${text}: ${title}`;
  }

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) stop();
    else void ask();
  });
  if (!document.hidden) void ask();
  return () => void ask();
}

/** Shows a notice. @param {string} text empty to remove it @param {'' | 'bad'} [kind] */
function tell(text, kind = '') {
  byId('news').replaceChildren(...(text === '' ? [] : [make('p', `notice ${kind}`, text)]));
}
