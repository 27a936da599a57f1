// Finds subscriptions by subject, with queue groups; subscriptions with wildcards are in a trie of tokens.
// Subjects are Latin-1, one character per byte. It does not know what a subscription is.
import { type Collected, collect, each, isAmong, joined, type Listeners, left } from './listeners.ts';
import { MatchCache } from './match-cache.ts';

/** All subscriptions to one literal subject. Immutable; callers may keep it. */
export interface Match<T> {
  readonly plain: readonly T[];
  /** One list per queue group, never empty. Members of the same group name form one group, whatever their subjects. */
  readonly queues: readonly (readonly T[])[];
}

/** A node in the trie of subjects with wildcards. */
class Node<T> {
  /** Subscriptions to the subject that ends here. */
  here: Listeners<T> = undefined;
  /** Subscriptions that end with `>` here. */
  rest: Listeners<T> = undefined;
  /** The child for any token: `*`. */
  any: Node<T> | undefined = undefined;
  /** The children by token; most nodes have none, and therefore no map. */
  children: Map<string, Node<T>> | undefined = undefined;

  get(token: string): Node<T> | undefined {
    return token === '*' ? this.any : this.children?.get(token);
  }

  getOrAdd(token: string): Node<T> {
    const known = this.get(token);
    if (known !== undefined) return known;
    const node = new Node<T>();
    if (token === '*') this.any = node;
    else {
      this.children ??= new Map();
      this.children.set(token, node);
    }
    return node;
  }

  delete(token: string): void {
    if (token === '*') this.any = undefined;
    else if (this.children?.delete(token) && this.children.size === 0) this.children = undefined;
  }

  get isEmpty(): boolean {
    return [this.here, this.rest, this.any, this.children].every((part) => part === undefined);
  }
}

/** Counters of a sublist since its creation. */
export interface SublistStatistics {
  readonly size: number;
  readonly inserts: number;
  readonly removes: number;
  readonly matches: number;
  /** Matches that did not need a search. */
  readonly hits: number;
  /** Number of subscriptions per cached subject; a queue group counts as one. */
  readonly fanouts: readonly number[];
}

/**
 * A class instead of an object literal. The first matches stay in the cache and survive; V8 then allocates all objects of
 * that literal in the old generation, where a hundred megabytes of short-lived ones accumulate before it collects them.
 */
class Found<T> implements Match<T> {
  readonly plain: readonly T[];
  readonly queues: readonly (readonly T[])[];

  constructor(plain: readonly T[], queues: readonly (readonly T[])[]) {
    this.plain = plain;
    this.queues = queues;
  }
}

const none: readonly never[] = [];
const noMatch: Match<never> = new Found(none, none);

/** Subscriptions of one account. */
export class Sublist<T> {
  /** Subscriptions without a wildcard: one lookup finds them, however many there are. */
  readonly #literals = new Map<string, Listeners<T>>();
  readonly #wild = new Node<T>();
  #wildSize = 0;
  readonly #cache = new MatchCache<Match<T>>();
  /** The result of a search, before it is copied to arrays of its size. */
  readonly #found: Collected<T> = { plain: [], queues: undefined };
  #size = 0;
  #inserts = 0;
  #removes = 0;
  #matches = 0;
  #searches = 0;
  #version = 0;

  /** Number of subscriptions. */
  get size(): number {
    return this.#size;
  }

  /** Differs after each change: while it is the same, every match is still valid. */
  get version(): number {
    return this.#version;
  }

  /** Iterates over all subscriptions, in no particular order. */
  *[Symbol.iterator](): Generator<T> {
    for (const listeners of this.#literals.values()) yield* each(listeners);
    yield* itemsOf(this.#wild);
  }

  /** Returns the counters, and the fan-outs of the cached matches. */
  statistics(): SublistStatistics {
    return {
      size: this.#size,
      inserts: this.#inserts,
      removes: this.#removes,
      matches: this.#matches,
      hits: this.#matches - this.#searches,
      fanouts: this.#cache.matches().map(({ plain, queues }) => plain.length + queues.length),
    };
  }

  /** Adds a subscription; returns false if its subject is invalid. Adding the same one again changes nothing. */
  insert(subject: string, queue: string | undefined, item: T): boolean {
    if (hasEmptyToken(subject)) return false;
    const words = wildTokens(subject);
    if (words === undefined) {
      const listeners = this.#literals.get(subject);
      if (isAmong(listeners, queue, item)) return true;
      this.#literals.set(subject, joined(listeners, queue, item));
      this.#cache.forget(subject);
    } else {
      const rest = words.indexOf('>');
      if (rest >= 0 && rest < words.length - 1) return false;
      if (!this.#insertWild(words, queue, item)) return true;
      this.#wildSize++;
      this.#cache.clear();
    }
    this.#size++;
    this.#inserts++;
    this.#version++;
    return true;
  }

  /** Removes a subscription; returns false if it does not exist. */
  remove(subject: string, queue: string | undefined, item: T): boolean {
    const words = wildTokens(subject);
    if (words === undefined) {
      const listeners = this.#literals.get(subject);
      if (!isAmong(listeners, queue, item)) return false;
      const others = left(listeners, queue, item);
      if (others === undefined) this.#literals.delete(subject);
      else this.#literals.set(subject, others);
      // Inboxes come and go all the time: a change of a literal subject must not invalidate the rest of the cache.
      this.#cache.forget(subject);
    } else {
      if (!this.#removeWild(words, queue, item)) return false;
      this.#wildSize--;
      this.#cache.clear();
    }
    this.#size--;
    this.#removes++;
    this.#version++;
    return true;
  }

  /** Returns all subscriptions to the literal subject `buffer[start, end)`. */
  match(buffer: Buffer, start: number, end: number): Match<T> {
    this.#matches++;
    const known = this.#cache.find(buffer, start, end);
    if (known !== undefined) return known;
    this.#searches++;
    const match = this.#search(buffer.toString('latin1', start, end));
    this.#cache.add(buffer, start, end, match, sizeOf(match));
    return match;
  }

  /** Counts a match that the caller has cached itself. */
  countKept(): void {
    this.#matches++;
  }

  #insertWild(words: string[], queue: string | undefined, item: T): boolean {
    const end = endOf(words);
    const node = words.reduce((parent, token) => parent.getOrAdd(token), this.#wild);
    if (isAmong(node[end], queue, item)) return false;
    node[end] = joined(node[end], queue, item);
    return true;
  }

  #removeWild(words: string[], queue: string | undefined, item: T): boolean {
    const end = endOf(words);
    const path = [this.#wild];
    for (const token of words) {
      const next = path.at(-1)?.get(token);
      if (next === undefined) return false;
      path.push(next);
    }
    const node = path.at(-1) as Node<T>;
    if (!isAmong(node[end], queue, item)) return false;
    node[end] = left(node[end], queue, item);
    for (let depth = words.length; depth > 0 && path[depth]?.isEmpty; depth--) {
      path[depth - 1]?.delete(words[depth - 1] as string);
    }
    return true;
  }

  #search(subject: string): Match<T> {
    const found = this.#found;
    collect(this.#literals.get(subject), found);
    if (this.#wildSize > 0 && !hasEmptyToken(subject)) descend(this.#wild, subject, 0, found);
    const { plain, queues } = found;
    if (plain.length === 0 && queues === undefined) return noMatch;
    const match = new Found(plain.slice(), queues === undefined ? none : [...queues.values()]);
    plain.length = 0;
    found.queues = undefined;
    return match;
  }
}

function* itemsOf<T>(node: Node<T>): Generator<T> {
  yield* each(node.here);
  yield* each(node.rest);
  if (node.any !== undefined) yield* itemsOf(node.any);
  for (const child of node.children?.values() ?? []) yield* itemsOf(child);
}

function sizeOf({ plain, queues }: Match<unknown>): number {
  return queues.reduce((sum, group) => sum + group.length, plain.length);
}

function hasEmptyToken(subject: string): boolean {
  return subject === '' || subject.startsWith('.') || subject.endsWith('.') || subject.includes('..');
}

/** Returns the tokens of a subject with a wildcard; undefined for other subjects. */
function wildTokens(subject: string): string[] | undefined {
  if (!subject.includes('*') && !subject.includes('>')) return undefined;
  const words = subject.split('.');
  return words.some((token) => token === '*' || token === '>') ? words : undefined;
}

/** Removes a `>` at the end; returns which listeners of the node for the remaining tokens a subscription belongs to. */
function endOf(words: string[]): 'here' | 'rest' {
  if (words.at(-1) !== '>') return 'here';
  words.pop();
  return 'rest';
}

/** Collects the subscriptions that match the rest of the subject from `from` on. @param subject without empty tokens */
function descend<T>(node: Node<T>, subject: string, from: number, found: Collected<T>): void {
  if (from > subject.length) {
    collect(node.here, found);
    return;
  }
  collect(node.rest, found);
  const { any, children } = node;
  if (any === undefined && children === undefined) return;
  const dot = subject.indexOf('.', from);
  const end = dot < 0 ? subject.length : dot;
  if (any !== undefined) descend(any, subject, end + 1, found);
  // A wildcard in the subject of a message is not special, and is never a key of `children`.
  const named = children?.get(subject.slice(from, end));
  if (named !== undefined) descend(named, subject, end + 1, found);
}
