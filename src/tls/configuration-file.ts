// The tls block of a configuration file, changed in place: every other byte of the file stays as it was.

import { addItem, items, setBlock } from '../conf/editor.ts';
import { readConfFileToEdit } from '../conf/file.ts';
import { writeFileAtomic } from '../files.ts';
import type { Pin } from '../x509/pin.ts';
import type { TlsContext } from './block.ts';

/** Returns the path of blocks to the tls block of a context; monitoring has none of its own and uses the clients'. */
export function tlsBlockPath(context: TlsContext): string[] {
  return context === 'client' || context === 'monitor' ? ['tls'] : [context, 'tls'];
}

/**
 * Puts a printed tls block into a file, in place of the one that is there.
 * @param check sees the whole text before it is written, and throws to keep the file as it is
 */
export async function writeTlsBlock(
  file: string,
  context: TlsContext,
  block: string,
  check: (text: string) => Promise<unknown> = async () => {},
): Promise<void> {
  const text = setBlock(readConfFileToEdit(file), tlsBlockPath(context), block, file);
  await check(text);
  await writeFileAtomic(file, text);
}

/** Adds to pinned_certs those pins that are not there yet and returns them; the block itself must be there. */
export async function addPins(file: string, context: TlsContext, pins: readonly Pin[]): Promise<Pin[]> {
  const path = [...tlsBlockPath(context), 'pinned_certs'];
  let text = readConfFileToEdit(file);
  const present = new Set(items(text, path, file).map((item) => item.toLowerCase()));
  const added = [...new Set(pins)].filter((pin) => !present.has(pin));
  for (const pin of added) text = addItem(text, path, pin, file);
  if (added.length > 0) await writeFileAtomic(file, text);
  return added;
}
