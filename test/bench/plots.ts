// Draws the charts of a report, and defines which figures each of them shows.
import type { Transport } from './arguments.ts';
import { type Chart, drawChart, type Line } from './chart.ts';
import type { CellResult, Report } from './report.ts';
import { median } from './statistics.ts';

/** A chart as a file in the folder of plots. */
export interface Plot {
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

/** Draws the charts for which the report has figures. */
export function drawPlots(report: Report): Plot[] {
  return charts(report)
    .map(([file, chart]) => ({ file, chart: withContent(chart) }))
    .filter(({ chart }) => chart.lines.length > 0)
    .map(({ file, chart }) => ({ file, title: chart.title, svg: drawChart(chart) }));
}

const size = { title: 'bytes in a message', logarithmic: true, label: tick };

function charts(report: Report): [string, Chart][] {
  const { cells } = report;
  const bySize = (key: string, title: string, unit: string): Chart => ({
    title,
    x: size,
    y: { title: unit, logarithmic: key === 'cpu', label: tick },
    lines: [
      ...numbered(cells, /^publish-(\d+)$/, key, 'tls', 'publish only'),
      ...numbered(cells, /^one-to-one-(\d+)$/, key, 'tls', 'one to one', true),
    ],
  });
  return [
    ['rate.svg', bySize('rate', 'Messages a second under TLS, by their size', 'messages a second')],
    ['cpu.svg', bySize('cpu', 'CPU time of the server under TLS, by the size of messages', 'µs a message')],
    [
      'memory.svg',
      {
        title: 'Memory of idle connections, by their number',
        x: { title: 'connections', label: tick },
        y: { title: 'MB', label: tick },
        lines: (['tls', 'plain'] as const).flatMap((transport) => idle(cells, transport)),
      },
    ],
    [
      'match.svg',
      {
        title: 'CPU time of the server for a message, by the number of subscriptions',
        x: { title: 'subscriptions, one in five with a wildcard', logarithmic: true, label: tick },
        y: { title: 'µs a message', label: tick },
        lines: numbered(cells, /^match-(\d+)$/, 'cpu', 'tls'),
      },
    ],
    [
      'issue.svg',
      {
        title: 'Client certificates issued, by time',
        x: { title: 'seconds', logarithmic: true, label: tick },
        y: { title: 'certificates', logarithmic: true, label: tick },
        lines: issued(report),
      },
    ],
  ];
}

/** Returns one line per side through cells whose names end in a number; that number is the x value. */
function numbered(
  cells: readonly CellResult[],
  name: RegExp,
  key: string,
  transport: Transport,
  suffix = '',
  dashed = false,
): Line[] {
  const chosen = cells.filter((result) => result.transport === transport && name.test(result.cell));
  return sides(chosen).map(([side, hue]) => ({
    name: suffix === '' ? side : `${side}, ${suffix}`,
    hue,
    dashed,
    points: chosen.map((result) => [Number(name.exec(result.cell)?.[1]), figure(result, side, key)] as const),
  }));
}

function idle(cells: readonly CellResult[], transport: Transport): Line[] {
  const found = cells.find((result) => result.cell === 'idle' && result.transport === transport);
  if (found === undefined) return [];
  return sides([found]).map(([side, hue]) => ({
    name: `${side}, ${transport === 'tls' ? 'TLS' : 'plain'}`,
    hue,
    dashed: transport === 'plain',
    points: [1000, 5000, 10_000].map(
      (connections) => [connections, (figure(found, side, `at${connections}`) * connections) / 1000] as const,
    ),
  }));
}

function issued({ commands }: Report): Line[] {
  const name = /^cli-issue-(\d+)$/;
  const chosen = commands.filter(({ cell }) => name.test(cell));
  return (['natspki issue', 'mkcert -ecdsa'] as const).map((contestant, hue) => ({
    name: contestant,
    hue: hue === 0 ? 0 : 1,
    points: chosen.map(({ cell, contestants }) => {
      const runs = contestants.find((each) => each.name === contestant)?.runs ?? [];
      return [median(runs) / 1000, Number(name.exec(cell)?.[1])] as const;
    }),
  }));
}

function sides(cells: readonly CellResult[]): [string, 0 | 1][] {
  const labels = cells[0]?.sides.map(({ label }) => label) ?? [];
  return labels.map((label, index) => [label, index === 0 ? 0 : 1]);
}

function figure({ sides: all }: CellResult, side: string, key: string): number {
  const runs = all.find(({ label }) => label === side)?.runs ?? [];
  return median(runs.map((run) => run[key] ?? Number.NaN));
}

/** Formats a tick as a round number: 0.5, 20, 10k, 1M. */
function tick(value: number): string {
  const [unit, suffix] = value >= 1e6 ? [1e6, 'M'] : value >= 1e4 ? [1e3, 'k'] : [1, ''];
  return `${Number((value / unit).toPrecision(3))}${suffix}`;
}

function withContent(chart: Chart): Chart {
  const lines = chart.lines.filter(({ points }) => points.some((point) => point.every(Number.isFinite)));
  return { ...chart, lines };
}
