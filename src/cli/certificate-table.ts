// The table of certificates that list, init, issue and rotate print.
import { formatDay } from '../duration.ts';
import type { ListedCertificate } from '../pki/store/listing.ts';
import { bar } from './progress.ts';
import { type Column, tableLines } from './table.ts';
import type { Terminal } from './terminal.ts';

const barWidth = 8;

/**
 * Returns the lines of the table.
 * @param wholePins moves the pins below their rows, instead of cutting them, when the terminal is too narrow
 */
export function certificateLines(
  rows: readonly ListedCertificate[],
  terminal: Terminal,
  { wholePins = false } = {},
): string[] {
  const days = Math.max(...rows.map(({ daysLeft }) => String(daysLeft).length));
  const left = ({ daysLeft, lifeLeft }: ListedCertificate) => {
    const text = `${String(daysLeft).padStart(days)}d`;
    // A program that reads a pipe wants the number alone.
    if (terminal.columns === undefined) return text;
    const full = Math.round(Math.min(1, Math.max(0, lifeLeft)) * barWidth);
    return `${bar(full, barWidth, terminal.unicode)} ${text}`;
  };
  const urgency = ({ daysLeft, due }: ListedCertificate, cell: string) =>
    daysLeft < 0 ? terminal.red(cell) : due ? terminal.yellow(cell) : terminal.green(cell);
  const columns: Column<ListedCertificate>[] = [
    { header: 'NAME', value: ({ name }) => name, style: (_row, cell) => terminal.bold(cell), minimum: 12 },
    { header: 'PROFILE', value: ({ profile }) => profile, leaves: 2 },
    { header: 'SANS', value: ({ sans }) => sans.map(withoutKind).join(' ') || '-', minimum: 12, leaves: 4 },
    { header: 'KEY', value: ({ keyType }) => keyType, leaves: 5 },
    { header: 'ISSUER', value: ({ issuer }) => issuer, minimum: 8, leaves: 6 },
    { header: 'NOT AFTER', value: ({ notAfter }) => formatDay(notAfter), leaves: 1 },
    { header: 'LEFT', value: left, style: urgency },
    {
      header: 'PIN',
      value: ({ pin }) => pin,
      style: (_row, cell) => terminal.dim(cell),
      leaves: wholePins ? 7 : 3,
      ...(wholePins ? { below: true } : { minimum: 9 }),
    },
  ];
  return tableLines(rows, columns, terminal);
}

/** Removes the kind from `dns:localhost`, since the value shows it; a URI keeps its own scheme. */
function withoutKind(san: string): string {
  return san.replace(/^(dns|ip|email):/, '');
}
