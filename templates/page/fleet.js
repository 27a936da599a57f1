// The page of an authority that serves a fleet: the certificates of its members, refusals, and a rotation of the authority.
import { lifeOf } from './certificates.js';
import { byId, make, reconcile, setText, showRows } from './document.js';
import { bytes, count, minute, moment, span } from './format.js';
import { startPolling } from './poll.js';

/** @typedef {import('../../src/fleet/http/fleet-document.ts').FleetDocument} Fleet */
/** @typedef {import('../../src/fleet/http/fleet-document.ts').ShownMember} Member */
/** @typedef {import('../../src/fleet/http/fleet-document.ts').ShownAuthority} Authority */
/** @typedef {import('../../src/fleet/http/fleet-document.ts').ShownRefusal} Refusal */

const words = { token: 'invitation', est: 'EST', nats: 'NATS', folder: 'this folder' };
/** @param {string | undefined} over */
const transport = (over) => words[/** @type {keyof typeof words} */ (over)] ?? over ?? '';

const filter = /** @type {HTMLInputElement} */ (byId('filter'));
const ask = startPolling({
  what: 'authority',
  query: () => new URLSearchParams({ filter: filter.value.trim() }),
  read: (/** @type {Fleet} */ { server, now }) => ({
    id: server.id,
    now,
    isReady: server.nats !== false,
    state: 'not connected to NATS',
  }),
  show,
});
filter.addEventListener('input', ask);
byId('search').addEventListener('submit', (event) => event.preventDefault());

/** @param {Fleet} fleet @param {number} now */
function show(fleet, now) {
  showSummary(fleet, now);
  showRotation(fleet.rotation);
  byId('copied-section').hidden = fleet.copied.length === 0;
  showRefusals('copied', fleet.copied);
  showMembers(fleet, now);
  showRefusals('refused', fleet.refused);
  showAuthorities(fleet.authorities, now);
}

/** @param {Fleet} fleet @param {number} now */
function showSummary({ counts, server }, now) {
  const { names, overdue, enrolments, renewals, repeated, refusals } = counts;
  const tiles = [
    ['Names', count(names), 'with a certificate'],
    [
      'Overdue',
      count(overdue),
      'with less than a quarter of the life left',
      overdue > 0 ? 'critical' : 'good',
    ],
    [
      'Renewals',
      count(renewals.nats + renewals.est),
      `${count(renewals.nats)} over NATS, ${count(renewals.est)} over EST`,
    ],
    ['Enrolments', count(enrolments), 'for invitations, since the start'],
    ['Refusals', count(refusals), `${count(repeated)} answers given again`],
    ['Uptime', span(now - Date.parse(server.start)), `since ${minute(server.start)}`],
    ['Memory', bytes(server.memory), `Node ${server.node}`],
  ];
  const create = () => make('div', '', make('dt'), make('dd'), make('dd'));
  const update = (/** @type {HTMLElement} */ tile, /** @type {string[]} */ [name, value, note, state]) => {
    for (const [index, text] of [name, value, note].entries())
      setText(/** @type {Element} */ (tile.children[index]), text ?? '');
    /** @type {HTMLElement} */ (tile.children[1]).dataset.state = state ?? '';
  };
  reconcile(byId('summary'), tiles, ([name = '']) => name, create, update);
}

/** @param {Fleet['rotation']} rotation */
function showRotation(rotation) {
  byId('rotation-section').hidden = rotation === undefined;
  if (rotation === undefined) return;
  const { retired, total, left, names } = rotation;
  const text =
    left === 0
      ? `No name depends on ${retired.join(', ')} any more: natspki rotate --ca --finish`
      : `${count(left)} of ${count(total)} names still depend on ${retired.join(', ')}.`;
  setText(byId('rotation'), text);
  const more = left > names.length ? `, and ${count(left - names.length)} more` : '';
  setText(byId('rotation-names'), names.join(', ') + more);
}

/** @param {Fleet} fleet @param {number} now */
function showMembers({ members, found }, now) {
  const cut = found > members.length ? `the first ${count(members.length)} of ${count(found)}` : count(found);
  setText(byId('matching'), filter.value.trim() === '' ? cut : `${cut} found`);
  const body = byId('members');
  showRows(
    body,
    members,
    ({ name }) => name,
    [
      ['cut', ({ name }) => name],
      ['nowrap', ({ profile }) => profile],
      ['nowrap', (member) => stateOf(member, now).word],
      ['', () => ''],
      ['nowrap', (member) => lifeOf(member, now).text],
      ['nowrap', ({ issued }) => moment(issued)],
      ['nowrap', ({ over }) => transport(over)],
      ['nowrap', ({ renew_at }) => minute(renew_at)],
    ],
    filter.value.trim() === '' ? 'No certificates yet.' : 'No name matches.',
  );
  for (const [index, member] of members.entries())
    showLife(body.children[index], 2, member.name, stateOf(member, now));
}

/** @param {readonly Authority[]} authorities @param {number} now */
function showAuthorities(authorities, now) {
  const body = byId('authorities');
  showRows(
    body,
    authorities,
    ({ serial }) => serial,
    [
      ['cut', ({ subject }) => subject],
      ['nowrap', (authority) => lifeOf(authority, now).word],
      ['', () => ''],
      ['nowrap', (authority) => lifeOf(authority, now).text],
      ['what', ({ pin }) => pin],
    ],
    'None.',
  );
  for (const [index, authority] of authorities.entries())
    showLife(body.children[index], 1, authority.subject, lifeOf(authority, now));
}

/** @param {Member} member @param {number} now */
function stateOf(member, now) {
  const life = lifeOf(member, now);
  const isLate = member.overdue && life.state === 'due';
  const state = isLate ? { ...life, state: 'critical', word: 'overdue' } : life;
  return member.behind ? { ...state, word: `${state.word}, old authority` } : state;
}

/**
 * Colours the state in a row, and draws the bar in the cell after it.
 * @param {Element | undefined} row @param {number} at @param {string} name
 * @param {{ state: string, word: string, share: number, text: string }} life
 */
function showLife(row, at, name, { state, word, share, text }) {
  const [cell, place] = [row?.children[at], row?.children[at + 1]];
  if (!(cell instanceof HTMLElement) || !(place instanceof HTMLElement)) return;
  cell.dataset.state = state;
  let bar = place.firstElementChild;
  if (!(bar instanceof HTMLElement)) {
    bar = make('div', 'bar life', make('span'));
    bar.setAttribute('role', 'meter');
    bar.setAttribute('aria-valuemin', '0');
    bar.setAttribute('aria-valuemax', '100');
    bar.setAttribute('aria-label', `Remaining life of ${name}`);
    place.replaceChildren(bar);
  }
  /** @type {HTMLElement} */ (bar).dataset.state = state;
  bar.setAttribute('aria-valuenow', String(Math.round(share * 100)));
  bar.setAttribute('aria-valuetext', `${word}: ${text}`);
  /** @type {HTMLElement} */ (bar.firstElementChild).style.width = `${share * 100}%`;
}

/** @param {'copied' | 'refused'} id @param {readonly Refusal[]} refusals */
function showRefusals(id, refusals) {
  showRows(
    byId(id),
    refusals.map((refusal, index) => ({ ...refusal, key: `${refusal.time} ${refusals.length - index}` })),
    ({ key }) => key,
    [
      ['nowrap', ({ time }) => moment(time)],
      ['cut', ({ name }) => name ?? 'unknown'],
      ['nowrap', ({ over }) => transport(over)],
      ['nowrap', ({ peer }) => peer ?? ''],
      ['what', ({ reason, code }) => `${reason ?? ''} (${code ?? ''})`],
    ],
    'No request was refused.',
  );
}
