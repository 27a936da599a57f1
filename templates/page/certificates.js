// Shows the certificates of each tls block with their remaining life.
import { make, reconcile, setText } from './document.js';
import { minute, shortSerials, span } from './format.js';

/** Maximum number of authorities shown: a ca_file may contain those of a whole operating system. */
const maxAuthorities = 12;

/** @typedef {import('../../src/broker/monitoring/http/page.ts').PageDocument['tls'][number]} Block */
/** @typedef {Block['authorities'][number] & { file: string | undefined, role: string }} Certificate */

/**
 * The state of a certificate: due in the last third of its life, when `natspki watch` renews it; critical in the last
 * tenth.
 * @param {{ not_before: string, not_after: string }} certificate
 * @param {number} now
 */
export function lifeOf({ not_before, not_after }, now) {
  const begin = Date.parse(not_before);
  const end = Date.parse(not_after);
  const left = end - now;
  const share = Math.min(1, Math.max(0, left / (end - begin)));
  const ends = minute(end);
  if (left <= 0)
    return { state: 'expired', word: 'expired', share: 0, text: `expired ${span(-left)} ago, ${ends}` };
  if (begin > now)
    return { state: 'early', word: 'not valid yet', share: 1, text: `valid in ${span(begin - now)}` };
  const text = `${span(left)} left of ${span(end - begin)}, until ${ends}`;
  if (share <= 1 / 10) return { state: 'critical', word: 'about to expire', share, text };
  if (share <= 1 / 3) return { state: 'due', word: 'renewal due', share, text };
  return { state: 'good', word: 'valid', share, text };
}

/** @param {Element} parent @param {readonly Block[]} blocks @param {number} now */
export function showCertificates(parent, blocks, now) {
  if (blocks.length === 0) {
    parent.replaceChildren(make('p', 'empty', 'No TLS: the configuration has no tls block.'));
    return;
  }
  reconcile(
    parent,
    blocks,
    ({ name }) => name,
    createBlock,
    (element, block) => updateBlock(element, block, now),
  );
}

function createBlock() {
  const head = make('header', '', make('h3'), make('p', 'muted'), make('p', 'badge'));
  return make('div', 'block', head, make('div', 'certificates'));
}

/** @param {HTMLElement} element @param {Block} block @param {number} now */
function updateBlock(element, block, now) {
  const [head, list] = /** @type {HTMLElement[]} */ ([...element.children]);
  const [title, facts, badge] = /** @type {HTMLElement[]} */ ([...(head?.children ?? [])]);
  if (!list || !title || !facts || !badge) return;
  setText(title, block.name);
  const rejected = block.refused_swaps === 0 ? '' : `, ${block.refused_swaps} rejected`;
  const reloads = block.swaps === 1 ? '1 reload' : `${block.swaps} reloads`;
  const { length } = block.authorities;
  const cut =
    length <= maxAuthorities ? '' : `, ${length} authorities, of which the first ${maxAuthorities} to expire`;
  setText(facts, `generation ${block.generation}, ${reloads}${rejected}${cut}`);
  setText(badge, block.current ? 'files in use' : 'files rejected, previous ones in use');
  badge.dataset.state = block.current ? 'good' : 'refused';
  const certificates = [
    ...block.certificates.map((certificate) => ({
      ...certificate,
      file: certificate.cert_file,
      role: 'server',
    })),
    ...block.intermediates.map((intermediate) => ({
      ...intermediate,
      file: intermediate.cert_file,
      role: 'intermediate',
    })),
    ...firstToExpire(block.authorities).map((authority) => ({
      ...authority,
      file: block.ca_file,
      role: 'authority',
    })),
  ];
  const keyOf = (/** @type {Certificate} */ { role, serial, pin }) => `${role} ${serial} ${pin}`;
  reconcile(list, certificates, keyOf, createCertificate, (card, certificate) =>
    updateCertificate(card, certificate, now),
  );
}

/** @param {Block['authorities']} authorities */
function firstToExpire(authorities) {
  const end = (/** @type {Block['authorities'][number]} */ { not_after }) => Date.parse(not_after);
  return authorities.toSorted((a, b) => end(a) - end(b)).slice(0, maxAuthorities);
}

/** @param {Certificate} certificate */
function createCertificate(certificate) {
  const subject = make('p', 'subject', certificate.subject === '' ? 'no subject' : certificate.subject);
  const bar = make('div', 'bar', make('span'));
  bar.setAttribute('role', 'meter');
  bar.setAttribute('aria-valuemin', '0');
  bar.setAttribute('aria-valuemax', '100');
  bar.setAttribute('aria-label', `Remaining life of ${certificate.subject}`);
  const facts = make('dl', 'facts');
  const rows = [
    ['file', certificate.file ?? ''],
    ['names', certificate.sans.join(', ')],
    ['issuer', certificate.issuer],
    ['serial', certificate.serial],
    ['pin', certificate.pin],
    ['valid from', minute(certificate.not_before)],
  ].filter(([, value]) => value !== '');
  for (const [name = '', value = ''] of rows) {
    const shown = make('dd', '', name === 'serial' ? shortSerials(value) : value);
    if (shown.textContent !== value) shown.title = value;
    facts.append(make('dt', '', name), shown);
  }
  const top = make('div', 'top', subject, make('p', 'badge'));
  const role = make('p', 'muted', certificate.role === 'server' ? 'server certificate' : certificate.role);
  const details = make('details', '', make('summary', '', 'Details'), facts);
  return make('article', 'certificate', top, role, bar, make('p', 'left'), details);
}

/** @param {HTMLElement} card @param {Certificate} certificate @param {number} now */
function updateCertificate(card, certificate, now) {
  const { state, word, share, text } = lifeOf(certificate, now);
  const badge = /** @type {HTMLElement} */ (card.querySelector('.badge'));
  const bar = /** @type {HTMLElement} */ (card.querySelector('.bar'));
  for (const element of [card, badge, bar]) element.dataset.state = state;
  setText(badge, word);
  setText(/** @type {HTMLElement} */ (card.querySelector('.left')), text);
  bar.setAttribute('aria-valuenow', String(Math.round(share * 100)));
  bar.setAttribute('aria-valuetext', `${word}: ${text}`);
  /** @type {HTMLElement} */ (bar.firstElementChild).style.width = `${share * 100}%`;
}
