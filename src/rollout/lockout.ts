// Locks keys out of the servers of a configuration through its pins, the only means by which a NATS server rejects a
// certificate of an authority that it trusts. The keys are removed from an existing list of pins; a block without pins
// gets a list of all other keys.

import { resolve } from 'node:path';
import { editArrays } from '../conf/arrays.ts';
import { readDocument } from '../conf/document.ts';
import { addItem } from '../conf/editor.ts';
import { loadConf } from '../conf/parser.ts';
import { NatspkiError } from '../errors.ts';
import { readFileSync } from '../files/files.ts';
import type { TlsContext } from '../tls/block.ts';
import { type Certificate, readCertificates } from '../x509/certificate.ts';
import type { Pin } from '../x509/pin.ts';
import { editConfiguration, tlsBlockOf, tlsBlockPath } from './configuration-file.ts';
import { configurationFiles } from './pin-update.ts';

/** The planned change of one tls block. */
export interface LockoutStep {
  readonly file: string;
  /** `tls`, `cluster.tls`, ... */
  readonly block: string;
  readonly context: TlsContext;
  /** `remove`: pins leave a list. `pin`: the block will accept pinned keys only. `none`: it already rejects the keys. */
  readonly action: 'remove' | 'pin' | 'none';
  /** The pins that are removed, or those that will be accepted. */
  readonly pins: readonly Pin[];
}

export interface Lockout {
  readonly configurations: readonly string[];
  /** The blocks to lock the keys out of, each with the named keys that a block without pins will accept. */
  readonly contexts: ReadonlyMap<TlsContext, readonly { readonly name: string; readonly pin: Pin }[]>;
  readonly out: ReadonlySet<Pin>;
  /** Returns whether peers of a block are verified by the authority of the keys, given the path of its ca_file. */
  readonly isTrusted?: (caFile: string | undefined) => boolean;
}

/** A pin that no key has: an empty list would accept every key (nats-server, server/opts.go). */
export const impossiblePin = '0'.repeat(64) as Pin;

/**
 * Plans the change of each block of each configuration, and changes nothing. Throws `nothing-to-lock` when no block
 * requests client certificates, and ConfErrors when a configuration is invalid.
 */
export function planLockout({
  configurations,
  contexts,
  out,
  isTrusted = () => true,
}: Lockout): LockoutStep[] {
  const steps: LockoutStep[] = [];
  for (const file of configurations) {
    const { root } = loadConf(file);
    for (const [context, others] of contexts) {
      const block = tlsBlockOf(root, context);
      // Without pins, a client without a certificate is accepted where certificates are optional.
      if (block === undefined || !(block.verify || (block.verifyOptional && block.pinnedCerts))) continue;
      if (!isTrusted(block.caFile)) continue;
      const { pinnedCerts } = block;
      const location = { file, context, block: tlsBlockPath(context).join('.') };
      if (pinnedCerts === undefined) {
        const pins = others.length === 0 ? [impossiblePin] : others.map(({ pin }) => pin);
        steps.push({ ...location, action: 'pin', pins });
      } else {
        const pins = [...pinnedCerts].filter((pin) => out.has(pin));
        steps.push({ ...location, action: pins.length === 0 ? 'none' : 'remove', pins });
      }
    }
  }
  if (steps.length === 0) throw nothingToLock(configurations, [...contexts.keys()]);
  return steps;
}

/** Executes the plan of planLockout and checks the result; throws `still-let-in` when a block still accepts a key. */
export async function lockOut(lockout: Lockout): Promise<LockoutStep[]> {
  const steps = planLockout(lockout);
  for (const { file, context, action } of steps) {
    if (action === 'pin') await pinOthers(file, context, lockout.contexts.get(context) ?? []);
    if (action === 'remove') await removeEverywhere(file, lockout.out);
  }
  const left = planLockout(lockout).find(({ action }) => action !== 'none');
  if (left === undefined) return steps;
  throw new NatspkiError(
    'still-let-in',
    `cannot remove the pins of ${left.block} in "${left.file}": they are not in the file or its includes`,
    { hint: `remove them by hand: ${left.pins.join(' ')}` },
  );
}

const everyContext: readonly TlsContext[] = [
  'client',
  'cluster',
  'gateway',
  'leafnodes',
  'websocket',
  'mqtt',
];

/** Returns the certificate and key files that the tls blocks of configurations name, as absolute paths. */
export function filesInUse(configurations: readonly string[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const configuration of configurations) {
    const { root } = loadConf(configuration);
    for (const { certFile, keyFile } of everyContext.flatMap((each) => tlsBlockOf(root, each)?.pairs ?? [])) {
      files.set(resolve(certFile), configuration).set(resolve(keyFile), configuration);
    }
  }
  return files;
}

/**
 * Returns whether a block with this ca_file verifies peers by one of these authorities. A file that cannot be read
 * counts as theirs: the servers may read it.
 */
export function trustsOneOf(authorities: readonly Certificate[], caFile: string | undefined): boolean {
  // Without ca_file, the trust store of the system applies.
  if (caFile === undefined) return false;
  try {
    const trusted = readCertificates(readFileSync(caFile), caFile);
    return trusted.some(({ der }) => authorities.some((each) => each.der.equals(der)));
  } catch (error) {
    if (error instanceof NatspkiError) return true;
    throw error;
  }
}

/** Reads the pins of a block of a configuration; an empty set when it has none or the file is invalid. */
export function readPins(file: string, context: TlsContext): ReadonlySet<Pin> {
  try {
    return tlsBlockOf(loadConf(file).root, context)?.pinnedCerts ?? new Set();
  } catch (error) {
    if (error instanceof NatspkiError) return new Set();
    throw error;
  }
}

const none = { added: [], removed: [] };

/** Adds the list of accepted pins to a block without one, one per line. */
async function pinOthers(
  file: string,
  context: TlsContext,
  others: readonly { readonly name: string; readonly pin: Pin }[],
): Promise<void> {
  const path = [...tlsBlockPath(context), 'pinned_certs'];
  await editConfiguration(file, (text) => {
    const begun = addItem(text, path, impossiblePin, file);
    if (others.length === 0) return begun;
    const list = `["${impossiblePin}"]`;
    const at = begun.indexOf(list);
    // An existing empty list is filled in its own style.
    if (at < 0) {
      const added = others.map(({ pin }) => pin);
      const fill = (items: readonly string[]) => items.includes(impossiblePin);
      return editArrays(begun, (items) => (fill(items) ? { added, removed: [impossiblePin] } : none), file);
    }
    const newline = begun.includes('\r\n') ? '\r\n' : '\n';
    const indent = /[ \t]*$/.exec(begun.slice(0, begun.lastIndexOf('pinned_certs', at)))?.[0] ?? '';
    const lines = others.map(({ name, pin }) => `${indent}  "${pin}" # ${name}${newline}`).join('');
    const edited = `${begun.slice(0, at)}[${newline}${lines}${indent}]${begun.slice(at + list.length)}`;
    readDocument(edited, file);
    return edited;
  });
}

/** Removes keys from all lists of a configuration and its includes. */
async function removeEverywhere(configuration: string, out: ReadonlySet<Pin>): Promise<void> {
  for (const file of configurationFiles(configuration)) {
    await editConfiguration(file, (text) =>
      editArrays(
        text,
        (items) => {
          const removed = items.filter((item) => out.has(item.toLowerCase() as Pin));
          return {
            removed,
            added: removed.length > 0 && removed.length === items.length ? [impossiblePin] : [],
          };
        },
        file,
      ),
    );
  }
}

function nothingToLock(configurations: readonly string[], contexts: readonly TlsContext[]): NatspkiError {
  const [context = 'client'] = contexts;
  const fail = (message: string, hint: string) => new NatspkiError('nothing-to-lock', message, { hint });
  const block = tlsBlockPath(context).join('.');
  const having = configurations.find((file) => tlsBlockOf(loadConf(file).root, context) !== undefined);
  if (having !== undefined) {
    const hint = `natspki tls ${context} --verify --write ${having}`;
    return fail(`the ${block} block in "${having}" does not request client certificates`, hint);
  }
  const files = configurations.map((file) => `"${file}"`).join(', ');
  const where = configurations.length === 0 ? 'no configuration' : `no ${block} block in ${files}`;
  return fail(
    `there is ${where} to lock keys out of`,
    'pass the configuration of your server with --config FILE',
  );
}
