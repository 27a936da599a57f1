// Formats rows as a table of columns. On a terminal, no line is wider than it.
import { escapeControls } from '../log.ts';
import type { Terminal } from './terminal.ts';

export interface Column<Row> {
  readonly header: string;
  readonly value: (row: Row) => string;
  /** Colours the padded cell. */
  readonly style?: (row: Row, cell: string) => string;
  /** The width to which a narrow terminal may cut the column; without it the column is never cut. */
  readonly minimum?: number;
  /** Columns with a number are left out of a terminal that is too narrow for all, the highest number first. */
  readonly leaves?: number;
  /** Prints the column on a line of its own below each row when it is left out. */
  readonly below?: boolean;
}

const gap = '  ';

/** Returns the lines of the table, the header first. Cuts cells with `…` and leaves columns out only on a terminal. */
export function tableLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  terminal: Terminal,
): string[] {
  const cells = new Map(
    columns.map((column) => [column, rows.map((row) => escapeControls(column.value(row)))]),
  );
  const natural = (column: Column<Row>) =>
    Math.max(column.header.length, ...(cells.get(column) ?? []).map((cell) => cell.length));
  const shown = fitted(columns, natural, terminal.columns ?? Number.POSITIVE_INFINITY);
  const line = (cell: (column: Column<Row>, width: number) => string) =>
    [...shown]
      .map(([column, width]) => cell(column, width))
      .join(gap)
      .trimEnd();
  const moved = columns.filter((column) => column.below && !shown.has(column));
  const styled = (column: Column<Row>, row: Row, cell: string) => column.style?.(row, cell) ?? cell;
  return [
    line((column, width) => terminal.dim(column.header.padEnd(width))),
    ...rows.flatMap((row, index) => {
      const cell = (column: Column<Row>) => cells.get(column)?.[index] ?? '';
      return [
        line((column, width) => styled(column, row, cut(cell(column), width).padEnd(width))),
        ...moved.map(
          (column) =>
            `${gap}${terminal.dim(column.header.toLowerCase())} ${styled(column, row, cell(column))}`,
        ),
      ];
    }),
  ];
}

/** Chooses the columns and their widths: shrinks the widest column first, and leaves columns out when none can shrink. */
function fitted<Row>(
  columns: readonly Column<Row>[],
  natural: (column: Column<Row>) => number,
  limit: number,
): Map<Column<Row>, number> {
  const widths = new Map(columns.map((column) => [column, natural(column)]));
  const excess = () =>
    [...widths.values()].reduce((sum, width) => sum + width, gap.length * (widths.size - 1)) - limit;
  const room = ([column, width]: [Column<Row>, number]) =>
    column.minimum === undefined ? 0 : width - Math.max(column.minimum, column.header.length);
  while (excess() > 0) {
    const [widest] = [...widths].filter((entry) => room(entry) > 0).sort((a, b) => b[1] - a[1]);
    if (widest !== undefined) {
      widths.set(widest[0], widest[1] - 1);
      continue;
    }
    const [leaving] = [...widths.keys()]
      .filter(({ leaves }) => leaves !== undefined)
      .sort((a, b) => (b.leaves as number) - (a.leaves as number));
    if (leaving === undefined) break;
    widths.delete(leaving);
    for (const column of widths.keys()) widths.set(column, natural(column));
  }
  return widths;
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
