// How many handshakes may begin: by number in a second, by their bytes in a second, and one after the other. Knows no
// sockets.
import { Turns } from '../turns.ts';

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

/**
 * Lets handshakes begin one after the other, and the addresses they come from take turns: who is alone with his address
 * begins right behind the first of a crowd. A handshake keeps the process busy for about a millisecond, and those of a
 * crowd would come between the messages of everybody else all at once.
 */
export class HandshakeTurns {
  readonly #turns = new Turns<() => boolean>();
  readonly #pause: (next: () => void) => unknown;
  #isPausing = false;

  /** @param pause calls what it is given when the next one may begin */
  constructor(pause: (next: () => void) => unknown) {
    this.#pause = pause;
  }

  /** Calls `begin` when it is its turn, at once where nobody else has just begun; gives a way to give up waiting. */
  wait(address: string, begin: () => void): () => void {
    let isWaiting = true;
    this.#turns.add(address, '', () => {
      if (!isWaiting) return false;
      isWaiting = false;
      begin();
      return true;
    });
    if (!this.#isPausing) this.#next();
    return () => {
      isWaiting = false;
    };
  }

  readonly #next = (): void => {
    let start = this.#turns.take();
    // Those who have given up have no turn.
    while (start !== undefined && !start()) start = this.#turns.take();
    this.#isPausing = start !== undefined;
    if (this.#isPausing) this.#pause(this.#next);
  };
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
