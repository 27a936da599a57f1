// Prints one thing with its properties, a label and a value a line, in the order they were given.
import { printable, type Terminal } from './terminal.ts';

/** Returns a headline and one line for each property that says something; labels are the property names in words. */
export function detailLines(source: string, item: object, terminal: Terminal): string[] {
  const { kind, ...rest } = item as { kind: string };
  const shown = Object.entries(rest).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  const width = Math.max(0, ...shown.map(([name]) => label(name).length));
  return [
    `${terminal.bold(printable(source))}: ${kind.replaceAll('-', ' ')}`,
    ...shown.map(
      ([name, value]) => `  ${terminal.dim(label(name).padEnd(width))}  ${printable(text(value))}`,
    ),
  ];
}

/** Prints a time to the second as people read it: `2026-11-25 18:33:43 UTC`. */
export function formatTime(time: Date): string {
  return time.toISOString().replace('T', ' ').replace('.000Z', ' UTC');
}

function label(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function text(value: unknown): string {
  if (value instanceof Date) return formatTime(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.map(text).join(', ');
  if (typeof value === 'object' && value !== null) return Object.values(value).map(text).join(' ');
  return String(value);
}
