// What a configuration file says, literally: every entry, value and include with the span of text it takes, before
// variables and includes mean anything. The editor works on this; the parser turns it into values.

/** A piece of the text, in offsets of UTF-16 code units; `end` is exclusive. */
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

/** `key value`; the span runs from the key (its quote included) to the end of the value. */
export interface EntryNode extends Span {
  readonly kind: 'entry';
  readonly key: string;
  readonly value: ValueNode;
}

/** `include NAME`, which stands where an entry could. */
export interface IncludeNode extends Span {
  readonly kind: 'include';
  readonly name: string;
}

export type MemberNode = EntryNode | IncludeNode;

export interface DocumentNode {
  readonly members: readonly MemberNode[];
  /** Where the brace stands that closes the whole document, if it has one; new entries go before it. */
  readonly closingBrace: number | undefined;
}
