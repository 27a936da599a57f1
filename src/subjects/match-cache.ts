// Caches the subscriptions of a literal subject by its bytes, so that no string is created for a message.
// The cache is bounded, and subjects that occur once do not evict subjects that occur repeatedly.

/** Number of entries for subjects with the same hash bits. */
const ways = 4;
const sets = 1024;

/** Maximum weight of all matches together: each one counts once, and once more per subscription. */
const capacity = 1 << 20;

/** Below this weight, matches of earlier generations stay in memory, because releasing them takes time as well. */
const negligible = 4096;

interface Entry<M> {
  hash: number;
  generation: number;
  subject: Buffer;
  match: M;
  /** Whether it was looked up since it was last spared from eviction. */
  used: boolean;
}

/** A set-associative cache of subject bytes to matches. */
export class MatchCache<M> {
  #entries: (Entry<M> | undefined)[] = [];
  /** Hashes of subjects that were not added for want of a free entry. */
  #rejected: Int32Array | undefined;
  /** Entries of an earlier generation are invalid. */
  #generation = 0;
  /** The most recently found entry: most publishers repeat the same subject. */
  #last: Entry<M> | undefined;
  /** Weight of all matches added since the cache was empty. */
  #weight = 0;

  /** Returns the match of the subject `buffer[start, end)`, or undefined. */
  find(buffer: Buffer, start: number, end: number): M | undefined {
    const last = this.#last;
    if (last?.generation === this.#generation && same(last.subject, buffer, start, end)) return last.match;
    const hash = hashOf(buffer, start, end);
    const first = firstOf(hash);
    for (let index = first; index < first + ways; index++) {
      const entry = this.#entries[index];
      if (
        entry !== undefined &&
        entry.hash === hash &&
        entry.generation === this.#generation &&
        same(entry.subject, buffer, start, end)
      ) {
        entry.used = true;
        this.#last = entry;
        return entry.match;
      }
    }
    return undefined;
  }

  /**
   * Adds a match of `size` subscriptions that `find` did not return; copies the subject. The first occurrence of a subject
   * evicts no entry, and allocates nothing that would be garbage by its next occurrence.
   */
  add(buffer: Buffer, start: number, end: number, match: M, size: number): void {
    const hash = hashOf(buffer, start, end);
    const first = firstOf(hash);
    const index = this.#freeIndex(first) ?? (this.#isRepeated(hash) ? this.#victim(first) : undefined);
    if (index === undefined) return;
    if (this.#weight + 1 + size > capacity) this.#empty();
    this.#weight += 1 + size;
    if (this.#entries.length === 0) this.#entries = new Array(ways * sets).fill(undefined);
    const subject = Buffer.from(buffer.subarray(start, end));
    this.#entries[index] = { hash, generation: this.#generation, subject, match, used: false };
  }

  /** Lists the cached matches. */
  matches(): M[] {
    return this.#entries.flatMap((entry) => (entry?.generation === this.#generation ? [entry.match] : []));
  }

  /** Removes one subject. @param subject in Latin-1 */
  forget(subject: string): void {
    if (this.#entries.length === 0) return;
    this.#last = undefined;
    let hash = 0;
    for (let at = 0; at < subject.length; at++) hash = next(hash, subject.charCodeAt(at));
    const first = firstOf(hash);
    for (let index = first; index < first + ways; index++) {
      if (this.#entries[index]?.hash === hash) this.#entries[index] = undefined;
    }
  }

  /** Invalidates all entries, in constant time. */
  clear(): void {
    this.#generation++;
    if (this.#weight >= negligible) this.#empty();
  }

  #empty(): void {
    this.#entries = [];
    this.#last = undefined;
    this.#weight = 0;
  }

  #freeIndex(first: number): number | undefined {
    for (let index = first; index < first + ways; index++) {
      if (this.#entries[index]?.generation !== this.#generation) return index;
    }
    return undefined;
  }

  /** Returns whether a subject without a free entry was rejected before, not long ago; records it otherwise. */
  #isRepeated(hash: number): boolean {
    this.#rejected ??= new Int32Array(ways * sets);
    const index = mix(hash) & (ways * sets - 1);
    if (this.#rejected[index] === hash) return true;
    this.#rejected[index] = hash;
    return false;
  }

  /** Returns the first index whose entry was not used since it was last spared. */
  #victim(first: number): number {
    for (let index = first; index < first + ways; index++) {
      const entry = this.#entries[index] as Entry<M>;
      if (!entry.used) return index;
      entry.used = false;
    }
    return first;
  }
}

function hashOf(buffer: Buffer, start: number, end: number): number {
  let hash = 0;
  for (let at = start; at < end; at++) hash = next(hash, buffer[at] as number);
  return hash;
}

function next(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0;
}

function firstOf(hash: number): number {
  return (mix(hash) & (sets - 1)) * ways;
}

/** Mixes in the high bits, because the low bits of numbered subjects follow a pattern. */
function mix(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 12);
}

function same(subject: Buffer, buffer: Buffer, start: number, end: number): boolean {
  if (subject.length !== end - start) return false;
  // From the end, because numbered subjects differ there.
  for (let at = end - 1; at >= start; at--) {
    if (subject[at - start] !== buffer[at]) return false;
  }
  return true;
}
