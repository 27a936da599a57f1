// Remembers which subscriptions a literal subject has, found by its bytes: no string is made for a message.
// Bounded; subjects that come once do not drive out those that come again.

/** Subjects with the same hash bits share this many places. */
const ways = 4;
const sets = 1024;

/** What matches may weigh together, one for each and one for each of their subscriptions: a few wide ones are many. */
const capacity = 1 << 20;

/** Matches of an earlier generation that weigh less than this stay, since letting go of them takes its time as well. */
const negligible = 4096;

interface Entry<M> {
  hash: number;
  generation: number;
  subject: Buffer;
  match: M;
  /** Looked up again since it was last passed over for eviction. */
  used: boolean;
}

/** A set-associative cache of subject bytes to matches. */
export class MatchCache<M> {
  #entries: (Entry<M> | undefined)[] = [];
  /** Hashes of subjects that found no free place. */
  #turnedAway: Int32Array | undefined;
  /** Entries of an earlier generation count for nothing. */
  #generation = 0;
  /** What was found last: most publishers say the same subject again and again. */
  #last: Entry<M> | undefined;
  /** Of all matches that came since the cache was empty. */
  #weight = 0;

  /** The match of the subject `buffer[start, end)`, or undefined. */
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
   * Remembers a match of `size` subscriptions that `find` did not know; copies the subject. For a subject that comes for
   * the first time nothing is driven out, and nothing is made that would be garbage by the time it comes again.
   */
  add(buffer: Buffer, start: number, end: number, match: M, size: number): void {
    const hash = hashOf(buffer, start, end);
    const first = firstOf(hash);
    const place = this.#freePlace(first) ?? (this.#comesAgain(hash) ? this.#victim(first) : undefined);
    if (place === undefined) return;
    if (this.#weight + 1 + size > capacity) this.#empty();
    this.#weight += 1 + size;
    if (this.#entries.length === 0) this.#entries = new Array(ways * sets).fill(undefined);
    const subject = Buffer.from(buffer.subarray(start, end));
    this.#entries[place] = { hash, generation: this.#generation, subject, match, used: false };
  }

  /** Lists what is remembered. */
  matches(): M[] {
    return this.#entries.flatMap((entry) => (entry?.generation === this.#generation ? [entry.match] : []));
  }

  /** Forgets one subject. @param subject in Latin-1 */
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

  /** Forgets everything, at once. */
  clear(): void {
    this.#generation++;
    if (this.#weight >= negligible) this.#empty();
  }

  #empty(): void {
    this.#entries = [];
    this.#last = undefined;
    this.#weight = 0;
  }

  #freePlace(first: number): number | undefined {
    for (let index = first; index < first + ways; index++) {
      if (this.#entries[index]?.generation !== this.#generation) return index;
    }
    return undefined;
  }

  /** Whether a subject that finds no free place has not found one before, not long ago. */
  #comesAgain(hash: number): boolean {
    this.#turnedAway ??= new Int32Array(ways * sets);
    const place = mix(hash) & (ways * sets - 1);
    if (this.#turnedAway[place] === hash) return true;
    this.#turnedAway[place] = hash;
    return false;
  }

  /** The first place that was not used since it was last passed over. */
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

/** Mixes the high bits in: the low ones of numbered subjects follow a pattern. */
function mix(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return mixed ^ (mixed >>> 12);
}

function same(subject: Buffer, buffer: Buffer, start: number, end: number): boolean {
  if (subject.length !== end - start) return false;
  // Numbered subjects differ at their end.
  for (let at = end - 1; at >= start; at--) {
    if (subject[at - start] !== buffer[at]) return false;
  }
  return true;
}
