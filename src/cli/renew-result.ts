// Prints the result of `renew`: the plan, or the new certificates and what was done about servers.
import type { NatspkiError } from '../errors.ts';
import { escapeControls } from '../log.ts';
import type { ListedCertificate } from '../pki/store/listing.ts';
import type { Served } from '../rollout/probe.ts';
import { certificateLines } from './certificate-table.ts';
import type { Terminal } from './terminal.ts';

/** What `renew` did. */
export interface RenewResult {
  readonly certificates: readonly ListedCertificate[];
  /** Whether ca.pem has changed. */
  readonly rootsChanged: boolean;
  readonly reloaded: readonly number[];
  readonly served: readonly Served[];
  readonly notices: readonly string[];
  readonly failures: readonly { readonly name: string; readonly error: NatspkiError }[];
}

/** Returns a line for each certificate that would be renewed, and for each that would not. */
export function renewalPlanLines(plan: {
  readonly names: readonly string[];
  readonly from: readonly string[];
  readonly left: readonly string[];
}): string[] {
  const steps = plan.names.map((name) => `renew  ${name}: from ${plan.from.join(', then ')}`);
  return [...(steps.length === 0 ? ['nothing to do'] : steps), ...plan.left].map(escapeControls);
}

/** Returns the table and what was done, one line each. @param left a line for each certificate that stays as it is */
export function renewalLines(
  { certificates, rootsChanged, reloaded, served, notices, failures }: RenewResult,
  left: readonly string[],
  terminal: Terminal,
): string[] {
  const nothing = failures.length > 0 || rootsChanged ? [] : ['nothing to do'];
  const table =
    certificates.length === 0
      ? nothing
      : [...certificateLines(certificates, terminal, { wholePins: true }), ''];
  const done = [
    ...(rootsChanged ? ['took new authorities into ca.pem'] : []),
    ...reloaded.map((pid) => `told process ${pid} to reload`),
    ...served.map(({ address, name }) => `the server at ${address} serves "${name}"`),
  ];
  return [...table, ...[...done, ...notices, ...left].map(escapeControls)];
}

/** Returns what --json prints. */
export function renewalDocument({ failures, ...done }: RenewResult) {
  return {
    ...done,
    failures: failures.map(({ name, error: { code, message, hint } }) => ({ name, code, message, hint })),
  };
}
