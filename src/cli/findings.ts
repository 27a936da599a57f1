// How findings are printed, those of a folder of certificates and those of a configuration: a place, what is wrong
// there, and under it what to type.
import { printable, type Terminal } from './terminal.ts';

export interface ShownFinding {
  /** A file, or file:line:column. */
  readonly place: string;
  readonly message: string;
  readonly hint?: string;
  /** An error unless told otherwise. */
  readonly severity?: 'error' | 'warning';
  /** Shown behind the message, for those who look for it. */
  readonly code?: string;
}

/** Returns the lines of findings, in their order. */
export function findingLines(findings: readonly ShownFinding[], terminal: Terminal): string[] {
  return findings.flatMap(({ place, message, hint, severity = 'error', code }) => {
    const level = severity === 'error' ? terminal.red('error:') : terminal.yellow('warning:');
    const name = code === undefined ? '' : ` ${terminal.dim(`[${code}]`)}`;
    const line = `${terminal.bold(printable(place))}: ${level} ${printable(message)}${name}`;
    return hint === undefined ? [line] : [line, `  ${terminal.cyan('hint:')} ${printable(hint)}`];
  });
}
