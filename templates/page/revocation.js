// Shows the revocation lists in use and the questions to OCSP responders; nothing where neither is configured.
import { make, reconcile, setText } from './document.js';
import { minute } from './format.js';

/** @typedef {import('../../src/broker/monitoring/http/page.ts').PageDocument['revocation']} Revocation */
/** @typedef {{ title: string, text: string, word: string, state: string }} Row */

/** @param {Element} parent @param {Revocation} revocation */
export function showRevocation(parent, revocation) {
  reconcile(
    parent,
    rowsOf(revocation),
    ({ title }) => title,
    () => make('div', 'block', make('header', '', make('h3'), make('p', 'muted'), make('p', 'badge'))),
    update,
  );
}

/** @param {Revocation} revocation @returns {Row[]} */
export function rowsOf({ lists, ocsp }) {
  const rows = (lists?.files ?? []).map(({ file, issuer, revoked, next_update, expired }) => {
    const until = next_update === undefined ? 'without an end' : `until ${minute(next_update)}`;
    const isCurrent = lists?.current ?? true;
    return {
      title: `revocation list of ${issuer}`,
      text: `${revoked} certificates, ${until}, from ${file}`,
      word: expired ? 'expired' : isCurrent ? 'in use' : 'file rejected, previous one in use',
      state: expired ? 'expired' : isCurrent ? 'good' : 'refused',
    };
  });
  if (ocsp === undefined) return rows;
  const { answered, unreachable, unusable, open, kept } = ocsp;
  const failed = unreachable + unusable;
  const text = `${answered} answers, ${failed} failures, ${open} questions open, ${kept} answers kept`;
  const word = failed === 0 ? 'answers' : 'failures';
  return [...rows, { title: 'OCSP of clients', text, word, state: failed === 0 ? 'good' : 'due' }];
}

/** @param {HTMLElement} element @param {Row} row */
function update(element, { title, text, word, state }) {
  const [head, facts, badge] = /** @type {HTMLElement[]} */ ([
    ...(element.firstElementChild?.children ?? []),
  ]);
  if (!head || !facts || !badge) return;
  setText(head, title);
  setText(facts, text);
  setText(badge, word);
  badge.dataset.state = state;
}
