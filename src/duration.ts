// Converts durations as users and Go programs write them (`1h30m`, `300ms`) to and from milliseconds, and formats dates.

import { UsageError } from './errors.ts';

/** The longest delay that a Node timer accepts, in milliseconds; a timer with a longer one fires at once. */
export const longestTimerMs = 2 ** 31 - 1;

const GO_UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const LONG_UNITS: Readonly<Record<string, number>> = {
  ...GO_UNITS,
  d: 86_400_000,
  w: 604_800_000,
  y: 31_536_000_000,
};

/** The longest lifetime that a certificate may be requested for, in days (100 years); more is treated as a mistake. */
export const maximumDays = 36_525;

/** Parses a duration from the command line (Go's units plus `d`, `w` and `y` for 365 days) to milliseconds; throws UsageError. */
export function parseDuration(text: string): number {
  const milliseconds = sumUnits(text, LONG_UNITS);
  if (milliseconds === undefined) {
    throw new UsageError(
      `invalid duration ${JSON.stringify(text)}`,
      'give numbers with units, for example 30d, 12h or 1y',
    );
  }
  return milliseconds;
}

/** Parses exactly what Go's time.ParseDuration accepts, to milliseconds; returns undefined for anything else. */
export function parseGoDuration(text: string): number | undefined {
  return sumUnits(text, GO_UNITS);
}

/** Prints milliseconds in the largest units that fit: `30d`, `1h30m`, `300ms`; parseDuration reads it back. */
export function formatDuration(milliseconds: number): string {
  return spell(milliseconds, ['d', 'h', 'm', 's', 'ms', 'us', 'ns'], LONG_UNITS);
}

/** Prints milliseconds as a duration that Go and nats-server can parse: the largest unit is the hour. */
export function formatGoDuration(milliseconds: number): string {
  return spell(milliseconds, ['h', 'm', 's', 'ms', 'us', 'ns'], GO_UNITS);
}

/** Prints a measured time in milliseconds as Go prints a time.Duration: `0s`, `345µs`, `1.25ms`, `2m1.5s`. */
export function formatGoSpan(milliseconds: number): string {
  if (milliseconds <= 0) return '0s';
  if (milliseconds < 1) return `${Math.max(1, Math.trunc(milliseconds * 1000))}µs`;
  if (milliseconds < 1000) return `${Number(milliseconds.toFixed(6))}ms`;
  const minutes = Math.floor(milliseconds / 60_000);
  const seconds = `${Number(((milliseconds - minutes * 60_000) / 1000).toFixed(9))}s`;
  if (minutes === 0) return seconds;
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`;
}

// Go stores a duration as a signed 64-bit count of nanoseconds.
const GO_LIMIT = 2 ** 63 / 1e6;

function sumUnits(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, sign, rest] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === '0') return 0;
  if (rest === undefined || rest === '') return undefined;
  let total = 0;
  const part = /(\d+\.?\d*|\.\d+)([^\d.]+)/y;
  while (part.lastIndex < rest.length) {
    const match = part.exec(rest);
    const unit = match?.[2] === undefined || !Object.hasOwn(units, match[2]) ? undefined : units[match[2]];
    if (match === null || unit === undefined) return undefined;
    total += Number(match[1]) * unit;
  }
  if (total >= GO_LIMIT) return undefined;
  return sign === '-' ? 0 - total : total;
}

function spell(
  milliseconds: number,
  names: readonly string[],
  units: Readonly<Record<string, number>>,
): string {
  let left = Math.round(Math.abs(milliseconds) * 1e6);
  let text = '';
  for (const name of names) {
    const size = (units[name] ?? 1) * 1e6;
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) text += `${count}${name}`;
  }
  if (text === '') return '0s';
  return milliseconds < 0 ? `-${text}` : text;
}

/** Formats the date of a time in UTC, `2027-01-31`. */
export function formatDay(time: Date): string {
  return time.toISOString().slice(0, 10);
}
