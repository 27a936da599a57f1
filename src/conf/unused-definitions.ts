// What an edit of a configuration leaves without a use: nats-server refuses a definition that no `$NAME` refers to, as
// an unknown field. Such definitions become comments: out of the way, and still there for whoever wants them back.

import { readDocument } from './document.ts';
import { ConfErrors } from './error.ts';
import { Layout } from './layout.ts';
import { parseConf } from './parser.ts';
import type { DocumentNode, EntryNode, MapNode } from './tree.ts';
import type { Entry, MapValue } from './value.ts';

/** A definition that has to be changed by hand, such as one in another file. */
export interface ForeignDefinition {
  readonly name: string;
  readonly file: string;
}

export interface WithoutUnused {
  readonly text: string;
  /** The definitions that became comments. */
  readonly commentedOut: readonly string[];
  /** Those that are left without a use, in included files or where an edit would break this one. */
  readonly elsewhere: readonly ForeignDefinition[];
}

/**
 * Comments out what was referred to before an edit and is not any more, at the top level and in one block there. A
 * configuration that cannot be read is returned as it is: what is wrong with it is older than the edit.
 * @param block name of the block at the top level that was edited
 * @param isOption tells for an entry whether it means something by itself, and stays
 * @param file name of the text, by which its includes are found
 */
export function commentOutUnused(
  before: string,
  edited: string,
  block: string,
  isOption: (root: MapValue, entry: Entry) => boolean,
  file: string,
): WithoutUnused {
  const commentedOut: string[] = [];
  let text = edited;
  const old = read(before, file);
  if (old === undefined) return { text, commentedOut, elsewhere: [] };
  // Each one may have been the only use of another.
  for (;;) {
    const root = read(text, file);
    if (root === undefined) {
      // In one of the language's odder corners: better done by hand.
      const stuck = commentedOut.slice(-1).map((name) => ({ name, file }));
      return { text: edited, commentedOut: [], elsewhere: stuck };
    }
    const unused = unusedOf(old, root, block).filter(({ entry }) => !isOption(root, entry));
    const own = unused.find(({ entry }) => entry.keyPosition.file === file);
    if (own === undefined) {
      const elsewhere = unused.map(({ entry }) => ({ name: entry.key, file: entry.keyPosition.file }));
      return { text, commentedOut, elsewhere };
    }
    text = commentOut(text, own.inBlock ? block : undefined, own.entry.key, file);
    commentedOut.push(own.entry.key);
  }
}

/** Whatever the environment of the server will have. */
const anyEnvironment = new Proxy<Record<string, string>>(
  {},
  {
    get: () => '""',
    getOwnPropertyDescriptor: () => ({ value: '""', configurable: true, enumerable: true }),
  },
);

function read(text: string, file: string): MapValue | undefined {
  try {
    return parseConf(text, { file, environment: anyEnvironment });
  } catch (error) {
    if (error instanceof ConfErrors) return undefined;
    throw error;
  }
}

function unusedOf(before: MapValue, after: MapValue, block: string): { entry: Entry; inBlock: boolean }[] {
  const lost = (old: MapValue | undefined, now: MapValue | undefined, inBlock: boolean) =>
    [...(now?.entries.values() ?? [])]
      .filter((entry) => !entry.referenced && old?.entries.get(entry.key)?.referenced)
      .map((entry) => ({ entry, inBlock }));
  return [...lost(before, after, false), ...lost(mapAt(before, block), mapAt(after, block), true)];
}

function mapAt({ entries }: MapValue, name: string): MapValue | undefined {
  const entry = [...entries.values()].findLast(({ key }) => key.toLowerCase() === name);
  return entry?.value.kind === 'map' ? entry.value : undefined;
}

/** Makes a comment of the last entry of a name, at the top level or in a block there. */
function commentOut(text: string, block: string | undefined, name: string, file: string): string {
  const document = readDocument(text, file);
  const body = block === undefined ? document : blockOf(document, block);
  const entry = body?.members.findLast(
    (each): each is EntryNode => each.kind === 'entry' && each.key === name,
  );
  if (body === undefined || entry === undefined) throw new Error(`no entry "${name}" to comment out`);
  const layout = new Layout(text);
  const { start, end } = entry;
  const after = layout.separatorAfter(end) ?? end;
  if (layout.isFirstOnLine(start) && layout.lineEndAfter(after) !== undefined) {
    return layout.splice(start, end, asComment(text.slice(start, end)));
  }
  return moveToComment(layout, document, entry);
}

function blockOf({ members }: DocumentNode, name: string): MapNode | undefined {
  const entry = members.findLast(
    (each): each is EntryNode => each.kind === 'entry' && each.key.toLowerCase() === name,
  );
  return entry?.value.kind === 'map' ? entry.value : undefined;
}

/** Takes an entry out of a line that has others, and puts it as a comment above what stands on that line. */
function moveToComment(layout: Layout, { members }: DocumentNode, { start, end }: EntryNode): string {
  const { text } = layout;
  const separator = layout.separatorAfter(end);
  // A comment that follows at once would become a part of the value before.
  const gap = /[#/]/.test(text.charAt(end)) ? ' ' : '';
  const taken = separator === undefined ? layout.splice(layout.separatorBefore(start), end, gap) : undefined;
  const without = taken ?? layout.splice(start, layout.afterBlanks(separator ?? end), '');
  let above = layout.lineStart(start);
  // Not into a string over several lines, nor in between a key and its value.
  for (;;) {
    const around = members.find((member) => member.start < above && above < member.end);
    if (around === undefined) break;
    above = layout.lineStart(around.start);
  }
  const indent = layout.indentAt(above);
  const comment = indent + asComment(text.slice(start, end)) + layout.newline;
  return without.slice(0, above) + comment + without.slice(above);
}

function asComment(entry: string): string {
  return `# ${entry.replace(/(\r?\n[\t ]*)/g, '$1# ')}`;
}
