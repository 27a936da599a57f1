// Keeps the pins of configuration files up to date while certificates change their keys. The new pin is added beside the
// old one before a peer presents the new key, and pins that no peer presents any more are removed. The caller knows which
// pins those are.

import { dirname, resolve } from 'node:path';
import { editArrays, includesOf } from '../conf/arrays.ts';
import { readConfFileToEdit } from '../conf/file.ts';
import type { Pin } from '../x509/pin.ts';
import { editConfiguration } from './configuration-file.ts';

/** The change of one file. */
export interface PinEdit {
  readonly file: string;
  readonly pins: readonly Pin[];
}

/** Lists a configuration and all its includes, each file once; throws when one cannot be read. */
export function configurationFiles(path: string): string[] {
  const files: string[] = [];
  const visit = (file: string) => {
    if (files.some((seen) => resolve(seen) === resolve(file))) return;
    files.push(file);
    for (const name of includesOf(readConfFileToEdit(file), file)) visit(resolve(dirname(file), name));
  };
  visit(path);
  return files;
}

/**
 * Adds the future pin of a certificate to each list that has its current pin. A list without the current pin did not
 * accept the certificate, and will not accept the new one.
 * @returns the files that changed, with the added pins
 */
export async function addSuccessors(
  files: readonly string[],
  changes: readonly { readonly from: Pin; readonly to: Pin }[],
): Promise<PinEdit[]> {
  const successors = new Map<string, Pin>(changes.map(({ from, to }) => [from, to]));
  return editFiles(files, (items) => {
    const present = new Set(items.map((item) => item.toLowerCase()));
    const added = [...present].flatMap((item) => successors.get(item) ?? []);
    return { added: added.filter((pin) => !present.has(pin)), removed: [] };
  });
}

/**
 * Removes pins from the lists that have them. A list that would become empty keeps them all: an empty list would accept
 * every key (nats-server, server/opts.go).
 * @returns the files that changed, with the removed pins
 */
export async function removePins(files: readonly string[], stale: ReadonlySet<Pin>): Promise<PinEdit[]> {
  return editFiles(files, (items) => {
    const removed = items.filter((item) => stale.has(item.toLowerCase() as Pin));
    return { added: [], removed: removed.length < items.length ? removed : [] };
  });
}

async function editFiles(
  files: readonly string[],
  edit: (items: readonly string[]) => { added: readonly Pin[]; removed: readonly string[] },
): Promise<PinEdit[]> {
  const edits: PinEdit[] = [];
  for (const file of files) {
    let pins = new Set<Pin>();
    const noting = (items: readonly string[]) => {
      const change = edit(items);
      for (const pin of [...change.added, ...change.removed]) pins.add(pin.toLowerCase() as Pin);
      return change;
    };
    const changed = await editConfiguration(file, (text) => {
      pins = new Set();
      return editArrays(text, noting, file);
    });
    if (changed) edits.push({ file, pins: [...pins] });
  }
  return edits;
}
