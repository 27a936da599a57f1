// Comments out the definitions that an edit of a configuration leaves unused: nats-server rejects a definition that no
// `$NAME` refers to as an unknown field. As comments they stay available to the operator.

import { readDocument } from './document.ts';
import { ConfErrors } from './error.ts';
import { Layout } from './layout.ts';
import { parseConf } from './parser.ts';
import type { DocumentNode, EntryNode, MapNode } from './tree.ts';
import type { Entry, MapValue } from './value.ts';

/** A definition that must be edited by hand, such as one in another file. */
export interface ForeignDefinition {
  readonly name: string;
  readonly file: string;
}

export interface WithoutUnused {
  readonly text: string;
  /** The definitions that became comments. */
  readonly commentedOut: readonly string[];
  /** Unused definitions in included files, or where an edit would break this file. */
  readonly elsewhere: readonly ForeignDefinition[];
}

/**
 * Comments out the definitions that were used before an edit and no longer are, at the top level and in one block there.
 * Returns an invalid configuration as it is: its errors are older than the edit.
 * @param block name of the edited block at the top level
 * @param isOption returns whether an entry is an option, which stays whether it is referred to or not
 * @param file name of the text; its includes are relative to it
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
  // Each definition may have been the only use of another one.
  for (;;) {
    const root = read(text, file);
    if (root === undefined) {
      // The edit broke the syntax, in an unusual construct: leave the last definition to the operator.
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

/** An environment that has every variable: that of the server is not known here. */
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

/** Comments out the last entry of a name, at the top level or in a block there. */
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

/** Moves an entry from a line that has others to a comment above that line. */
function moveToComment(layout: Layout, { members }: DocumentNode, { start, end }: EntryNode): string {
  const { text } = layout;
  const separator = layout.separatorAfter(end);
  // A comment that follows immediately would become part of the preceding value.
  const gap = /[#/]/.test(text.charAt(end)) ? ' ' : '';
  const taken = separator === undefined ? layout.splice(layout.separatorBefore(start), end, gap) : undefined;
  const without = taken ?? layout.splice(start, layout.afterBlanks(separator ?? end), '');
  let above = layout.lineStart(start);
  // The comment must not be inside a string of several lines, or between a key and its value.
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
