// Asks a silent client whether it is still there, and notices when it does not answer. Sends nothing itself.

/** The first PING comes early, to measure the way (server.go, firstClientPingInterval). */
const firstMs = 2000;

export interface HeartbeatSettings {
  readonly pingIntervalMs: number;
  /** PINGs that may be unanswered. */
  readonly pingMax: number;
}

export class Heartbeat {
  readonly #settings: () => HeartbeatSettings;
  readonly #ping: () => void;
  readonly #stale: () => void;
  #timer: NodeJS.Timeout | undefined;
  #probe: NodeJS.Timeout | undefined;
  #rttMs = 0;
  /** When it was asked last; before that, when the connection was made. */
  #askedAt = performance.now();
  #unanswered = 0;
  #asked = false;
  /** Since the last beat. */
  #wasActive = false;

  /**
   * @param settings asked each time, so that a reload counts
   * @param ping sends a PING
   * @param stale called once, when too many have not been answered
   */
  constructor(settings: () => HeartbeatSettings, ping: () => void, stale: () => void) {
    this.#settings = settings;
    this.#ping = ping;
    this.#stale = stale;
  }

  /** Milliseconds that the last answer took; the first time, those until CONNECT. 0 before. */
  get rttMs(): number {
    return this.#rttMs;
  }

  start(): void {
    this.#schedule(this.#settings().pingIntervalMs);
  }

  /** The client has said CONNECT. @param random spreads the clients that come at the same time */
  connected(random: () => number): void {
    this.#rttMs = performance.now() - this.#askedAt;
    const delay = Math.min(this.#settings().pingIntervalMs, firstMs);
    this.#schedule(delay * (1 + random() / 5));
  }

  /** The client did something, so it need not be asked for a while. */
  active(): void {
    this.#wasActive = true;
  }

  answered(): void {
    if (this.#unanswered > 0) this.#rttMs = performance.now() - this.#askedAt;
    this.#unanswered = 0;
    clearTimeout(this.#probe);
    this.#probe = undefined;
  }

  /** Asks at once, whatever the settings say. */
  ask(): void {
    this.#asked = true;
    this.#unanswered++;
    this.#askedAt = performance.now();
    this.#ping();
  }

  /** Asks at once, and gives the answer only this many milliseconds to come. */
  probe(milliseconds: number): void {
    if (this.#probe !== undefined) return;
    this.#probe = setTimeout(this.#stale, milliseconds);
    this.ask();
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#probe);
  }

  #schedule(delay: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#beat, delay);
  }

  readonly #beat = (): void => {
    const { pingIntervalMs, pingMax } = this.#settings();
    // Once it is asked in any case: that measures the way.
    if (!this.#asked || !this.#wasActive) {
      if (this.#unanswered + 1 > pingMax) {
        this.#stale();
        return;
      }
      this.ask();
    }
    this.#wasActive = false;
    this.#schedule(pingIntervalMs);
  };
}
