// Edits every array of strings in a configuration, whatever its name: in any block, and in a variable that another entry
// refers to. Every other byte of the text stays as it was. It lists includes, but does not open them.

import { deleteItem, insertItem } from './array-editor.ts';
import { readDocument } from './document.ts';
import { Layout } from './layout.ts';
import { printValue } from './printer.ts';
import type { ArrayNode, MemberNode, ValueNode } from './tree.ts';

/** The changes to one array. */
export interface ArrayEdit {
  /** Appended in this order. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/**
 * Returns the text with each array of strings changed as `edit` says; throws ConfErrors when the text is invalid.
 * @param edit receives the strings that an array contains literally
 * @param file the name of the text in messages
 */
export function editArrays(
  text: string,
  edit: (items: readonly string[]) => ArrayEdit,
  file: string,
): string {
  let edited = text;
  const count = arraysOf(text, file).length;
  for (let index = 0; index < count; index++) {
    const array = () => arraysOf(edited, file)[index] as ArrayNode;
    const { added, removed } = edit(strings(array()).map(({ value }) => value));
    for (const item of added) edited = insertItem(new Layout(edited), array(), printValue(item), '  ');
    for (const item of removed) {
      const position = array().items.findIndex((node) => node.kind === 'string' && node.value === item);
      if (position >= 0) edited = deleteItem(new Layout(edited), array(), position);
    }
  }
  readDocument(edited, file);
  return edited;
}

/** Lists the files that a text includes, as it names them; throws ConfErrors when the text is invalid. */
export function includesOf(text: string, file: string): string[] {
  return everyMember(readDocument(text, file).members).flatMap((member) =>
    member.kind === 'include' ? [member.name] : [],
  );
}

function arraysOf(text: string, file: string): ArrayNode[] {
  const values = everyMember(readDocument(text, file).members).flatMap((member) =>
    member.kind === 'entry' ? everyArray(member.value) : [],
  );
  return values.filter((array) => strings(array).length > 0);
}

function strings(array: ArrayNode) {
  return array.items.filter((item) => item.kind === 'string');
}

/** Lists an array and the arrays nested in it; everyMember covers those inside a map. */
function everyArray(value: ValueNode): ArrayNode[] {
  return value.kind === 'array' ? [value, ...value.items.flatMap(everyArray)] : [];
}

function everyMember(members: readonly MemberNode[]): MemberNode[] {
  const inValue = (value: ValueNode): MemberNode[] => {
    if (value.kind === 'map') return everyMember(value.members);
    return value.kind === 'array' ? value.items.flatMap(inValue) : [];
  };
  return members.flatMap((member) => [member, ...(member.kind === 'entry' ? inValue(member.value) : [])]);
}
