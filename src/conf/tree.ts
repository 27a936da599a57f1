// The syntax tree of a configuration file: every entry, value and include with its span of text, before variables and
// includes are resolved. The editor works on this tree; the parser turns it into values.

/** A part of the text, as offsets in UTF-16 code units; `end` is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type ScalarNode = Span &
  (
    | { readonly kind: 'string'; readonly value: string }
    | { readonly kind: 'integer'; readonly value: bigint }
    | { readonly kind: 'float'; readonly value: number }
    | { readonly kind: 'boolean'; readonly value: boolean }
    | { readonly kind: 'datetime'; readonly value: Date }
    | { readonly kind: 'variable'; readonly name: string }
  );

export interface ArrayNode extends Span {
  readonly kind: 'array';
  readonly items: readonly ValueNode[];
}

export interface MapNode extends Span {
  readonly kind: 'map';
  readonly members: readonly MemberNode[];
}

export type ValueNode = ScalarNode | ArrayNode | MapNode;

/** `key value`; the span extends from the key, including its quote, to the end of the value. */
export interface EntryNode extends Span {
  readonly kind: 'entry';
  readonly key: string;
  readonly value: ValueNode;
}

/** `include NAME`, in place of an entry. */
export interface IncludeNode extends Span {
  readonly kind: 'include';
  readonly name: string;
}

export type MemberNode = EntryNode | IncludeNode;

export interface DocumentNode {
  readonly members: readonly MemberNode[];
  /** Offset of the brace that closes the whole document, if it has one; new entries are added before it. */
  readonly closingBrace: number | undefined;
}
