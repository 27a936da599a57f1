// Adds an item to an array of a configuration, or removes one, and keeps the style of the array: on one line or several,
// with or without commas, with comments. Removing an item that was just added restores the text.

import type { Layout } from './layout.ts';
import type { ArrayNode, Span } from './tree.ts';

/** Returns the text with an item, printed on one line, at the end of the array; `unit` is the indentation of the text. */
export function insertItem(layout: Layout, array: ArrayNode, item: string, unit: string): string {
  const last = array.items.at(-1);
  if (last === undefined) return insertFirst(layout, array, item, unit);
  const before = array.items.at(-2);
  const comma = layout.commaAfter(last.end);
  const end = comma ?? last.end;
  const trailing = comma === undefined ? '' : ',';
  if (!layout.isFirstOnLine(last.start)) {
    return layout.splice(end, end, `${comma === undefined ? ',' : ''} ${item}${trailing}`);
  }
  const usesCommas = before !== undefined && layout.commaAfter(before.end) !== undefined;
  const leading = comma === undefined && usesCommas ? ',' : '';
  const line = layout.indentAt(last.start) + item + trailing;
  const lineEnd = layout.lineEndAfter(end);
  if (lineEnd === undefined) return layout.splice(end, end, leading + layout.newline + line);
  const next = layout.nextLine(lineEnd);
  return layout.splice(last.end, next, leading + layout.text.slice(last.end, next) + line + layout.newline);
}

function insertFirst(layout: Layout, array: ArrayNode, item: string, unit: string): string {
  const at = array.start + 1;
  const isOpenLine = layout.lineEndAfter(at) === layout.afterBlanks(at);
  const lead = isOpenLine ? layout.newline + layout.indentAt(array.start) + unit : '';
  return layout.splice(at, at, lead + item);
}

/** Returns the text without an item of the array, its line and its comma. */
export function deleteItem(layout: Layout, array: ArrayNode, index: number): string {
  const item = array.items[index] as Span;
  const before = array.items[index - 1];
  const isLast = index === array.items.length - 1;
  const comma = layout.commaAfter(item.end);
  const commaBefore = before && layout.commaAfter(before.end);
  const { start, end } = spanOf(layout, item, comma ?? item.end, isLast, commaBefore ?? before?.end);
  const edited = layout.splice(start, end, '');
  // Removing a last item that has no comma after it also removes the comma before it.
  if (!isLast || comma !== undefined || before === undefined || commaBefore === undefined) return edited;
  return edited.slice(0, before.end) + edited.slice(commaBefore);
}

/** Finds the text to remove with an item: its whole line if it has one, otherwise the blanks beside a neighbour. */
function spanOf(
  layout: Layout,
  item: Span,
  end: number,
  isLast: boolean,
  endBefore: number | undefined,
): Span {
  const lineEnd = layout.lineEndAfter(end);
  if (lineEnd !== undefined && layout.isFirstOnLine(item.start)) {
    return { start: layout.lineStart(item.start), end: layout.nextLine(lineEnd) };
  }
  if (!isLast) return { start: item.start, end: layout.afterBlanks(end) };
  if (endBefore !== undefined && layout.isBlank(endBefore, item.start)) return { start: endBefore, end };
  return { start: layout.beforeBlanks(item.start), end };
}
