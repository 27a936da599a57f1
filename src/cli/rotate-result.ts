// Prints the result of `rotate`: a plan, or the new certificates and what was done about configurations and servers.
import { escapeControls } from '../log.ts';
import type { IssuedCertificates } from '../pki/issue/leaf.ts';
import { describeStep, type RotationPlan } from '../pki/rotate/plan.ts';
import { certificateLines } from './certificate-table.ts';
import type { Terminal } from './terminal.ts';

/** The flags that say what a rotation does to the authorities. */
export interface AuthorityFlags {
  readonly ca: boolean;
  readonly finish: boolean;
  readonly intermediate: boolean;
}

/** Returns a line for each step, and for each certificate that stays as it is. */
export function planLines({ steps, left }: RotationPlan): string[] {
  const nothing = steps.length === 0 ? ['nothing to do'] : [];
  return [...steps.map(describeStep), ...left, ...nothing].map(escapeControls);
}

/**
 * Returns the table, the notices, and what to do next.
 * @param told what was done about configurations and servers, one line each
 */
export function rotateLines(
  { certificates, notices }: IssuedCertificates,
  told: readonly string[],
  flags: AuthorityFlags,
  terminal: Terminal,
): string[] {
  const table =
    certificates.length === 0
      ? ['nothing to do']
      : [...certificateLines(certificates, terminal, { wholePins: true }), ''];
  return [...table, ...[...told, ...notices].map(escapeControls), ...next(flags)];
}

/** Returns what the user has to do next, if anything. */
function next({ ca, finish, intermediate }: AuthorityFlags): string[] {
  if (ca && !finish) {
    return ['next: copy ca.pem to every peer, then run `natspki rotate` and `natspki rotate --ca --finish`'];
  }
  if (!intermediate) return [];
  return [
    "next: move the root's key offline again, then run `natspki rotate`; ca.pem stays the same on every peer",
  ];
}
