// Prints the result of `rotate`: a plan, or the new certificates and what was done about configurations and servers.
import { escapeControls } from '../log.ts';
import type { IssuedCertificates } from '../pki/issue/leaf.ts';
import { describeStep, type RotationPlan } from '../pki/rotate/plan.ts';
import type { ListedCertificate } from '../pki/store/listing.ts';
import { certificateLines } from './certificate-table.ts';
import { listed } from './revoke-result.ts';
import type { Terminal } from './terminal.ts';

/** What a rotation was asked to do, and what it happened in. */
export interface RotationFlags {
  readonly ca: boolean;
  readonly finish: boolean;
  readonly intermediate: boolean;
  readonly undo: boolean;
  readonly reload?: readonly string[] | undefined;
  /** Whether the old authority is still trusted beside the new one. */
  readonly isRollover: boolean;
}

/** Returns a line for each step, and for each certificate that stays as it is. */
export function planLines({ steps, left }: RotationPlan): string[] {
  const nothing = steps.length === 0 ? ['nothing to do'] : [];
  return [...steps.map(describeStep), ...left, ...nothing].map(escapeControls);
}

/**
 * Returns the table and the notices.
 * @param told what was done about configurations and servers, one line each
 */
export function rotateLines(
  { certificates, notices }: IssuedCertificates,
  told: readonly string[],
  terminal: Terminal,
): string[] {
  const table =
    certificates.length === 0
      ? ['nothing to do']
      : [...certificateLines(certificates, terminal, { wholePins: true }), ''];
  return [...table, ...[...told, ...notices].map(escapeControls)];
}

const reload =
  'servers: the bundled broker reloads by itself; nats-server after `nats-server --signal reload=PIDFILE`';

/** Returns what follows for servers and clients, and the next commands. */
export function nextOfRotation(
  certificates: readonly ListedCertificate[],
  { ca, finish, intermediate, undo, reload: told, isRollover }: RotationFlags,
): string[] {
  if (ca && finish) return ['next: give ca.pem, which no longer has the old authority, to every peer'];
  if (ca && !undo) {
    return [
      'next:',
      '  1. give ca.pem to every server and client, and let servers reload',
      '  2. `natspki rotate` issues every certificate anew',
      '  3. give each client its new pair',
      '  4. `natspki rotate --ca --finish` makes servers reject the old pairs',
    ];
  }
  if (intermediate) {
    return [
      "next: move the root's key offline again, then run `natspki rotate`; ca.pem stays the same on every peer",
    ];
  }
  const clients = certificates.filter(({ profile }) => profile === 'client').map(({ name }) => name);
  const hasServers = certificates.some(({ profile }) => profile !== 'client');
  if (ca || certificates.length === 0) return [];
  const finishing = isRollover && !undo ? ' before `natspki rotate --ca --finish`' : '';
  return [
    ...(hasServers && told === undefined ? [reload] : []),
    ...(clients.length === 0
      ? []
      : [`clients: give each its ${undo ? 'restored' : 'new'} pair${finishing}: ${listed(clients)}`]),
  ];
}
