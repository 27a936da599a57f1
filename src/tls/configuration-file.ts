// The tls block of a configuration file, changed in place: every other byte of the file stays as it was.

import { addItem, items, setBlock } from '../conf/editor.ts';
import { ConfErrors, type ConfProblem } from '../conf/error.ts';
import { readConfFileToEdit } from '../conf/file.ts';
import { loadConf } from '../conf/parser.ts';
import { MapReader } from '../conf/reader.ts';
import { commentOutUnused, type ForeignDefinition } from '../conf/unused-definitions.ts';
import type { Entry, MapValue } from '../conf/value.ts';
import { NatspkiError } from '../errors.ts';
import { writeFileAtomic } from '../files.ts';
import { whileLocked } from '../lock.ts';
import type { Pin } from '../x509/pin.ts';
import { readTlsBlock, type TlsContext } from './block.ts';

/** Returns the path of blocks to the tls block of a context; monitoring has none of its own and uses the clients'. */
export function tlsBlockPath(context: TlsContext): string[] {
  return context === 'client' || context === 'monitor' ? ['tls'] : [context, 'tls'];
}

export interface BlockEdit {
  readonly context: TlsContext;
  /** As printTlsBlock prints it. */
  readonly block: string;
  /** Tells an option of the configuration from a definition, which is only there for a `$NAME` to refer to. */
  readonly isOption: (root: MapValue, entry: Entry) => boolean;
  /** Sees the whole text before it is written, and throws to keep the file as it is. */
  readonly check?: (text: string) => Promise<unknown>;
}

/**
 * Puts a printed tls block into a file, in place of the one that is there. Definitions that only the replaced block
 * used become comments; returns their names. Throws `unused-definition` for one in an included file.
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
  const message = `the definition "${name}" in "${file}" would be left without a use, which nats-server refuses`;
  return new NatspkiError('unused-definition', message, {
    hint: `comment it out there, unless another file includes it, and try again`,
  });
}

/** Adds to pinned_certs those pins that are not there yet and returns them; the block itself must be there. */
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

/** Tells whether clients are refused for a certificate that nobody asks them for. */
export function pinsLetNobodyIn(file: string, context: TlsContext): boolean {
  const problems: ConfProblem[] = [];
  try {
    const root = loadConf(file).root;
    const block = tlsBlockPath(context).reduce<MapValue | undefined>(
      (map, name) => map && new MapReader(map, [], '').map(name),
      root,
    );
    if (block !== undefined) readTlsBlock(block, problems, context);
  } catch (error) {
    // What else is wrong with the file is not the business of who adds a pin.
    if (!(error instanceof ConfErrors)) throw error;
  }
  return problems.some(({ code }) => code === 'pins-without-verify');
}

/**
 * Edits a file, without losing what another process puts into it meanwhile; where there is nothing to change it only
 * reads.
 * @param edit gives the new text, and is asked again when somebody else was faster
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
