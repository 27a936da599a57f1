// Prints the findings of `verify` and `check`: the place, what is wrong there, and a hint below.

import type { ConfProblem } from '../conf/error.ts';
import { escapeControls } from '../log.ts';
import type { Finding } from '../pki/verify/verification.ts';
import type { Terminal } from './terminal.ts';

/** Returns one or two lines for each finding. */
export function findingLines(
  findings: readonly (Finding | ConfProblem)[],
  { bold, cyan, dim, red, yellow }: Terminal,
): string[] {
  return findings.flatMap((finding) => {
    const { message, hint, severity, code } = finding;
    const level = severity === 'warning' ? yellow('warning:') : red('error:');
    const name = code === undefined ? '' : ` ${dim(`[${code}]`)}`;
    const line = `${bold(escapeControls(placeOf(finding)))}: ${level} ${escapeControls(message)}${name}`;
    return hint === undefined ? [line] : [line, `  ${cyan('hint:')} ${escapeControls(hint)}`];
  });
}

function placeOf(finding: Finding | ConfProblem): string {
  if ('file' in finding) return finding.file;
  const { file, line, column } = finding.position;
  return `${file}:${line}:${column}`;
}

/** Returns the last line: what was checked, and the number of findings by kind; none for a clean result. */
export function summaryLine(what: string, counts: readonly string[], { green }: Terminal): string {
  return counts.length === 0 ? `${green('ok')}  ${what}: nothing wrong` : `${what}: ${counts.join(', ')}`;
}

/** `1 error`, `2 errors`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
