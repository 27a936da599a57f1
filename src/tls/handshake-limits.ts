// Decides when handshakes may start: rate limits by number and by bytes per second, and a fair queue that starts them one
// at a time. It does not handle sockets.

/** Limits the handshakes that start in each second (connection_rate_limit; nats-server, server/rate_counter.go). */
export class HandshakeCounter {
  readonly #limit: number;
  readonly #now: () => number;
  #end = 0;
  #count = 0;

  /** @param now milliseconds of a monotonic clock */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Counts a handshake; returns false when it exceeds the limit of this second. */
  take(): boolean {
    const now = this.#now();
    if (now >= this.#end) {
      this.#end = now + 1000;
      this.#count = 0;
    }
    this.#count++;
    return this.#count <= this.#limit;
  }
}

/**
 * A budget of handshake bytes per second (rate_limit). A handshake may start while budget is left, and its actual size is
 * charged at its end. So the rate holds over time, and no single handshake is too large to start.
 */
export class HandshakeBudget {
  readonly #bytesPerSecond: number;
  readonly #now: () => number;
  readonly #waiting: (() => void)[] = [];
  #left: number;
  #at: number;
  #timer: NodeJS.Timeout | undefined;
  /** Bytes charged for a handshake until its actual size is known. */
  #estimate = 3000;

  constructor(bytesPerSecond: number, now: () => number = () => performance.now()) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
    this.#left = bytesPerSecond;
    this.#at = now();
  }

  /** Calls `begin` when a handshake may start, now or later; returns a function that cancels the wait. */
  wait(begin: (pay: (bytes: number) => void) => void): () => void {
    const start = () => {
      const estimate = this.#estimate;
      this.#left -= estimate;
      begin((bytes) => {
        this.#left += estimate - bytes;
        if (bytes > 0) this.#estimate = bytes;
        this.#admit();
      });
    };
    this.#waiting.push(start);
    this.#admit();
    return () => {
      const index = this.#waiting.indexOf(start);
      if (index >= 0) this.#waiting.splice(index, 1);
    };
  }

  /** Cancels all waits. */
  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }

  #admit(): void {
    clearTimeout(this.#timer);
    const now = this.#now();
    const earned = ((now - this.#at) / 1000) * this.#bytesPerSecond;
    this.#left = Math.min(this.#bytesPerSecond, this.#left + earned);
    this.#at = now;
    while (this.#left > 0) {
      const start = this.#waiting.shift();
      if (start === undefined) return;
      start();
    }
    if (this.#waiting.length === 0) return;
    const delay = Math.ceil((-this.#left / this.#bytesPerSecond) * 1000) + 1;
    this.#timer = setTimeout(() => this.#admit(), delay);
  }
}

/** How long accepting connections may hold back the next handshake, in milliseconds. */
const acceptMs = 10;

/**
 * Gives accepting connections precedence over starting handshakes. The event loop accepts one connection per turn, and
 * the backlog of the system is first come, first served: with a handshake in every turn, a flood from one address would
 * keep all other addresses waiting there, where no fair queue reaches them.
 */
export class AcceptsFirst {
  readonly #nextTurn: (callback: () => void) => void;
  readonly #now: () => number;
  #accepted = 0;
  /** The number of accepted connections at the end of the last turn that a handshake waited for. */
  #seen = 0;

  /**
   * @param nextTurn calls its argument at the end of the turn of the event loop, or of the next turn if it has ended
   * @param now milliseconds of a monotonic clock
   */
  constructor(
    nextTurn: (callback: () => void) => void = setImmediate,
    now: () => number = () => performance.now(),
  ) {
    this.#nextTurn = nextTurn;
    this.#now = now;
  }

  /** Records that a connection was accepted in this turn. */
  accepted(): void {
    this.#accepted++;
  }

  /** Calls `next` after the first turn in which no connection is accepted, or when accepting has taken too long. */
  readonly pause = (next: () => void): void => {
    const end = this.#now() + acceptMs;
    const wait = () =>
      this.#nextTurn(() => {
        const isQuiet = this.#accepted === this.#seen;
        this.#seen = this.#accepted;
        if (isQuiet || this.#now() >= end) next();
        else wait();
      });
    wait();
  };
}

/**
 * Returns a pause that lets one call through every `intervalMs` milliseconds on average. After an idle time, the next
 * `burst` calls go through at once.
 */
export function paceBy(
  intervalMs: number,
  burst: number,
  now: () => number = () => performance.now(),
): (next: () => void) => void {
  let due = Number.NEGATIVE_INFINITY;
  return (next) => {
    const at = now();
    due = Math.max(due, at - burst * intervalMs) + intervalMs;
    if (due <= at) next();
    else setTimeout(next, due - at);
  };
}

/** Maximum number of handshakes in a queue. */
const maxWaiting = 4096;

/** A handshake in the queue. */
interface Waiting {
  readonly begin: () => void;
  /** Called instead of `begin` when the queue is too long. */
  readonly evict: () => void;
  readonly since: number;
  isWaiting: boolean;
}

export interface TurnsSettings {
  /** Calls its argument when the next handshake may start. */
  readonly pause: (next: () => void) => unknown;
  /** Whether the first handshake after an idle time waits for `pause` too. */
  readonly pausesFirst?: boolean;
  /**
   * The wait, in milliseconds, up to which an address is served oldest first. Beyond it the newest handshake is next:
   * clients that have waited longer time out soon after their turn, if not before, and so would all clients behind them.
   */
  readonly maxWaitMs?: () => number;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

/**
 * A fair queue of handshakes: they start one at a time, round-robin by address, so that one busy address cannot starve
 * the rest. A handshake blocks the process for about a millisecond, so a burst of them would delay all messages. A queue
 * that is too long loses the oldest handshake of the address with the most.
 */
export class HandshakeTurns {
  /** By address, the oldest first. */
  readonly #queues = new Map<string, Waiting[]>();
  readonly #pause: (next: () => void) => unknown;
  readonly #pausesFirst: boolean;
  readonly #maxWaitMs: () => number;
  readonly #now: () => number;
  #isPausing = false;
  #size = 0;

  constructor({
    pause,
    pausesFirst = false,
    maxWaitMs = () => Number.POSITIVE_INFINITY,
    now = () => performance.now(),
  }: TurnsSettings) {
    this.#pause = pause;
    this.#pausesFirst = pausesFirst;
    this.#maxWaitMs = maxWaitMs;
    this.#now = now;
  }

  /**
   * Calls `begin` at its turn, or `evict` if the queue becomes too long; returns a function that cancels the wait. Calls
   * `begin` now if no handshake has just started, unless the first one pauses too.
   */
  wait(address: string, begin: () => void, evict: () => void): () => void {
    const waiting: Waiting = { begin, evict, since: this.#now(), isWaiting: true };
    const queue = this.#queues.get(address);
    if (queue === undefined) this.#queues.set(address, [waiting]);
    else queue.push(waiting);
    this.#size++;
    if (this.#size > maxWaiting) this.#evict();
    if (!this.#isPausing && this.#pausesFirst) {
      this.#isPausing = true;
      this.#pause(this.#next);
    } else if (!this.#isPausing) this.#next();
    return () => this.#forget(address, waiting);
  }

  readonly #next = (): void => {
    const next = this.#take();
    this.#isPausing = next !== undefined;
    if (next === undefined) return;
    // First, because `begin` could do anything.
    this.#pause(this.#next);
    next.begin();
  };

  #take(): Waiting | undefined {
    const [first] = this.#queues;
    if (first === undefined) return undefined;
    const [address, queue] = first;
    const [oldest] = queue as [Waiting];
    const isLate = this.#now() - oldest.since > this.#maxWaitMs();
    const taken = (isLate ? queue.pop() : queue.shift()) as Waiting;
    taken.isWaiting = false;
    this.#size--;
    // Move the address behind the other addresses.
    this.#queues.delete(address);
    if (queue.length > 0) this.#queues.set(address, queue);
    return taken;
  }

  /** Ends the oldest handshake of the address with the most. */
  #evict(): void {
    let longest: Waiting[] = [];
    let from = '';
    for (const [address, queue] of this.#queues) {
      if (queue.length <= longest.length) continue;
      longest = queue;
      from = address;
    }
    const [oldest] = longest as [Waiting];
    this.#forget(from, oldest);
    oldest.evict();
  }

  #forget(address: string, waiting: Waiting): void {
    if (!waiting.isWaiting) return;
    waiting.isWaiting = false;
    this.#size--;
    const queue = this.#queues.get(address) as Waiting[];
    queue.splice(queue.indexOf(waiting), 1);
    if (queue.length === 0) this.#queues.delete(address);
  }
}

/**
 * Returns the address prefix that identifies a source. It groups IPv6 by /64, because a host chooses its own lower bits
 * (RFC 4291, section 2.5.4). An IPv4 address, mapped into IPv6 or not, and a link-local address are used whole.
 */
export function addressPrefix(address: string): string {
  if (!address.includes(':') || address.includes('.') || address.startsWith('fe80:')) return address;
  const [left = [], right = []] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}
