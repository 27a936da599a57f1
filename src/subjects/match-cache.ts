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

  /** Remembers a match of `size` subscriptions that `find` did not know; copies the subject. */
  add(buffer: Buffer, start: number, end: number, match: M, size: number): void {
    if (this.#weight + 1 + size > capacity) this.#empty();
    this.#weight += 1 + size;
    if (this.#entries.length === 0) this.#entries = new Array(ways * sets).fill(undefined);
    const hash = hashOf(buffer, start, end);
    const subject = Buffer.from(buffer.subarray(start, end));
    const entry = { hash, generation: this.#generation, subject, match, used: false };
    this.#entries[this.#victim(firstOf(hash))] = entry;
  }

  /** Lists what is remembered. */
  matches(): M[] {
    return this.#entries.flatMap((entry) => (entry?.generation === this.#generation ? [entry.match] : []));
  }

  /** Forgets one subject. */
  forget(subject: Buffer): void {
    this.#last = undefined;
    const hash = hashOf(subject, 0, subject.length);
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

  /** The first place that is free, or else the first that was not used since it was last passed over. */
  #victim(first: number): number {
    for (let index = first; index < first + ways; index++) {
      if (this.#entries[index]?.generation !== this.#generation) return index;
    }
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
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (buffer[at] as number)) | 0;
  return hash;
}

function firstOf(hash: number): number {
  // The high bits are mixed in: the low ones of numbered subjects follow a pattern.
  const mixed = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((mixed ^ (mixed >>> 12)) & (sets - 1)) * ways;
}

function same(subject: Buffer, buffer: Buffer, start: number, end: number): boolean {
  if (subject.length !== end - start) return false;
  // Numbered subjects differ at their end.
  for (let at = end - 1; at >= start; at--) {
    if (subject[at - start] !== buffer[at]) return false;
  }
  return true;
}
