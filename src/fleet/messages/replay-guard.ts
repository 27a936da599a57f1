// Remembers which requests have been seen, for as long as their time would still be accepted.

/** How far the time of a request may be from that of the authority, in milliseconds. */
export const clockToleranceMs = 5 * 60_000;

/**
 * How many requests are remembered. Only requests that a key of the authority's own certificates signed get here, so that a
 * stranger cannot fill it.
 */
const maximumRemembered = 200_000;
/** How many requests of one member are remembered, so that one member cannot keep the others out. */
const maximumOfMember = 10_000;

/**
 * Refuses a request that was seen before. It does not outlive the process: a request that is replayed after a restart gets the
 * answer that the first one got, or, after `rotate --ca`, another certificate for the same key.
 */
export class ReplayGuard {
  /** Of each, the time after which it may be forgotten, and its member, in the order in which they came. */
  readonly #seen = new Map<string, { readonly until: number; readonly member: string }>();
  /** How many there are of each member. */
  readonly #counts = new Map<string, number>();
  readonly #maximum: number;
  readonly #maximumOfMember: number;

  constructor(maximum = maximumRemembered, ofMember = maximumOfMember) {
    this.#maximum = maximum;
    this.#maximumOfMember = ofMember;
  }

  get size(): number {
    return this.#seen.size;
  }

  /**
   * Returns whether a request is new, and remembers it; false as well when there is no room for another.
   * @param member whose request it is; its certificates share the room
   */
  accept(id: string, member: string, now: Date): boolean {
    const at = now.getTime();
    for (const [old, { until, member: of }] of this.#seen) {
      if (until > at) break;
      this.#seen.delete(old);
      this.#count(of, -1);
    }
    if (this.#seen.has(id) || this.#seen.size >= this.#maximum) return false;
    if ((this.#counts.get(member) ?? 0) >= this.#maximumOfMember) return false;
    // A time that is ahead by the tolerance is accepted until it is behind by it.
    this.#seen.set(id, { until: at + 2 * clockToleranceMs + 1000, member });
    this.#count(member, 1);
    return true;
  }

  #count(member: string, by: number): void {
    const count = (this.#counts.get(member) ?? 0) + by;
    if (count === 0) this.#counts.delete(member);
    else this.#counts.set(member, count);
  }
}
