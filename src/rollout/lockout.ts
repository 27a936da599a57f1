// Locks keys out of the servers of configurations through their pins. The keys are removed from an existing list of pins; a
// block without pins gets a list of all other keys. doors.ts judges which block needs what.

import { resolve } from 'node:path';
import { editArrays } from '../conf/arrays.ts';
import { readDocument } from '../conf/document.ts';
import { addItem } from '../conf/editor.ts';
import { loadConf } from '../conf/parser.ts';
import type { Value } from '../conf/value.ts';
import { NatspkiError } from '../errors.ts';
import { readFileSync } from '../files/files.ts';
import type { TlsContext } from '../tls/block.ts';
import { type Certificate, readCertificates } from '../x509/certificate.ts';
import type { Pin } from '../x509/pin.ts';
import { editConfiguration, tlsBlockOf, tlsBlockPath } from './configuration-file.ts';
import { acceptingContexts, impossiblePin, type LockoutStep, planDoor, type RevokedKeys } from './doors.ts';
import { configurationFiles } from './pin-update.ts';

export interface Lockout extends RevokedKeys {
  readonly configurations: readonly string[];
  /** The named keys that a block without pins will accept, by context; none where it is missing. */
  readonly contexts: ReadonlyMap<TlsContext, readonly { readonly name: string; readonly pin: Pin }[]>;
  /** Whether the revocation reaches peers without any configuration: then none has to be given. Default false. */
  readonly isPublished?: boolean;
}

/**
 * Plans the step of each block of each configuration, and changes nothing. Throws `nothing-to-lock` when no block lets
 * the keys in although they can connect, and ConfErrors when a configuration is invalid.
 */
export function planLockout(lockout: Lockout): LockoutStep[] {
  const { configurations, contexts, canConnect = true, isPublished = false } = lockout;
  const steps = configurations.flatMap((file) => {
    const { root } = loadConf(file);
    return acceptingContexts.flatMap((context) => {
      const others = (contexts.get(context) ?? []).map(({ pin }) => pin);
      return planDoor(root, file, context, lockout, others) ?? [];
    });
  });
  const isNeedless = !canConnect || (isPublished && configurations.length === 0);
  if (isNeedless || steps.some(({ action }) => action !== 'skip')) return steps;
  throw nothingToLock(configurations);
}

/**
 * Executes the plan of planLockout, block by block. A block that cannot be changed, or that still accepts a key
 * afterwards, is `open` in the result, with the reason; the others are changed all the same. Throws as planLockout does.
 */
export async function lockOut(lockout: Lockout): Promise<LockoutStep[]> {
  const steps = planLockout(lockout);
  const failures = new Map<LockoutStep, string>();
  for (const step of steps) {
    const { file, context, action } = step;
    try {
      if (action === 'pin') await pinOthers(file, context, lockout.contexts.get(context) ?? []);
      if (action === 'remove') await removeEverywhere(file, lockout.out);
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      failures.set(step, error.message);
    }
  }
  const left = planLockout(lockout).filter(({ action }) => action === 'pin' || action === 'remove');
  return steps.map((step) => {
    const isLeft = left.some(({ file, context }) => file === step.file && context === step.context);
    if (!isLeft) return step;
    const elsewhere = 'the pins are not in the file or its includes: remove them by hand';
    return { ...step, action: 'open' as const, reason: failures.get(step) ?? elsewhere };
  });
}

/** Returns the certificate and key files that configurations name, in any block, as absolute paths. */
export function filesInUse(configurations: readonly string[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  const visit = (value: Value, configuration: string): void => {
    if (value.kind === 'array') for (const item of value.items) visit(item, configuration);
    if (value.kind !== 'map') return;
    for (const { key, value: inner } of value.entries.values()) {
      const isFile = ['cert_file', 'key_file'].includes(key.toLowerCase());
      if (isFile && inner.kind === 'string') files.set(resolve(inner.value), configuration);
      else visit(inner, configuration);
    }
  };
  for (const configuration of configurations) visit(loadConf(configuration).root, configuration);
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

function nothingToLock(configurations: readonly string[]): NatspkiError {
  const fail = (message: string, hint: string) => new NatspkiError('nothing-to-lock', message, { hint });
  const having = configurations.find((file) => tlsBlockOf(loadConf(file).root, 'client') !== undefined);
  if (having !== undefined) {
    const hint = `natspki tls client --verify --write ${having}`;
    return fail(`no tls block in "${having}" requests client certificates of this authority`, hint);
  }
  const files = configurations.map((file) => `"${file}"`).join(', ');
  const where = configurations.length === 0 ? 'no configuration' : `no tls block in ${files}`;
  return fail(
    `there is ${where} to lock keys out of`,
    'pass the configuration of your server with --config FILE',
  );
}
