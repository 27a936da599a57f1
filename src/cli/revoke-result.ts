// Prints the results of `revoke` and `crl`: the revoked certificates, the change to each tls block, the new lists.
import { formatDay } from '../duration.ts';
import { NatspkiError } from '../errors.ts';
import { given } from '../given.ts';
import type { WrittenLists } from '../pki/revoke/lists.ts';
import type { RevocationPlan } from '../pki/revoke/revocation.ts';
import type { LockoutStep } from '../rollout/doors.ts';
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
function lockoutLine(
  { file, block, action, pins, reason }: LockoutStep,
  names: ReadonlyMap<Pin, string>,
): string {
  if (action === 'skip') return `skip    ${file}: ${block}, since ${reason}`;
  if (action === 'open') return `open    ${file}: ${block} still lets them in: ${reason}`;
  if (action === 'ocsp') return `ocsp    ${file}: ${block} rejects them once the responder says so`;
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
  {
    reload,
    'dry-run': dryRun,
  }: { readonly reload?: readonly string[] | undefined; readonly 'dry-run': boolean },
): string[] {
  const changed = steps.some(isEdit);
  if (!changed || dryRun || reload !== undefined) return [];
  return [
    'next: run `nats-server --signal reload=PIDFILE` for nats-server; the bundled broker reloads by itself',
  ];
}

function isEdit({ action }: LockoutStep): boolean {
  return action === 'pin' || action === 'remove';
}

/** Returns what still lets a revoked certificate in, one failure each. */
export function openDoors(
  { certificates }: RevocationPlan,
  steps: readonly LockoutStep[],
  names: readonly string[],
): NatspkiError[] {
  const open = steps.filter(({ action }) => action === 'open');
  const servers = certificates.filter(({ profile }) => profile === 'server');
  const again = `natspki revoke ${[...new Set(names)].join(' ')}`;
  return [
    ...open.map(({ file, block, context, reason }) => {
      const message = `${block} in "${file}" still lets the revoked keys in: ${reason}`;
      const hint = `natspki tls ${context} --verify --write ${file}, then ${again}`;
      return new NatspkiError('still-let-in', message, { hint });
    }),
    ...[...new Set(servers.map(({ name }) => name))].map((name) => {
      const until = formatDay(new Date(Math.max(...servers.map(({ notAfter }) => notAfter.getTime()))));
      const message = `clients that ask no responder accept the revoked key as the server "${name}" until ${until}`;
      const hint = 'if the key was stolen, replace the authority at once: natspki revoke --ca';
      return new NatspkiError('still-let-in', message, { hint });
    }),
  ];
}

/** Adds what `work` throws to the failures, and returns its result otherwise: the steps after it matter more. */
export async function caught<T>(failures: NatspkiError[], work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    failures.push(error);
    return undefined;
  }
}

/** The codes of errors that leave the folder as it was. */
const unwritable = ['disk-full', 'permission-denied', 'read-only', 'locked', 'file-error'];

/**
 * Returns the error of a revocation that could not be recorded, as on a full disk: it says what was changed.
 * @param steps of the configurations that were changed before; none when the folder could not even be locked
 */
export function halfDone(error: unknown, steps: readonly LockoutStep[]): unknown {
  if (!(error instanceof NatspkiError)) return error;
  const { code, message, hint, cause } = error;
  if (steps.length === 0) {
    if (!unwritable.includes(code)) return error;
    const lines = [message, 'nothing was changed: the keys still get in'];
    return new NatspkiError(code, lines, { ...given({ hint }), cause });
  }
  const name = ({ file, block }: LockoutStep) => `${file} (${block})`;
  const changed = steps.filter(isEdit).map(name);
  const open = steps.filter(({ action }) => action === 'open').map(name);
  return new NatspkiError(
    code,
    [
      `the revocation is not recorded: ${message}`,
      `changed: ${changed.join(', ') || 'nothing'}; it rejects the keys`,
      `not changed: the ledger, the revocation list, the pair${open.map((each) => `, ${each}`).join('')}`,
    ],
    { hint: 'make room, then run the same command again', cause: error },
  );
}

/** Returns the failure for a pair that was revoked and that a server still needs to start. */
export function pairInUse(
  name: string,
  configuration: string,
  { certificates }: RevocationPlan,
): NatspkiError {
  const isServer = certificates.some((each) => each.name === name && each.profile === 'server');
  const who = isServer ? '' : ', which other servers reject now';
  const pin = isServer ? '' : `, then natspki pin certs/${name}-cert.pem --add FILE for each server`;
  return new NatspkiError(
    'pair-in-use',
    `"${configuration}" still uses the ${isServer ? 'revoked ' : ''}pair of "${name}"${who}`,
    { hint: `natspki rotate ${name}${pin}` },
  );
}

/** The most names in a line. */
const shown = 8;

/** Lists names, the first few of many. */
export function listed(names: readonly string[]): string {
  const more = names.length > shown ? ` and ${names.length - shown} more` : '';
  return `${names.slice(0, shown).join(', ')}${more}`;
}
