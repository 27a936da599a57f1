// Reads typed options from a parsed block and collects its problems: wrong types, unknown fields.
// It has no list of options; the caller reads each one by name.

import { longestTimerMs, parseGoDuration } from '../duration.ts';
import { nearest } from '../suggest.ts';
import { type ConfProblem, confProblem } from './error.ts';
import type { ArrayValue, Entry, MapValue, Position, Value } from './value.ts';

type ValueOf<K extends Value['kind']> = Extract<Value, { kind: K }>;

/** With more unknown fields than this in one block, they are not spelling mistakes, and the rest get no suggestion. */
const maxGuesses = 50;

/**
 * Reads one block. Keys match in any case, as in nats-server. Every getter takes the name of the option and its aliases.
 * It returns undefined when the option is absent or invalid, and adds a problem when it is invalid.
 */
export class MapReader {
  readonly #map: MapValue;
  readonly #problems: ConfProblem[];
  readonly #where: string;
  readonly #entries = new Map<string, Entry>();
  readonly #asked = new Set<string>();

  /** @param where the block as messages name it, such as `tls` or `cluster.tls`; empty for the top level */
  constructor(map: MapValue, problems: ConfProblem[], where: string) {
    this.#map = map;
    this.#problems = problems;
    this.#where = where === '' ? '' : ` in ${where}`;
    for (const entry of map.entries.values()) {
      const name = entry.key.toLowerCase();
      const earlier = this.#entries.get(name);
      if (earlier !== undefined) this.#sameOption(entry, earlier);
      this.#entries.set(name, entry);
    }
  }

  string(name: string, ...aliases: string[]): string | undefined {
    return this.#typed('string', name, aliases)?.value;
  }

  boolean(name: string, ...aliases: string[]): boolean | undefined {
    return this.#typed('boolean', name, aliases)?.value;
  }

  /** A whole number that JavaScript represents exactly (below 2^53). */
  integer(name: string, ...aliases: string[]): number | undefined {
    const found = this.#typed('integer', name, aliases);
    if (found === undefined) return undefined;
    const value = Number(found.value);
    if (Number.isSafeInteger(value)) return value;
    this.error(found.position, `the number for "${name}"${this.#where} is too large`);
    return undefined;
  }

  /** A whole number or one with a fraction. */
  number(name: string, ...aliases: string[]): number | undefined {
    const found = this.value(name, ...aliases);
    if (found === undefined) return undefined;
    if (found.kind === 'integer' || found.kind === 'float') return Number(found.value);
    this.#wrongType(name, 'a number', found);
    return undefined;
  }

  /**
   * Milliseconds: a bare number counts seconds, a string is a Go duration (nats-server's parseDuration). A duration that
   * no timer accepts, more than 24 days, becomes the longest delay of a timer.
   */
  durationMs(name: string, ...aliases: string[]): number | undefined {
    const found = this.value(name, ...aliases);
    if (found === undefined) return undefined;
    if (found.kind === 'integer' || found.kind === 'float') {
      return Math.min(Number(found.value) * 1000, longestTimerMs);
    }
    if (found.kind !== 'string') {
      this.#wrongType(name, 'a duration', found);
      return undefined;
    }
    const milliseconds = parseGoDuration(found.value);
    if (milliseconds === undefined) {
      this.error(
        found.position,
        `"${name}"${this.#where} is not a duration`,
        'write numbers with units h, m, s or ms, for example "2s" or "1h30m"',
      );
      return undefined;
    }
    return Math.min(milliseconds, longestTimerMs);
  }

  /** One string, or an array of strings; undefined when absent, an empty array when empty. */
  strings(name: string, ...aliases: string[]): string[] | undefined {
    const found = this.value(name, ...aliases);
    if (found === undefined) return undefined;
    if (found.kind === 'string') return [found.value];
    if (found.kind !== 'array') {
      this.#wrongType(name, 'a string or an array of strings', found);
      return undefined;
    }
    const strings: string[] = [];
    for (const item of found.items) {
      if (item.kind === 'string') strings.push(item.value);
      else this.#wrongType(name, 'an array of strings', item);
    }
    return strings.length === found.items.length ? strings : undefined;
  }

  map(name: string, ...aliases: string[]): MapValue | undefined {
    return this.#typed('map', name, aliases);
  }

  array(name: string, ...aliases: string[]): ArrayValue | undefined {
    return this.#typed('array', name, aliases);
  }

  /** The value as parsed, for an option that accepts several types. */
  value(name: string, ...aliases: string[]): Value | undefined {
    return this.#find([name, ...aliases])?.value;
  }

  has(name: string, ...aliases: string[]): boolean {
    return this.#find([name, ...aliases]) !== undefined;
  }

  /** The position of the option's value, or of the block when the option is absent. */
  position(name: string, ...aliases: string[]): Position {
    return (this.#find([name, ...aliases])?.value ?? this.#map).position;
  }

  error(position: Position, message: string, hint?: string): void {
    this.#problems.push(confProblem('error', position, message, hint));
  }

  warning(position: Position, message: string, hint?: string, code?: string): void {
    this.#problems.push(confProblem('warning', position, message, hint, code));
  }

  /** Reports every field that no getter has read and no variable refers to. Call it once, after all getters. */
  finish(): void {
    let guesses = 0;
    for (const [name, entry] of this.#entries) {
      if (this.#asked.has(name) || entry.referenced) continue;
      const known = guesses++ < maxGuesses ? nearest(name, this.#asked) : undefined;
      this.error(
        entry.keyPosition,
        `unknown field ${JSON.stringify(shorten(entry.key))}${this.#where}`,
        known === undefined ? undefined : `did you mean "${known}"`,
      );
    }
  }

  #find(names: readonly string[]): Entry | undefined {
    let found: Entry | undefined;
    for (const name of names) {
      const entry = this.#entries.get(name.toLowerCase());
      const isNew = !this.#asked.has(name.toLowerCase());
      this.#asked.add(name.toLowerCase());
      if (entry === undefined) continue;
      if (found === undefined) found = entry;
      else if (isNew) this.#sameOption(entry, found);
    }
    return found;
  }

  #typed<K extends Value['kind']>(kind: K, name: string, aliases: readonly string[]): ValueOf<K> | undefined {
    const found = this.value(name, ...aliases);
    if (found === undefined) return undefined;
    if (isKind(found, kind)) return found;
    this.#wrongType(name, NOUNS[kind], found);
    return undefined;
  }

  #wrongType(name: string, expected: string, found: Value): void {
    this.error(
      found.position,
      `expected ${expected} for "${name}"${this.#where}, found ${NOUNS[found.kind]}`,
    );
  }

  // nats-server would use one of the two at random.
  #sameOption(entry: Entry, earlier: Entry): void {
    this.error(entry.keyPosition, `"${entry.key}"${this.#where} is the same option as "${earlier.key}"`);
  }
}

/** Each kind of value as messages name it. */
const NOUNS: Readonly<Record<Value['kind'], string>> = {
  string: 'a string',
  integer: 'an integer',
  float: 'a number with a fraction',
  boolean: 'a boolean',
  datetime: 'a date',
  array: 'an array',
  map: 'a block',
};

function isKind<K extends Value['kind']>(value: Value, kind: K): value is ValueOf<K> {
  return value.kind === kind;
}

function shorten(key: string): string {
  return key.length > 64 ? `${key.slice(0, 63)}…` : key;
}
