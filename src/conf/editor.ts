// Replaces one block of a configuration, or appends to one array, and keeps every other byte: comments, line endings, a
// byte order mark, a missing last newline. It works on one text and opens no include. Every function throws ConfErrors
// when the text is invalid or cannot be changed; `file` is the name of the text in messages.

import { insertItem } from './array-editor.ts';
import { readDocument } from './document.ts';
import { ConfErrors, confProblem } from './error.ts';
import { Layout } from './layout.ts';
import { locateIn } from './locate.ts';
import { printKey, printValue } from './printer.ts';
import { parseSyntax } from './syntax.ts';
import type { ArrayNode, DocumentNode, EntryNode, MapNode, MemberNode } from './tree.ts';

/**
 * Replaces the block at a path such as `['cluster', 'tls']`, or adds it with its missing parent blocks.
 * @param block as printBlock prints it; it gets the indentation and line endings of the text
 */
export function setBlock(
  text: string,
  path: readonly string[],
  block: string,
  file = 'configuration',
): string {
  return verify(text, new Editing(text, file).set(path, block.slice(block.indexOf('{'))), file);
}

/** Lists the strings that the array at a path such as `['tls', 'pinned_certs']` contains literally. */
export function items(text: string, path: readonly string[], file = 'configuration'): string[] {
  const array = new Editing(text, file).findArray(path);
  return array?.items.flatMap((item) => (item.kind === 'string' ? [item.value] : [])) ?? [];
}

/** Appends a string to the array at a path, or adds the array to its block, which must exist. */
export function addItem(text: string, path: readonly string[], item: string, file = 'configuration'): string {
  return verify(text, new Editing(text, file).addItem(path, printValue(item)), file);
}

/** Throws for an edit that would break the syntax, which is possible in unusual constructs (`{ a: }` at the top). */
function verify(text: string, edited: string, file: string): string {
  if (parseSyntax(edited).problems.length === 0) return edited;
  let offset = 0;
  while (text[offset] === edited[offset]) offset++;
  throw new ConfErrors([
    confProblem(
      'error',
      locateIn(text, file)(offset),
      'an edit here would break the file',
      'edit it by hand',
    ),
  ]);
}

type Body = DocumentNode | MapNode;

/** The indentation that printBlock and printValue use. */
const PRINTED_INDENT = /^( {2})*/;

class Editing {
  readonly layout: Layout;
  readonly #file: string;
  readonly #document: DocumentNode;

  constructor(text: string, file: string) {
    this.layout = new Layout(text);
    this.#file = file;
    this.#document = readDocument(text, file);
  }

  set(path: readonly string[], value: string): string {
    const name = path.at(-1) ?? '';
    const { body, missing } = this.#descend(path.slice(0, -1));
    if (missing.length > 0) return this.#addMember(body, printMember([...missing, name], value));
    const entry = lastEntry(body.members, name);
    if (entry === undefined) return this.#addMember(body, printMember([name], value));
    const { start, end } = entry.value;
    return this.layout.splice(start, end, this.#reindent(value, this.layout.indentAt(entry.start)));
  }

  /** Returns undefined when the array, or a block on the way to it, does not exist. */
  findArray(path: readonly string[]): ArrayNode | undefined {
    const { body, missing } = this.#descend(path.slice(0, -1));
    const entry = missing.length > 0 ? undefined : lastEntry(body.members, path.at(-1) ?? '');
    if (entry !== undefined && entry.value.kind !== 'array') throw this.#notA('an array', entry);
    return entry?.value as ArrayNode | undefined;
  }

  addItem(path: readonly string[], item: string): string {
    const array = this.findArray(path);
    if (array !== undefined) return insertItem(this.layout, array, item, this.#indentUnit());
    const parents = path.slice(0, -1);
    const { body, missing } = this.#descend(parents);
    if (missing.length === 0) return this.set(path, `[${item}]`);
    const hasIncludes = body.members.some((member) => member.kind === 'include');
    throw this.#error(
      'end' in body ? body.start : 0,
      `no block ${parents.join('.')} to edit`,
      hasIncludes ? 'if it is in an included file, edit that file' : undefined,
    );
  }

  /** Follows a path of blocks as far as it exists; returns the last block and the missing names. */
  #descend(path: readonly string[]): { body: Body; missing: readonly string[] } {
    let body: Body = this.#document;
    for (const [depth, name] of path.entries()) {
      const entry = lastEntry(body.members, name);
      if (entry === undefined) return { body, missing: path.slice(depth) };
      if (entry.value.kind !== 'map') throw this.#notA('a block', entry);
      body = entry.value;
    }
    return { body, missing: [] };
  }

  /** Adds an entry, printed without indentation, to the end of a block or of the document. */
  #addMember(body: Body, entry: string): string {
    const { layout } = this;
    const brace = 'end' in body ? body.end - 1 : body.closingBrace;
    if (brace === undefined) return this.#append(entry);
    const base = layout.indentAt(brace);
    const sibling = body.members.findLast((member) => layout.isFirstOnLine(member.start));
    const indent = sibling === undefined ? base + this.#indentUnit() : layout.indentAt(sibling.start);
    const line = indent + this.#reindent(entry, indent) + layout.newline;
    if (layout.isFirstOnLine(brace)) {
      const lineStart = layout.lineStart(brace);
      return layout.splice(lineStart, lineStart, line);
    }
    return layout.splice(layout.beforeBlanks(brace), brace, layout.newline + line + base);
  }

  #append(entry: string): string {
    const { text, newline, isEmpty } = this.layout;
    const printed = this.#reindent(entry, '');
    if (isEmpty) return text + printed + newline;
    const gap = printed.endsWith('}') ? newline : '';
    return text.endsWith('\n') ? text + gap + printed + newline : text + newline + gap + printed;
  }

  /** Converts printed text to the line endings and indentation of the text; its first line continues an existing line. */
  #reindent(printed: string, base: string): string {
    const unit = this.#indentUnit();
    const [first = '', ...lines] = printed.trimEnd().split('\n');
    const shifted = lines.map(
      (line) => base + line.replace(PRINTED_INDENT, (indent) => unit.repeat(indent.length / 2)),
    );
    return [first, ...shifted].join(this.layout.newline);
  }

  /** Finds the indentation that the text uses inside a block; two spaces when no block shows it. */
  #indentUnit(): string {
    const pending: MemberNode[] = [...this.#document.members];
    for (const member of pending) {
      if (member.kind !== 'entry' || member.value.kind !== 'map') continue;
      const base = this.layout.indentAt(member.start);
      const inner = member.value.members.find(({ start }) => this.layout.isFirstOnLine(start));
      const indent = inner && this.layout.indentAt(inner.start);
      if (indent?.startsWith(base) && indent.length > base.length) return indent.slice(base.length);
      for (const child of member.value.members) pending.push(child);
    }
    return '  ';
  }

  #notA(expected: string, entry: EntryNode): ConfErrors {
    const found = entry.value.kind === 'variable' ? 'a variable' : 'something else';
    return this.#error(entry.value.start, `expected ${expected} for "${entry.key}", found ${found}`);
  }

  #error(offset: number, message: string, hint?: string): ConfErrors {
    const position = locateIn(this.layout.text, this.#file)(offset);
    return new ConfErrors([confProblem('error', position, message, hint)]);
  }
}

/** Finds the last entry of a name, which is the effective one; options match in any case. */
function lastEntry(members: readonly MemberNode[], name: string): EntryNode | undefined {
  const wanted = name.toLowerCase();
  return members.findLast(
    (member): member is EntryNode => member.kind === 'entry' && member.key.toLowerCase() === wanted,
  );
}

/** Prints `NAME VALUE`, wrapped in its parent blocks, without indentation before the first line. */
function printMember([name = '', ...inner]: readonly string[], value: string): string {
  if (inner.length === 0) return `${printKey(name)}${value.startsWith('{') ? ' ' : ': '}${value}`;
  const content = printMember(inner, value).replaceAll('\n', '\n  ');
  return `${printKey(name)} {\n  ${content}\n}`;
}
