// The report of a run as data, and its rendering as Markdown.
import type { Transport } from './arguments.ts';
import type { Measurement, Quantity, Table } from './cells/cell.ts';
import { renderStarts, type StartsResult } from './starts/figures.ts';
import { median } from './statistics.ts';

export interface Report {
  readonly at: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly options: { readonly rounds: number; readonly seconds: number; readonly permissions: boolean };
  readonly cells: readonly CellResult[];
  readonly commands: readonly CommandResult[];
  /** Undefined where they were not selected. */
  readonly starts?: StartsResult | undefined;
  /** What could not be measured, with the reason. */
  readonly missing: readonly string[];
}

export interface CellResult {
  readonly cell: string;
  readonly says: string;
  readonly table: Table;
  readonly transport: Transport;
  readonly sides: readonly SideResult[];
}

export interface SideResult {
  readonly label: string;
  readonly runs: readonly Measurement[];
}

export interface CommandResult {
  readonly cell: string;
  readonly says: string;
  /** Times in milliseconds. */
  readonly contestants: readonly { readonly name: string; readonly runs: readonly number[] }[];
}

const transportNames: Record<Transport, string> = { tls: 'TLS', plain: 'plain' };

/** Renders a report as Markdown: medians, and for two sides the first, the second and their ratio. */
export function renderReport(report: Report): string {
  return ['# Benchmark', ...renderTables(report)].join('\n\n');
}

/** Renders the parts of a report, with third-level headings. */
export function renderTables(report: Report): string[] {
  const versions = Object.entries(report.versions).map(([name, version]) => `${name} ${version}`);
  const { rounds, seconds, permissions } = report.options;
  const [first, second] = report.cells[0]?.sides ?? [];
  const tables = [...new Set(report.cells.map(({ table }) => table))];
  return [
    `${report.at}. ${report.machine}. ${versions.join(', ')}.`,
    `Medians of ${rounds} measurement(s) of ${seconds} s (one where a cell says "once"). The sides alternate, each measurement on a fresh process; users ${permissions ? 'with' : 'without'} permissions.`,
    ...(first && second ? [`Each figure: ${first.label} / ${second.label} (ratio).`] : []),
    ...tables.map((table) => renderTable(report.cells.filter((result) => result.table === table))),
    ...report.commands.map(renderCommands),
    ...(report.starts === undefined ? [] : [renderStarts(report.starts)]),
    ...(report.missing.length > 0
      ? ['### Not measured', report.missing.map((line) => `- ${line}`).join('\n')]
      : []),
  ];
}

function renderTable(results: readonly CellResult[]): string {
  const { title = '', quantities = [] } = results[0]?.table ?? {};
  const transports = [...new Set(results.map(({ transport }) => transport))];
  const columns = transports.flatMap((transport) => quantities.map((quantity) => ({ transport, quantity })));
  const names = [...new Set(results.map(({ cell }) => cell))];
  const rows = names.map((name) => [
    name,
    ...columns.map(({ transport, quantity }) =>
      renderFigure(
        results.find((result) => result.cell === name && result.transport === transport),
        quantity,
      ),
    ),
  ]);
  const legend = names.map((name) => `\`${name}\`: ${results.find(({ cell }) => cell === name)?.says}`);
  return [
    `### ${title}`,
    markdownTable(
      ['cell', ...columns.map(({ transport, quantity }) => `${transportNames[transport]} ${quantity.title}`)],
      rows,
    ),
    `${legend.join('; ')}.`,
  ].join('\n\n');
}

function renderFigure(result: CellResult | undefined, { key, plain }: Quantity): string {
  if (!result) return '';
  const medians = result.sides.map(({ runs }) => median(runs.map((run) => run[key] ?? Number.NaN)));
  const figures = medians.map(short).join(' / ');
  const [first = Number.NaN, second = Number.NaN] = medians;
  return plain || medians.length < 2 ? figures : `${figures} (**${short(first / second)}**)`;
}

function renderCommands({ cell, says, contestants }: CommandResult): string {
  const medians = contestants.map(({ runs }) => median(runs));
  const [start = Number.NaN] = medians;
  return [
    `### ${cell}: ${says}`,
    markdownTable(
      ['command', 'ms', `times \`${contestants[0]?.name}\``],
      contestants.map(({ name }, index) => {
        const value = medians[index] ?? Number.NaN;
        return [name, short(value), short(value / start)];
      }),
    ),
  ].join('\n\n');
}

/** Renders a table with the first column aligned left, the others right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (fields: readonly string[]) =>
    `| ${fields.map((field) => field.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|---${'|---:'.repeat(head.length - 1)}|`, ...rows.map(line)].join('\n');
}

/** Formats a number with three significant digits, thousands as k and millions as M; a dash for NaN and infinity. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value >= 999_500) return `${digits(value / 1e6)}M`;
  if (value >= 10_000) return `${digits(value / 1e3)}k`;
  return digits(value);
}

function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return value.toFixed(1);
  return value.toFixed(size >= 0.9995 ? 2 : 3);
}
