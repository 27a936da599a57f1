// What `revoke` prints: who is locked out, and what each configuration says of it.
import type { RevocationPlan } from '../pki/revocation.ts';
import type { LockoutStep } from '../tls/lockout.ts';
import type { Pin } from '../x509/pin.ts';

/** Returns a line a certificate and a line a block. */
export function revokeLines(plan: RevocationPlan, steps: readonly LockoutStep[]): string[] {
  const names = new Map([...plan.others.values()].flat().map(({ name, pin }) => [pin, name]));
  return [
    ...plan.certificates.map(
      ({ name, profile, notAfter, pin }) =>
        `revoke  ${name}: ${profile}, until ${notAfter.toISOString().slice(0, 10)}, pin ${pin}`,
    ),
    ...steps.map((step) => lockoutLine(step, names)),
  ];
}

/** @param names of those who are let in, by their pins */
function lockoutLine({ file, block, action, pins }: LockoutStep, names: ReadonlyMap<Pin, string>): string {
  if (action === 'none') return `keep    ${file}: ${block} does not let them in`;
  if (action === 'remove')
    return `edit    ${file}: ${block} loses ${pins.length === 1 ? '1 pin' : `${pins.length} pins`}`;
  const admitted = [...new Set(pins.flatMap((pin) => names.get(pin) ?? []))];
  const whom = admitted.length === 0 ? 'nobody' : `by their pins only ${listed(admitted)}`;
  return `edit    ${file}: ${block} lets in ${whom} from now on`;
}

/** Says what to do next, where that is something. */
export function nextLines(
  steps: readonly LockoutStep[],
  { reload, 'dry-run': dryRun }: { readonly reload?: string | undefined; readonly 'dry-run': boolean },
): string[] {
  const changed = steps.some(({ action }) => action !== 'none');
  if (!changed || dryRun || reload !== undefined) return [];
  return [
    'next: the bundled broker sees it by itself, tell a nats-server with `nats-server --signal reload=PIDFILE`',
  ];
}

const shown = 8;

function listed(names: readonly string[]): string {
  const more = names.length > shown ? ` and ${names.length - shown} more` : '';
  return `${names.slice(0, shown).join(', ')}${more}`;
}
