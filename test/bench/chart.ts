// Draws a line chart as SVG that is legible on light and dark pages. It knows nothing about the data.

export interface Chart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

export interface Axis {
  readonly title: string;
  /** A logarithmic axis spaces powers of ten equally; a linear one starts at 0. */
  readonly logarithmic?: boolean;
  readonly label: (value: number) => string;
}

export interface Line {
  readonly name: string;
  /** Lines that belong together share a hue. */
  readonly hue: 0 | 1;
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const width = 720;
const height = 420;
const frame = { left: 76, right: 24, top: 88, bottom: 56 };

const style = `
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.grid { stroke: #d0d7de }
.line { fill: none; stroke-width: 2 }
.dashed { stroke-dasharray: 5 4 }
.hue0 { stroke: #0969da }
.hue1 { stroke: #bc4c00 }
circle.hue0 { fill: #0969da }
circle.hue1 { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.title { fill: #e6edf3 }
.grid { stroke: #3d444d }
.hue0 { stroke: #58a6ff }
.hue1 { stroke: #f0883e }
circle.hue0 { fill: #58a6ff }
circle.hue1 { fill: #f0883e }
}`;

/** Returns the SVG of a chart; omits points that are not finite. */
export function drawChart({ title, x, y, lines }: Chart): string {
  const drawn = lines.map((line) => ({
    ...line,
    points: line.points.filter(([a, b]) => isShown(a, x) && isShown(b, y)),
  }));
  const points = drawn.flatMap((line) => line.points);
  const across = scale(
    x,
    points.map(([a]) => a),
    [frame.left, width - frame.right],
  );
  const up = scale(
    y,
    points.map(([, b]) => b),
    [height - frame.bottom, frame.top],
  );
  const place = ([a, b]: readonly [number, number]) => [across.at(a), up.at(b)].map(round);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${style}\n</style>`,
    text(frame.left, 24, title, 'start', 'title'),
    ...up.ticks.flatMap((tick) => {
      const at = round(up.at(tick));
      return [
        rule(frame.left, at, width - frame.right, at),
        text(frame.left - 8, at + 4, y.label(tick), 'end'),
      ];
    }),
    ...across.ticks.flatMap((tick) => {
      const at = round(across.at(tick));
      return [
        rule(at, height - frame.bottom, at, height - frame.bottom + 5),
        text(at, height - frame.bottom + 20, x.label(tick), 'middle'),
      ];
    }),
    text((frame.left + width - frame.right) / 2, height - 12, x.title, 'middle'),
    `<g transform="rotate(-90)">${text(-(frame.top + height - frame.bottom) / 2, 16, y.title, 'middle')}</g>`,
    ...drawn.flatMap(({ hue, dashed, points: own }) => [
      `<path class="line hue${hue}${dashed ? ' dashed' : ''}" d="M${own.map((point) => place(point).join(' ')).join('L')}"/>`,
      ...own.map(
        (point) => `<circle class="hue${hue}" cx="${place(point)[0]}" cy="${place(point)[1]}" r="3"/>`,
      ),
    ]),
    ...legend(drawn),
    '</svg>\n',
  ].join('\n');
}

function isShown(value: number, { logarithmic = false }: Axis): boolean {
  return Number.isFinite(value) && (!logarithmic || value > 0);
}

interface Scale {
  readonly ticks: readonly number[];
  at(value: number): number;
}

function scale(
  { logarithmic = false }: Axis,
  values: readonly number[],
  [start, end]: readonly [number, number],
): Scale {
  const largest = Math.max(...values, logarithmic ? 1e-3 : 0);
  if (!logarithmic) {
    const step = niceStep(largest / 5 || 1);
    const count = Math.max(1, Math.ceil(largest / step - 1e-9));
    return {
      ticks: Array.from({ length: count + 1 }, (_, index) => index * step),
      at: (value) => start + ((end - start) * value) / (count * step),
    };
  }
  const low = Math.floor(Math.log10(Math.min(...values, largest)) + 1e-9);
  const high = Math.max(low + 1, Math.ceil(Math.log10(largest) - 1e-9));
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)),
    at: (value) => start + ((end - start) * (Math.log10(value) - low)) / (high - low),
  };
}

/** Returns the smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 2.5, 5, 10].find((step) => step * power >= least * (1 - 1e-9)) ?? 10) * power;
}

function legend(lines: readonly Line[]): string[] {
  return lines.flatMap(({ name, hue, dashed }, index) => {
    const x = frame.left + (index % 2) * 300;
    const y = 45 + Math.floor(index / 2) * 20;
    return [
      `<path class="line hue${hue}${dashed ? ' dashed' : ''}" d="M${x} ${y}h24"/>`,
      text(x + 30, y + 4, name, 'start'),
    ];
  });
}

function text(x: number, y: number, content: string, anchor: string, kind = ''): string {
  const named = kind === '' ? '' : ` class="${kind}"`;
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${named}>${escaped(content)}</text>`;
}

function rule(x1: number, y1: number, x2: number, y2: number): string {
  return `<path class="grid" d="M${x1} ${y1}L${x2} ${y2}"/>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
