// Draws the last fifteen minutes as small plots, and the certificates on one line of time.
import { lifeOf } from './certificates.js';
import { byId, make, reconcile, setText } from './document.js';
import { clock, count, minute, span } from './format.js';

/** @typedef {import('../../src/broker/monitoring/http/page.ts').PageDocument} Page */
/** @typedef {{ name: string, className: string, values: readonly number[] }} Series */

const svgSpace = 'http://www.w3.org/2000/svg';
const width = 300;
const height = 60;
const dayMs = 86_400_000;

/** @param {string} tag @param {Record<string, string>} attributes */
function draw(tag, attributes) {
  const element = document.createElementNS(svgSpace, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** @param {Page['recent']} recent */
export function showPlots(recent) {
  const seconds = recent.step_ms / 1000;
  const perSecond = (/** @type {readonly number[]} */ values) => values.map((value) => value / seconds);
  const { ok = recent.at.map(() => 0), ...failed } = recent.handshakes;
  const failures = recent.at.map((_, i) =>
    Object.values(failed).reduce((sum, each) => sum + (each[i] ?? 0), 0),
  );
  const reasons = Object.entries(failed)
    .map(([result, values]) => `${count(sum(values))} ${result.replaceAll('-', ' ')}`)
    .join(', ');
  const plots = [
    {
      title: 'Messages per second',
      unit: '/s',
      series: [
        { name: 'in', className: 'first', values: perSecond(recent.in_msgs) },
        { name: 'out', className: 'second', values: perSecond(recent.out_msgs) },
      ],
      note: '',
    },
    {
      title: 'Connections',
      unit: '',
      series: [{ name: 'open', className: 'first', values: recent.connections }],
      note: '',
    },
    {
      title: 'Handshakes per second',
      unit: '/s',
      series: [
        { name: 'ok', className: 'first', values: perSecond(ok) },
        { name: 'failed', className: 'failed', values: perSecond(failures) },
      ],
      note: reasons,
    },
  ];
  const create = () =>
    make('figure', 'plot', make('figcaption'), make('div', 'canvas'), make('p', 'note muted'));
  reconcile(
    byId('plots'),
    plots,
    ({ title }) => title,
    create,
    (figure, { title, unit, series, note }) => {
      const [caption, canvas, legend] = /** @type {HTMLElement[]} */ ([...figure.children]);
      if (!caption || !canvas || !legend) return;
      setText(caption, title);
      const highest = Math.max(1, ...series.flatMap(({ values }) => values));
      const last = series.map(({ name, values }) => `${name} ${rate(values.at(-1) ?? 0)}${unit}`).join(', ');
      const since = recent.at[0] === undefined ? '' : ` since ${clock(recent.at[0])}`;
      const text = `${last}; at most ${rate(Math.max(0, ...series.flatMap(({ values }) => values)))}${unit}${since}`;
      setText(legend, note === '' ? text : `${text}; ${note}`);
      canvas.replaceChildren(plot(series, highest, `${title}: ${text}`));
    },
  );
}

/** @param {readonly number[]} values */
function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/** @param {number} value */
function rate(value) {
  return value > 0 && value < 10 ? String(Number(value.toFixed(1))) : count(value);
}

/** @param {readonly Series[]} series @param {number} highest @param {string} label */
function plot(series, highest, label) {
  const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img' });
  svg.setAttribute('aria-label', label);
  svg.append(draw('line', { class: 'axis', x1: '0', x2: String(width), y1: '59.5', y2: '59.5' }));
  for (const { className, values } of series) {
    // The right edge is now; a page that was just started fills up from there.
    const x = (/** @type {number} */ i) => width - ((values.length - 1 - i) / 179) * width;
    const y = (/** @type {number} */ value) => height - 1 - (value / highest) * (height - 4);
    const points = values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    svg.append(draw('polyline', { class: className, points }));
  }
  return svg;
}

const ticks = /** @type {const} */ ([
  [1, '1 d'],
  [7, '1 week'],
  [30, '1 month'],
  [91, '3 months'],
  [365, '1 year'],
  [3 * 365, '3 years'],
  [10 * 365, '10 years'],
]);

/** Where a time left stands on the line, 0 to 1: far ends come closer, so that a day and ten years fit. */
function placeOf(/** @type {number} */ leftMs) {
  const days = Math.max(0, leftMs / dayMs);
  return Math.min(1, Math.log2(1 + days) / Math.log2(1 + 12 * 365));
}

/** @param {Page['tls']} blocks @param {number} now */
export function showTimeline(blocks, now) {
  const seen = new Map();
  for (const { name, certificates, intermediates, authorities } of blocks) {
    const roles = /** @type {const} */ ([
      ['server', certificates],
      ['intermediate', intermediates],
      [
        'authority',
        authorities.toSorted((a, b) => Date.parse(a.not_after) - Date.parse(b.not_after)).slice(0, 12),
      ],
    ]);
    for (const [role, all] of roles) {
      for (const each of all) {
        const known = seen.get(each.serial);
        if (known === undefined) seen.set(each.serial, { ...each, role, blocks: [name] });
        else if (!known.blocks.includes(name)) known.blocks.push(name);
      }
    }
  }
  const rows = [...seen.values()].sort((a, b) => Date.parse(a.not_after) - Date.parse(b.not_after));
  const line = byId('timeline');
  if (rows.length === 0) {
    line.replaceChildren(make('p', 'empty', 'No certificates.'));
    return;
  }
  if (line.querySelector('.ticks') === null) line.replaceChildren(scale(), make('ul', 'ends'));
  const list = /** @type {HTMLElement} */ (line.lastElementChild);
  const create = () => make('li', '', make('span', 'what'), make('span', 'track', make('span', 'end')));
  reconcile(
    list,
    rows,
    ({ serial, role }) => `${role} ${serial}`,
    create,
    (item, certificate) => {
      const { state, word } = lifeOf(certificate, now);
      const left = Date.parse(certificate.not_after) - now;
      const [what, track] = /** @type {HTMLElement[]} */ ([...item.children]);
      if (!what || !track) return;
      const when = left > 0 ? `${span(left)} left` : `expired ${span(-left)} ago`;
      setText(what, `${certificate.subject || 'no subject'}, ${certificate.role}: ${when}`);
      item.dataset.state = state;
      item.title = `${word}, ${certificate.blocks.join(' and ')}, until ${minute(certificate.not_after)}, serial ${certificate.serial}`;
      /** @type {HTMLElement} */ (track.firstElementChild).style.width = `${placeOf(left) * 100}%`;
    },
  );
}

function scale() {
  const marks = ticks.map(([days, text]) => {
    const mark = make('span', 'tick', text);
    mark.style.left = `${placeOf(days * dayMs) * 100}%`;
    return mark;
  });
  return make('div', 'ticks', ...marks);
}
