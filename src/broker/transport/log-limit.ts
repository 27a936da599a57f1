// Keeps those who do the same wrong over and over from filling the log.

/** How long a line keeps its like out (server.go, startRateLimitLogExpiration). */
const intervalMs = 1000;

/** Lines that are remembered at the most; more different ones than that in a second are not logged. */
const capacity = 1000;

export class LogLimit {
  readonly #logged = new Set<string>();
  #since = 0;

  /** Whether a line may be logged now: the same text was not, in the last second. @param now milliseconds */
  allows(text: string, now: number): boolean {
    if (now - this.#since >= intervalMs) {
      this.#logged.clear();
      this.#since = now;
    }
    if (this.#logged.has(text) || this.#logged.size >= capacity) return false;
    this.#logged.add(text);
    return true;
  }
}
