// Who listens to what: a trie of subscriptions by the tokens of their subjects, with queue groups and wildcards.
// Knows nothing of those who listen.
import { MatchCache } from './match-cache.ts';
import { hasWildcard, isSubscribable, tokens } from './subject.ts';

/** Everything that listens to one literal subject. Not to be changed; may be kept. */
export interface Match<T> {
  readonly plain: readonly T[];
  /** One list a queue group, never empty; groups of one name are one group, whatever subjects their members gave. */
  readonly queues: readonly (readonly T[])[];
}

/** Most nodes hold one thing only, so none of its parts is made before it is needed. */
class Node<T> {
  /** By token; the wildcards stand under `*` and `>`. */
  children: Map<string, Node<T>> | undefined = undefined;
  plain: Set<T> | undefined = undefined;
  queues: Map<string, Set<T>> | undefined = undefined;

  child(token: string): Node<T> {
    this.children ??= new Map();
    return getOrAdd(this.children, token, () => new Node<T>());
  }

  members(queue: string | undefined): Set<T> {
    if (queue === undefined) {
      this.plain ??= new Set();
      return this.plain;
    }
    this.queues ??= new Map();
    return getOrAdd(this.queues, queue, () => new Set<T>());
  }

  /** Takes a subscription out; false where it is not in. */
  delete(queue: string | undefined, item: T): boolean {
    const members = queue === undefined ? this.plain : this.queues?.get(queue);
    if (members === undefined || !members.delete(item)) return false;
    if (members.size > 0) return true;
    if (queue === undefined) this.plain = undefined;
    else this.queues?.delete(queue);
    return true;
  }

  get empty(): boolean {
    return (this.children?.size ?? 0) + (this.plain?.size ?? 0) + (this.queues?.size ?? 0) === 0;
  }
}

interface Collected<T> {
  readonly plain: T[];
  readonly queues: Map<string, T[]>;
}

/** What was done with a sublist so far. */
export interface SublistStatistics {
  readonly size: number;
  readonly inserts: number;
  readonly removes: number;
  readonly matches: number;
  /** Matches that were known already. */
  readonly hits: number;
  /** How many listen to each subject that is remembered; one for a queue group. */
  readonly fanouts: readonly number[];
}

const nobody: Match<never> = { plain: [], queues: [] };

/** Subscriptions of one account. */
export class Sublist<T> {
  readonly #root = new Node<T>();
  readonly #cache = new MatchCache<Match<T>>();
  #size = 0;
  #inserts = 0;
  #removes = 0;
  #matches = 0;
  #searches = 0;
  #version = 0;

  /** How many subscriptions there are. */
  get size(): number {
    return this.#size;
  }

  /** Another number after each change: as long as it is the same, every match is. */
  get version(): number {
    return this.#version;
  }

  /** All subscriptions, in no particular order. */
  *[Symbol.iterator](): Generator<T> {
    yield* itemsOf(this.#root);
  }

  /** Counts what was done, and looks through what is remembered. */
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

  /** Adds a subscription; false where its subject is not valid. Adding the same one again changes nothing. */
  insert(subject: Buffer, queue: string | undefined, item: T): boolean {
    if (!isSubscribable(subject)) return false;
    let node = this.#root;
    for (const token of tokens(subject)) node = node.child(token);
    const members = node.members(queue);
    if (members.has(item)) return true;
    members.add(item);
    this.#size++;
    this.#inserts++;
    this.#version++;
    this.#forget(subject);
    return true;
  }

  /** Removes a subscription; false where there is no such one. */
  remove(subject: Buffer, queue: string | undefined, item: T): boolean {
    const path: { token: string; parent: Node<T> }[] = [];
    let node: Node<T> | undefined = this.#root;
    for (const token of tokens(subject)) {
      path.push({ token, parent: node });
      node = node.children?.get(token);
      if (node === undefined) return false;
    }
    if (!node.delete(queue, item)) return false;
    for (const { token, parent } of path.reverse()) {
      if (parent.children?.get(token)?.empty !== true) break;
      parent.children.delete(token);
    }
    this.#size--;
    this.#removes++;
    this.#version++;
    this.#forget(subject);
    return true;
  }

  /** Everything that listens to the literal subject `buffer[start, end)`. */
  match(buffer: Buffer, start: number, end: number): Match<T> {
    this.#matches++;
    const known = this.#cache.find(buffer, start, end);
    if (known !== undefined) return known;
    this.#searches++;
    const match = this.#search(tokens(buffer.subarray(start, end)));
    this.#cache.add(buffer, start, end, match, sizeOf(match));
    return match;
  }

  /** Counts a match that the caller has kept. */
  countKept(): void {
    this.#matches++;
  }

  #search(subject: readonly string[]): Match<T> {
    if (subject.includes('')) return nobody;
    const found: Collected<T> = { plain: [], queues: new Map() };
    descend(this.#root, subject, 0, found);
    if (found.plain.length + found.queues.size === 0) return nobody;
    return { plain: found.plain, queues: [...found.queues.values()] };
  }

  /** Inboxes come and go all the time, so a literal subject must not cost the others their place in the cache. */
  #forget(subject: Buffer): void {
    if (hasWildcard(subject)) this.#cache.clear();
    else this.#cache.forget(subject);
  }
}

function* itemsOf<T>(node: Node<T>): Generator<T> {
  yield* node.plain ?? [];
  for (const members of node.queues?.values() ?? []) yield* members;
  for (const child of node.children?.values() ?? []) yield* itemsOf(child);
}

function sizeOf({ plain, queues }: Match<unknown>): number {
  return queues.reduce((sum, group) => sum + group.length, plain.length);
}

function descend<T>(node: Node<T>, subject: readonly string[], depth: number, found: Collected<T>): void {
  if (depth === subject.length) {
    collect(node, found);
    return;
  }
  const rest = node.children?.get('>');
  if (rest !== undefined) collect(rest, found);
  const any = node.children?.get('*');
  if (any !== undefined) descend(any, subject, depth + 1, found);
  const token = subject[depth] as string;
  // A message may carry a wildcard in its subject; it stands for nothing there.
  if (token === '*' || token === '>') return;
  const named = node.children?.get(token);
  if (named !== undefined) descend(named, subject, depth + 1, found);
}

function collect<T>(node: Node<T>, found: Collected<T>): void {
  for (const item of node.plain ?? []) found.plain.push(item);
  for (const [queue, members] of node.queues ?? []) {
    const group = getOrAdd(found.queues, queue, (): T[] => []);
    for (const item of members) group.push(item);
  }
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const value = make();
  map.set(key, value);
  return value;
}
