// What `init` prints in the end: what was made or taken over, remarks, and what to type next.
import { type CertificateRow, certificateLines } from './certificate-table.ts';
import { type NextStep, nextStepLines } from './next-steps.ts';
import { printable, type Terminal } from './terminal.ts';

export interface InitResult {
  readonly certificates: readonly CertificateRow[];
  readonly notices: readonly string[];
  /** Paths of the files that were written. */
  readonly configurations?: readonly string[];
  readonly next: readonly NextStep[];
}

/** Returns the lines, in blocks with a blank line between them. */
export function initLines(result: InitResult, terminal: Terminal): string[] {
  const { certificates, notices, configurations = [], next } = result;
  const remarks = [...configurations.map((path) => `wrote ${path}`), ...notices].map(printable);
  const table = certificateLines(certificates, terminal, { wholePins: true });
  const middle = remarks.length === 0 ? [] : ['', ...remarks];
  return [...table, ...middle, '', ...nextStepLines(next, terminal)];
}
