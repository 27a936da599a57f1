// The typed values of a configuration file, each with its position.

/** A position in a configuration file; line and column count from 1, columns and offsets in UTF-16 code units. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

interface Located {
  /** The first character of the value, or of the variable reference that it came from. */
  readonly position: Position;
}

export interface StringValue extends Located {
  readonly kind: 'string';
  readonly value: string;
}
/** An int64, multiplied by its suffix (`1k`, `64MB`). */
export interface IntegerValue extends Located {
  readonly kind: 'integer';
  readonly value: bigint;
}
export interface FloatValue extends Located {
  readonly kind: 'float';
  readonly value: number;
}
export interface BooleanValue extends Located {
  readonly kind: 'boolean';
  readonly value: boolean;
}
export interface DatetimeValue extends Located {
  readonly kind: 'datetime';
  readonly value: Date;
}
export interface ArrayValue extends Located {
  readonly kind: 'array';
  readonly items: readonly Value[];
}
export interface MapValue extends Located {
  readonly kind: 'map';
  /** In the order of the file; a key given twice keeps its last value, as in nats-server. */
  readonly entries: ReadonlyMap<string, Entry>;
}

/** One `key value` of a map, with the position of the key. */
export interface Entry {
  readonly key: string;
  readonly keyPosition: Position;
  readonly value: Value;
  /** Whether a `$NAME` refers to it: such an entry need not be a known field (nats-server server/opts.go). */
  readonly referenced: boolean;
}

export type Value =
  | StringValue
  | IntegerValue
  | FloatValue
  | BooleanValue
  | DatetimeValue
  | ArrayValue
  | MapValue;
