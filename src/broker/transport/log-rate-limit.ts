// Rate limit for log lines: keeps peers that repeat the same mistake from filling the log.

/** Interval in which an identical line is logged once, in milliseconds (server.go, startRateLimitLogExpiration). */
const intervalMs = 1000;

/** Maximum number of different lines logged per interval; the rest is dropped. */
const capacity = 1000;

export class LogRateLimit {
  readonly #logged = new Set<string>();
  #since = 0;

  /** Whether a line may be logged: not if the same text was logged in this interval. @param now milliseconds */
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
