// Edits the tls block of a configuration file in place; every other byte of the file stays as it was.

import { addItem, items, setBlock } from '../conf/editor.ts';
import { ConfErrors, type ConfProblem } from '../conf/error.ts';
import { readConfFileToEdit } from '../conf/file.ts';
import { loadConf } from '../conf/parser.ts';
import { MapReader } from '../conf/reader.ts';
import { commentOutUnused, type ForeignDefinition } from '../conf/unused-definitions.ts';
import type { Entry, MapValue } from '../conf/value.ts';
import { NatspkiError } from '../errors.ts';
import { writeFileAtomic } from '../files/files.ts';
import { whileLocked } from '../files/lock.ts';
import { readTlsBlock, type TlsBlock, type TlsContext } from '../tls/block.ts';
import type { Pin } from '../x509/pin.ts';

/** Returns the path of blocks to the tls block of a context; monitoring uses the block of clients. */
export function tlsBlockPath(context: TlsContext): string[] {
  return context === 'client' || context === 'monitor' ? ['tls'] : [context, 'tls'];
}

export interface BlockEdit {
  readonly context: TlsContext;
  /** The block as printTlsBlock prints it. */
  readonly block: string;
  /** Returns whether an entry is an option, rather than a definition that exists only for a `$NAME` to refer to. */
  readonly isOption: (root: MapValue, entry: Entry) => boolean;
  /** Receives the whole text before it is written; throws to keep the file unchanged. */
  readonly check?: (text: string) => Promise<unknown>;
}

/**
 * Replaces the tls block of a file with a printed one. Definitions that only the old block used are commented out;
 * returns their names. Throws `unused-definition` for such a definition in an included file.
 */
export async function writeTlsBlock(
  file: string,
  { context, block, isOption, check }: BlockEdit,
): Promise<readonly string[]> {
  const path = tlsBlockPath(context);
  let commentedOut: readonly string[] = [];
  await editConfiguration(file, async (text) => {
    const edited = commentOutUnused(text, setBlock(text, path, block, file), path[0] ?? '', isOption, file);
    const [foreign] = edited.elsewhere;
    if (foreign !== undefined) throw wouldBeUnused(foreign);
    ({ commentedOut } = edited);
    await check?.(edited.text);
    return edited.text;
  });
  return commentedOut;
}

function wouldBeUnused({ name, file }: ForeignDefinition): NatspkiError {
  const message = `the definition "${name}" in "${file}" would be unused, which nats-server rejects`;
  return new NatspkiError('unused-definition', message, {
    hint: `comment it out there, unless another file includes it, and try again`,
  });
}

/** Adds the missing pins to pinned_certs and returns them; the block must exist. */
export async function addPins(file: string, context: TlsContext, pins: readonly Pin[]): Promise<Pin[]> {
  const path = [...tlsBlockPath(context), 'pinned_certs'];
  let added: Pin[] = [];
  await editConfiguration(file, (text) => {
    const present = new Set(items(text, path, file).map((item) => item.toLowerCase()));
    added = [...new Set(pins)].filter((pin) => !present.has(pin));
    return added.reduce((edited, pin) => addItem(edited, path, pin, file), text);
  });
  return added;
}

/** Reads the tls block of a context, with its problems; undefined when the configuration has none. */
export function tlsBlockOf(
  root: MapValue,
  context: TlsContext,
  problems: ConfProblem[] = [],
): TlsBlock | undefined {
  const map = tlsBlockPath(context).reduce<MapValue | undefined>(
    (outer, name) => outer && new MapReader(outer, [], '').map(name),
    root,
  );
  return map && readTlsBlock(map, problems, context);
}

/** Returns whether the block rejects every client, because it has pins but does not request client certificates. */
export function rejectsEveryClient(file: string, context: TlsContext): boolean {
  const problems: ConfProblem[] = [];
  try {
    tlsBlockOf(loadConf(file).root, context, problems);
  } catch (error) {
    // Other errors in the file do not matter to a command that adds a pin.
    if (!(error instanceof ConfErrors)) throw error;
  }
  return problems.some(({ code }) => code === 'pins-without-verify');
}

/**
 * Edits a file without losing a concurrent change by another process; only reads it when there is nothing to change.
 * @param edit returns the new text; called again when another process has changed the file meanwhile
 * @returns whether the file changed
 */
export async function editConfiguration(
  file: string,
  edit: (text: string) => string | Promise<string>,
): Promise<boolean> {
  const seen = readConfFileToEdit(file);
  const wanted = await edit(seen);
  if (wanted === seen) return false;
  return whileLocked(file, async () => {
    const text = readConfFileToEdit(file);
    const edited = text === seen ? wanted : await edit(text);
    if (edited !== text) await writeFileAtomic(file, edited);
    return edited !== text;
  });
}
