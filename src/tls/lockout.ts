// Keeps keys out of the servers of a configuration, by its pins: there is nothing else that NATS servers look at and that
// says no to a certificate of an authority they trust. A list that pins some loses those keys; where nobody is pinned yet,
// everybody else is from then on.

import { editArrays } from '../conf/arrays.ts';
import { readDocument } from '../conf/document.ts';
import { addItem } from '../conf/editor.ts';
import { loadConf } from '../conf/parser.ts';
import { MapReader } from '../conf/reader.ts';
import type { MapValue } from '../conf/value.ts';
import { NatspkiError } from '../errors.ts';
import type { Pin } from '../x509/pin.ts';
import { readTlsBlock, type TlsBlock, type TlsContext } from './block.ts';
import { editConfiguration, tlsBlockPath } from './configuration-file.ts';
import { configurationFiles } from './pin-succession.ts';

/** What becomes of one tls block. */
export interface LockoutStep {
  readonly file: string;
  /** `tls`, `cluster.tls`, ... */
  readonly block: string;
  readonly context: TlsContext;
  /** `remove`: pins go out of a list. `pin`: the block lets in pinned keys only, from now on. `none`: it keeps them out already. */
  readonly action: 'remove' | 'pin' | 'none';
  /** Those that go out, or those that are let in. */
  readonly pins: readonly Pin[];
}

export interface Lockout {
  readonly configurations: readonly string[];
  /** The blocks to keep them out of, and who else is let in where nobody is pinned yet, by name. */
  readonly contexts: ReadonlyMap<TlsContext, readonly { readonly name: string; readonly pin: Pin }[]>;
  readonly out: ReadonlySet<Pin>;
}

/** The pin of no key: a list that is empty would let everybody in (nats-server, server/opts.go). */
export const nobody = '0'.repeat(64) as Pin;

/**
 * Plans what each block of each configuration has to say, and changes nothing. Throws `nothing-to-lock` where none of
 * them asks for certificates, ConfErrors where one cannot be read.
 */
export function planLockout({ configurations, contexts, out }: Lockout): LockoutStep[] {
  const steps: LockoutStep[] = [];
  for (const file of configurations) {
    const { root } = loadConf(file);
    for (const [context, others] of contexts) {
      const block = blockOf(root, context);
      if (block?.verify !== true) continue;
      const { pinnedCerts } = block;
      const place = { file, context, block: tlsBlockPath(context).join('.') };
      if (pinnedCerts === undefined) {
        const pins = others.length === 0 ? [nobody] : others.map(({ pin }) => pin);
        steps.push({ ...place, action: 'pin', pins });
      } else {
        const pins = [...pinnedCerts].filter((pin) => out.has(pin));
        steps.push({ ...place, action: pins.length === 0 ? 'none' : 'remove', pins });
      }
    }
  }
  if (steps.length === 0) throw nothingToLock(configurations, [...contexts.keys()]);
  return steps;
}

/** Carries out what planLockout plans, and reads it back; throws `still-let-in` where that did not help. */
export async function lockOut(lockout: Lockout): Promise<LockoutStep[]> {
  const steps = planLockout(lockout);
  for (const { file, context, action } of steps) {
    if (action === 'pin') await pinOthers(file, context, lockout.contexts.get(context) ?? []);
    if (action === 'remove') await removeEverywhere(file, lockout.out);
  }
  const left = planLockout(lockout).find(({ action }) => action !== 'none');
  if (left === undefined) return steps;
  throw new NatspkiError('still-let-in', `the pins of ${left.block} in "${left.file}" come from elsewhere`, {
    hint: `remove them by hand: ${left.pins.join(' ')}`,
  });
}

/** Reads the pins that a block of a configuration has; none where it has none or cannot be read. */
export function pinsThere(file: string, context: TlsContext): ReadonlySet<Pin> {
  try {
    return blockOf(loadConf(file).root, context)?.pinnedCerts ?? new Set();
  } catch (error) {
    if (error instanceof NatspkiError) return new Set();
    throw error;
  }
}

function blockOf(root: MapValue, context: TlsContext): TlsBlock | undefined {
  const map = tlsBlockPath(context).reduce<MapValue | undefined>(
    (outer, name) => outer && new MapReader(outer, [], '').map(name),
    root,
  );
  return map && readTlsBlock(map, [], context);
}

const none = { added: [], removed: [] };

/** Puts the list of those who are let in into a block that has none, a line each. */
async function pinOthers(
  file: string,
  context: TlsContext,
  others: readonly { readonly name: string; readonly pin: Pin }[],
): Promise<void> {
  const path = [...tlsBlockPath(context), 'pinned_certs'];
  await editConfiguration(file, (text) => {
    const begun = addItem(text, path, nobody, file);
    if (others.length === 0) return begun;
    const list = `["${nobody}"]`;
    const at = begun.indexOf(list);
    // A list that was there, and empty, is filled the way it is written.
    if (at < 0) {
      const added = others.map(({ pin }) => pin);
      const fill = (items: readonly string[]) => items.includes(nobody);
      return editArrays(begun, (items) => (fill(items) ? { added, removed: [nobody] } : none), file);
    }
    const newline = begun.includes('\r\n') ? '\r\n' : '\n';
    const indent = /[ \t]*$/.exec(begun.slice(0, begun.lastIndexOf('pinned_certs', at)))?.[0] ?? '';
    const lines = others.map(({ name, pin }) => `${indent}  "${pin}" # ${name}${newline}`).join('');
    const edited = `${begun.slice(0, at)}[${newline}${lines}${indent}]${begun.slice(at + list.length)}`;
    readDocument(edited, file);
    return edited;
  });
}

/** Removes keys from all lists of a configuration and of what it includes. */
async function removeEverywhere(configuration: string, out: ReadonlySet<Pin>): Promise<void> {
  for (const file of configurationFiles(configuration)) {
    await editConfiguration(file, (text) =>
      editArrays(
        text,
        (items) => {
          const removed = items.filter((item) => out.has(item.toLowerCase() as Pin));
          return { removed, added: removed.length > 0 && removed.length === items.length ? [nobody] : [] };
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
  const having = configurations.find((file) => blockOf(loadConf(file).root, context) !== undefined);
  if (having !== undefined) {
    const hint = `natspki tls ${context} --verify --write ${having}`;
    return fail(`the ${block} block in "${having}" asks nobody for a certificate`, hint);
  }
  const files = configurations.map((file) => `"${file}"`).join(', ');
  const where = configurations.length === 0 ? 'there is no configuration' : `no ${block} block in ${files}`;
  return fail(`${where} to lock anybody out of`, 'name that of your server with --config FILE');
}
