// What `revoke` prints: who is locked out, and what each configuration says of it.

interface Revoked {
  readonly name: string;
  readonly profile: string;
  readonly notAfter: Date;
  readonly pin: string;
}

interface Step {
  readonly file: string;
  readonly block: string;
  readonly action: 'remove' | 'pin' | 'none';
  readonly pins: readonly string[];
}

/** Returns a line a certificate. */
export function revokedLines(certificates: readonly Revoked[]): string[] {
  return certificates.map(
    ({ name, profile, notAfter, pin }) =>
      `revoke  ${name}: ${profile}, until ${notAfter.toISOString().slice(0, 10)}, pin ${pin}`,
  );
}

/**
 * Returns a line a block.
 * @param names of those who are let in, by their pins
 */
export function lockoutLines(steps: readonly Step[], names: ReadonlyMap<string, string>): string[] {
  return steps.map(({ file, block, action, pins }) => {
    if (action === 'none') return `keep    ${file}: ${block} does not let them in`;
    if (action === 'remove')
      return `edit    ${file}: ${block} loses ${pins.length === 1 ? '1 pin' : `${pins.length} pins`}`;
    const admitted = [...new Set(pins.flatMap((pin) => names.get(pin) ?? []))];
    const whom = admitted.length === 0 ? 'nobody' : `by their pins only ${listed(admitted)}`;
    return `edit    ${file}: ${block} lets in ${whom} from now on`;
  });
}

/** Says what to do next, where that is something. */
export function nextLines(
  steps: readonly Step[],
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
