// Schedules PINGs to an idle peer, measures the round-trip time and detects a stale connection. Its callbacks do the
// sending and closing.

/**
 * Delay of the first PING in milliseconds: early, to measure the round-trip time (server.go, firstClientPingInterval).
 */
const firstMs = 2000;

export interface HeartbeatSettings {
  readonly pingIntervalMs: number;
  /** Maximum number of unanswered PINGs. */
  readonly pingMax: number;
}

export class Heartbeat {
  readonly #settings: () => HeartbeatSettings;
  readonly #sendPing: () => void;
  readonly #onStale: () => void;
  #timer: NodeJS.Timeout | undefined;
  #probe: NodeJS.Timeout | undefined;
  #rttMs = 0;
  /** When the last PING was sent; before the first one, when the connection was made. */
  #pingedAt = performance.now();
  #unanswered = 0;
  #hasPinged = false;
  /** Whether the peer was active since the last beat. */
  #wasActive = false;

  /**
   * @param settings read on each use, so that a reload takes effect
   * @param sendPing sends a PING
   * @param onStale called once, when too many PINGs are unanswered
   */
  constructor(settings: () => HeartbeatSettings, sendPing: () => void, onStale: () => void) {
    this.#settings = settings;
    this.#sendPing = sendPing;
    this.#onStale = onStale;
  }

  /**
   * Round-trip time of the last PING, in milliseconds. Before the first PONG, the time until CONNECT; before CONNECT,
   * 0.
   */
  get rttMs(): number {
    return this.#rttMs;
  }

  start(): void {
    this.#schedule(this.#settings().pingIntervalMs);
  }

  /** The client has sent CONNECT. @param random in [0, 1); spreads the PINGs of clients that connect together */
  connected(random: () => number): void {
    this.#rttMs = performance.now() - this.#pingedAt;
    const delay = Math.min(this.#settings().pingIntervalMs, firstMs);
    this.#schedule(delay * (1 + random() / 5));
  }

  /** The peer was active, so the next beat may skip its PING. */
  active(): void {
    this.#wasActive = true;
  }

  pongReceived(): void {
    if (this.#unanswered > 0) this.#rttMs = performance.now() - this.#pingedAt;
    this.#unanswered = 0;
    clearTimeout(this.#probe);
    this.#probe = undefined;
  }

  /** Sends a PING immediately, whatever the settings say. */
  ping(): void {
    this.#hasPinged = true;
    this.#unanswered++;
    this.#pingedAt = performance.now();
    this.#sendPing();
  }

  /** Sends a PING immediately and reports the connection stale unless a PONG arrives within `milliseconds`. */
  probe(milliseconds: number): void {
    if (this.#probe !== undefined) return;
    this.#probe = setTimeout(this.#onStale, milliseconds);
    this.ping();
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
    // Ping even an active peer once, to measure the round-trip time.
    if (!this.#hasPinged || !this.#wasActive) {
      if (this.#unanswered + 1 > pingMax) {
        this.#onStale();
        return;
      }
      this.ping();
    }
    this.#wasActive = false;
    this.#schedule(pingIntervalMs);
  };
}
