// The table of certificates that list, init, issue and rotate print.
import { formatDay } from '../duration.ts';
import type { ArchivedPair } from '../pki/store/archived.ts';
import type { ElsewhereCertificate, ListedCertificate, RevokedRow } from '../pki/store/listing.ts';
import { bar } from './progress.ts';
import { type Column, tableLines } from './table.ts';
import type { Terminal } from './terminal.ts';

const barWidth = 8;

/**
 * Returns the lines of the table.
 * @param files adds the file of each certificate
 * @param wholePins moves the pins below their rows, instead of cutting them, when the terminal is too narrow
 */
export function certificateLines(
  rows: readonly ListedCertificate[],
  terminal: Terminal,
  { files = false, wholePins = false } = {},
): string[] {
  const width = Math.max(...rows.map((row) => timeLeft(row).length));
  const left = (row: ListedCertificate) => {
    const text = timeLeft(row).padStart(width);
    // A program that reads a pipe wants the number alone.
    if (terminal.columns === undefined) return text;
    const full = Math.round(Math.min(1, Math.max(0, row.lifeLeft)) * barWidth);
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
    { header: 'NOT AFTER', value: endOf, leaves: 1 },
    { header: 'LEFT', value: left, style: urgency },
    {
      header: 'PIN',
      value: ({ pin }) => pin,
      style: (_row, cell) => terminal.dim(cell),
      leaves: wholePins ? 7 : 3,
      ...(wholePins ? { below: true } : { minimum: 9 }),
    },
    ...(files ? [{ header: 'FILE', value: (row: ListedCertificate) => row.certificateFile }] : []),
  ];
  return tableLines(rows, columns, terminal);
}

/** Returns the lines of the table of certificates in other folders. */
export function elsewhereLines(rows: readonly ElsewhereCertificate[], terminal: Terminal): string[] {
  const columns: Column<ElsewhereCertificate>[] = [
    { header: 'NAME', value: ({ name }) => name, style: (_row, cell) => terminal.bold(cell), minimum: 12 },
    { header: 'PROFILE', value: ({ profile }) => profile, leaves: 2 },
    { header: 'NOT AFTER', value: ({ notAfter }) => formatDay(notAfter), leaves: 1 },
    { header: 'LEFT', value: ({ daysLeft }) => `${daysLeft}d` },
    { header: 'FOLDER', value: ({ folder }) => folder },
  ];
  return tableLines(rows, columns, terminal);
}

/** Returns the lines of the table of archived pairs. */
export function archiveLines(rows: readonly ArchivedPair[], terminal: Terminal): string[] {
  const minute = (time: Date) => time.toISOString().slice(0, 16).replace('T', ' ');
  const columns: Column<ArchivedPair>[] = [
    { header: 'NAME', value: ({ name }) => name, style: (_row, cell) => terminal.bold(cell), minimum: 12 },
    { header: 'REPLACED', value: ({ replacedAt }) => (replacedAt ? minute(replacedAt) : '-') },
    { header: 'NOT AFTER', value: ({ notAfter }) => (notAfter ? formatDay(notAfter) : 'unreadable') },
    { header: 'KEY', value: ({ hasKey }) => (hasKey ? 'yes' : 'no'), leaves: 2 },
    { header: 'SERIAL', value: ({ serial = '-' }) => serial, minimum: 9, leaves: 1 },
  ];
  return tableLines(rows, columns, terminal);
}

/** Returns the lines of the table of revoked certificates. */
export function revokedLines(rows: readonly RevokedRow[], terminal: Terminal): string[] {
  const columns: Column<RevokedRow>[] = [
    { header: 'NAME', value: ({ name }) => name, style: (_row, cell) => terminal.bold(cell), minimum: 12 },
    { header: 'PROFILE', value: ({ profile = '-' }) => profile, leaves: 3 },
    { header: 'REVOKED', value: ({ revokedAt }) => formatDay(revokedAt) },
    { header: 'REASON', value: ({ reason = '-' }) => reason, leaves: 2 },
    { header: 'NOT AFTER', value: ({ notAfter }) => (notAfter ? formatDay(notAfter) : '-'), leaves: 4 },
    { header: 'SERIAL', value: ({ serial }) => serial, minimum: 9, leaves: 1 },
  ];
  return tableLines(rows, columns, terminal);
}

const hourMs = 3_600_000;

/** Formats the time until a certificate expires: days, or `30h` and `45min` near the end. */
function timeLeft({ daysLeft, lifeLeft, notBefore, notAfter }: ListedCertificate): string {
  const leftMs = lifeLeft * (notAfter.getTime() - notBefore.getTime());
  if (daysLeft >= 2 || daysLeft < 0) return `${daysLeft}d`;
  return leftMs >= 2 * hourMs ? `${Math.floor(leftMs / hourMs)}h` : `${Math.floor(leftMs / 60_000)}min`;
}

/** Formats the end of a life: the day, and also the minute of a life of less than three days. */
function endOf({ notBefore, notAfter }: ListedCertificate): string {
  const isShort = notAfter.getTime() - notBefore.getTime() < 72 * hourMs;
  return isShort ? notAfter.toISOString().slice(0, 16).replace('T', ' ') : formatDay(notAfter);
}

/** Removes the kind from `dns:localhost`, since the value shows it; a URI keeps its own scheme. */
function withoutKind(san: string): string {
  return san.replace(/^(dns|ip|email):/, '');
}
