// Remembers which requests have been seen, for as long as their time would still be accepted.

/** How far the time of a request may be from that of the authority, in milliseconds. */
export const clockToleranceMs = 5 * 60_000;

/**
 * How many requests are remembered. Only requests that a key of the authority's own certificates signed get here, so that a
 * stranger cannot fill it.
 */
const maximumRemembered = 200_000;

/**
 * Refuses a request that was seen before. It does not outlive the process: a request that is replayed after a restart gets the
 * answer that the first one got, since the authority signs a key only once.
 */
export class ReplayGuard {
  /** The time after which each may be forgotten, in the order in which they came. */
  readonly #seen = new Map<string, number>();
  readonly #maximum: number;

  constructor(maximum = maximumRemembered) {
    this.#maximum = maximum;
  }

  get size(): number {
    return this.#seen.size;
  }

  /** Returns whether a request is new, and remembers it; false as well when there is no room for another. */
  accept(id: string, now: Date): boolean {
    const at = now.getTime();
    for (const [old, until] of this.#seen) {
      if (until > at) break;
      this.#seen.delete(old);
    }
    if (this.#seen.has(id) || this.#seen.size >= this.#maximum) return false;
    // A time that is ahead by the tolerance is accepted until it is behind by it.
    this.#seen.set(id, at + 2 * clockToleranceMs + 1000);
    return true;
  }
}
