// What `rotate` prints: a plan, or what was made, told and served.
import type { Made } from '../pki/leaf.ts';
import { describeStep, type RotationPlan } from '../pki/rotation.ts';
import { certificateLines } from './certificate-table.ts';
import { printable, type Terminal } from './terminal.ts';

/** What a rotation was asked to do to authorities. */
export interface RotateVerbs {
  readonly ca: boolean;
  readonly finish: boolean;
  readonly intermediate: boolean;
}

/** Returns a plan, a line a step and a line for all that is left as it is. */
export function planLines({ steps, left }: RotationPlan): string[] {
  const nothing = steps.length === 0 ? ['nothing to do'] : [];
  return [...steps.map(describeStep), ...left, ...nothing].map(printable);
}

/** Returns the certificates that were made, what servers were told, remarks, and what to do next. */
export function rotateLines(
  { certificates, notices }: Made,
  told: readonly string[],
  verbs: RotateVerbs,
  terminal: Terminal,
): string[] {
  const table =
    certificates.length === 0
      ? ['nothing to do']
      : [...certificateLines(certificates, terminal, { wholePins: true }), ''];
  return [...table, ...[...told, ...notices].map(printable), ...next(verbs)];
}

/** Says what to do next, where that is something. */
function next({ ca, finish, intermediate }: RotateVerbs): string[] {
  if (ca && !finish) {
    return ['next: give ca.pem to every peer, then `natspki rotate` and `natspki rotate --ca --finish`'];
  }
  if (!intermediate) return [];
  return [
    "next: take the root's key away again; `natspki rotate` has it sign, and no peer has to trust anything new",
  ];
}
