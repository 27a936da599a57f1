// How many handshakes may begin: by number in a second, by their bytes in a second, and one after the other. Knows no
// sockets.

/** Lets a number of handshakes begin in each second (connection_rate_limit; nats-server, server/rate_counter.go). */
export class HandshakeCounter {
  readonly #limit: number;
  readonly #now: () => number;
  #end = 0;
  #count = 0;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(limit: number, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Takes one; false when the second has none left. */
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
 * A budget of handshake bytes a second (rate_limit). A handshake begins while there is some left, and pays in the end
 * for what it took; so the rate is kept over time, and a single one is never too large.
 */
export class HandshakeBudget {
  readonly #bytesPerSecond: number;
  readonly #now: () => number;
  readonly #waiting: (() => void)[] = [];
  #left: number;
  #at: number;
  #timer: NodeJS.Timeout | undefined;
  /** What a handshake is taken to cost until it is done. */
  #estimate = 3000;

  constructor(bytesPerSecond: number, now: () => number = () => performance.now()) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
    this.#left = bytesPerSecond;
    this.#at = now();
  }

  /** Calls `begin` when a handshake may begin, at once or later; gives a way to give up waiting. */
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
      const place = this.#waiting.indexOf(start);
      if (place >= 0) this.#waiting.splice(place, 1);
    };
  }

  /** Nobody who waits is called any more. */
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

/** Somebody who waits for his turn. */
interface Waiting {
  readonly begin: () => void;
  readonly since: number;
  isWaiting: boolean;
}

/**
 * Lets one begin after the other, and the addresses they come from take turns: who is alone with his address begins right
 * behind the first of a crowd. A handshake keeps the process busy for about a millisecond, and those of a crowd would
 * come between the messages of everybody else all at once.
 */
export class HandshakeTurns {
  /** By address, the oldest first. */
  readonly #queues = new Map<string, Waiting[]>();
  readonly #pause: (next: () => void) => unknown;
  readonly #patienceMs: () => number;
  readonly #now: () => number;
  #isPausing = false;

  /**
   * @param pause calls what it is given when the next one may begin
   * @param patienceMs how many milliseconds the first from an address may have waited and still be the next one. Behind
   *   that comes whoever waits there for the shortest time: the others would be gone soon after their turn, if not before,
   *   and so would everybody behind them.
   * @param now milliseconds of a clock that only goes forward
   */
  constructor(
    pause: (next: () => void) => unknown,
    patienceMs: () => number = () => Number.POSITIVE_INFINITY,
    now: () => number = () => performance.now(),
  ) {
    this.#pause = pause;
    this.#patienceMs = patienceMs;
    this.#now = now;
  }

  /** Calls `begin` when it is its turn, at once where nobody else has just begun; gives a way to give up waiting. */
  wait(address: string, begin: () => void): () => void {
    const waiting: Waiting = { begin, since: this.#now(), isWaiting: true };
    const queue = this.#queues.get(address);
    if (queue === undefined) this.#queues.set(address, [waiting]);
    else queue.push(waiting);
    if (!this.#isPausing) this.#next();
    return () => this.#forget(address, waiting);
  }

  readonly #next = (): void => {
    const next = this.#take();
    this.#isPausing = next !== undefined;
    if (next === undefined) return;
    next.isWaiting = false;
    // Before it begins, which could be anything.
    this.#pause(this.#next);
    next.begin();
  };

  #take(): Waiting | undefined {
    const [first] = this.#queues;
    if (first === undefined) return undefined;
    const [address, queue] = first;
    const [oldest] = queue as [Waiting];
    const isLate = this.#now() - oldest.since > this.#patienceMs();
    const taken = isLate ? queue.pop() : queue.shift();
    // Behind the other addresses.
    this.#queues.delete(address);
    if (queue.length > 0) this.#queues.set(address, queue);
    return taken;
  }

  #forget(address: string, waiting: Waiting): void {
    if (!waiting.isWaiting) return;
    waiting.isWaiting = false;
    const queue = this.#queues.get(address) as Waiting[];
    queue.splice(queue.indexOf(waiting), 1);
    if (queue.length === 0) this.#queues.delete(address);
  }
}

/**
 * Gives what of an address stands for one place: of IPv6 its first 64 bits, since the others are anybody's to choose who
 * has a network (RFC 4291, section 2.5.4); all of IPv4, mapped into IPv6 or not, and of an address on the link.
 */
export function placeOf(address: string): string {
  if (!address.includes(':') || address.includes('.') || address.startsWith('fe80:')) return address;
  const [left = [], right = []] = address.split('::').map((part) => part.split(':').filter(Boolean));
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  return [...left, ...zeros, ...right].slice(0, 4).join(':');
}

/** How many addresses are remembered, and for how many milliseconds. */
const remembered = { addresses: 10_000, milliseconds: 10_000 };

/** Remembers from where somebody was refused lately, by the number of addresses that its memory allows. */
export class RefusedAddresses {
  readonly #until = new Map<string, number>();
  readonly #now: () => number;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  add(address: string): void {
    this.#until.delete(address);
    this.#until.set(address, this.#now() + remembered.milliseconds);
    const [oldest] = this.#until.keys();
    if (this.#until.size > remembered.addresses && oldest !== undefined) this.#until.delete(oldest);
  }

  has(address: string): boolean {
    const until = this.#until.get(address);
    if (until === undefined || until > this.#now()) return until !== undefined;
    this.#until.delete(address);
    return false;
  }
}
