// What `rotate` prints: a plan, or what was made, told and served.
import { type CertificateRow, certificateLines } from './certificate-table.ts';
import { printable, type Terminal } from './terminal.ts';

export interface RotateResult {
  readonly certificates: readonly CertificateRow[];
  readonly notices: readonly string[];
}

/** Says what to do once there is a new authority. */
export const afterNewAuthority =
  'give ca.pem to every peer, then `natspki rotate` and `natspki rotate --ca --finish`';

/** Says what to do once there is a new intermediate. */
export const afterNewIntermediate =
  "take the root's key away again; `natspki rotate` has it sign, and no peer has to trust anything new";

/** Returns a plan, a line a step and a line for all that is left as it is. */
export function planLines(steps: readonly string[], left: readonly string[]): string[] {
  return [...steps, ...left, ...(steps.length === 0 ? ['nothing to do'] : [])].map(printable);
}

/**
 * Returns the certificates that were made, what servers were told, and remarks.
 * @param next what to do now, where there is something
 */
export function rotateLines(
  { certificates, notices }: RotateResult,
  told: readonly string[],
  next: string | undefined,
  terminal: Terminal,
): string[] {
  const table =
    certificates.length === 0
      ? ['nothing to do']
      : [...certificateLines(certificates, terminal, { wholePins: true }), ''];
  return [
    ...table,
    ...[...told, ...notices].map(printable),
    ...(next === undefined ? [] : [`next: ${next}`]),
  ];
}
