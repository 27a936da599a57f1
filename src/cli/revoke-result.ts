// Prints the results of `revoke` and `crl`: the revoked certificates, the change to each tls block, the new lists.
import { formatDay } from '../duration.ts';
import type { WrittenLists } from '../pki/revoke/lists.ts';
import type { RevocationPlan } from '../pki/revoke/revocation.ts';
import type { LockoutStep } from '../rollout/lockout.ts';
import type { Pin } from '../x509/pin.ts';
import { counted } from './findings.ts';

/** Returns a line for each certificate and for each block. */
export function revokeLines(plan: RevocationPlan, steps: readonly LockoutStep[]): string[] {
  const names = new Map([...plan.others.values()].flat().map(({ name, pin }) => [pin, name]));
  return [
    ...plan.certificates.map(
      ({ name, profile, notAfter, pin }) =>
        `revoke  ${name}: ${profile}, until ${formatDay(notAfter)}, pin ${pin}`,
    ),
    ...steps.map((step) => lockoutLine(step, names)),
  ];
}

/** Returns a line for each new revocation list, and the notices. */
export function listLines({ file, lists, notices }: WrittenLists): string[] {
  return [
    ...lists.map(
      ({ issuer, number, nextUpdate, revoked }) =>
        `list    ${file}: ${issuer}, ${counted(revoked, 'certificate')}, number ${number}, until ${formatDay(nextUpdate)}`,
    ),
    ...notices,
  ];
}

/** @param names of the certificates that stay accepted, by their pins */
function lockoutLine({ file, block, action, pins }: LockoutStep, names: ReadonlyMap<Pin, string>): string {
  if (action === 'none') return `keep    ${file}: ${block} rejects them already`;
  if (action === 'remove') return `edit    ${file}: ${block} loses ${counted(pins.length, 'pin')}`;
  const accepted = [...new Set(pins.flatMap((pin) => names.get(pin) ?? []))];
  return accepted.length === 0
    ? `edit    ${file}: ${block} accepts no certificate any more`
    : `edit    ${file}: ${block} accepts only the keys of ${listed(accepted)}`;
}

/** Returns what the user has to do next, if anything. */
export function nextLines(
  steps: readonly LockoutStep[],
  { reload, 'dry-run': dryRun }: { readonly reload?: string | undefined; readonly 'dry-run': boolean },
): string[] {
  const changed = steps.some(({ action }) => action !== 'none');
  if (!changed || dryRun || reload !== undefined) return [];
  return [
    'next: run `nats-server --signal reload=PIDFILE` for nats-server; the bundled broker reloads by itself',
  ];
}

/** The most names in a line. */
const shown = 8;

function listed(names: readonly string[]): string {
  const more = names.length > shown ? ` and ${names.length - shown} more` : '';
  return `${names.slice(0, shown).join(', ')}${more}`;
}
