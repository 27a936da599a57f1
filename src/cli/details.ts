// Prints what `inspect` found: a headline, and a line for each property with its label.
import { escapeControls } from '../log.ts';
import type { Inspected } from '../pki/verify/inspection.ts';
import type { Terminal } from './terminal.ts';

/** Returns the lines; a label is the name of the property in words, and empty properties are left out. */
export function detailLines(source: string, item: Inspected, terminal: Terminal): string[] {
  const { kind, ...rest } = item;
  const shown = Object.entries(rest).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  const width = Math.max(0, ...shown.map(([name]) => label(name).length));
  return [
    `${terminal.bold(escapeControls(source))}: ${kind.replaceAll('-', ' ')}`,
    ...shown.map(
      ([name, value]) => `  ${terminal.dim(label(name).padEnd(width))}  ${escapeControls(text(value))}`,
    ),
  ];
}

/** Formats a time to the second: `2026-11-25 18:33:43 UTC`. */
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
