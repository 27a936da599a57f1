// Bytes waiting to be written: encoded in place into buffers that come from a pool and go back after the write, so
// that an idle connection holds none and a busy one writes large pieces.

/**
 * The buffers that a pool hands out. Those above the largest that a connection moves to, as it has more to say, are for
 * single messages, up to what one may be by default.
 */
const sizes = [2048, 16_384, 65_536, 262_144, 1_114_112];
const largest = 65_536;

/** How many bytes of each size a pool keeps for later. */
const kept = 8 * 1024 * 1024;

/** Lends out buffers to all connections of a broker. */
export class BufferPool {
  readonly #free = sizes.map((): Buffer[] => []);

  /** A buffer of at least `size` bytes. */
  take(size: number): Buffer {
    const index = sizes.findIndex((each) => each >= size);
    if (index < 0) return Buffer.allocUnsafeSlow(size);
    return this.#free[index]?.pop() ?? Buffer.allocUnsafeSlow(sizes[index] as number);
  }

  /** Takes a buffer back; nobody may use it any more. */
  give(buffer: Buffer): void {
    const free = this.#free[sizes.indexOf(buffer.length)];
    if (free !== undefined && free.length * buffer.length < kept) free.push(buffer);
  }
}

const none: Buffer = Buffer.alloc(0);

/** What one connection has to write. */
export class OutputQueue {
  /** Bytes not yet taken. */
  pending = 0;
  /** Where in the current buffer the next byte goes. */
  at = 0;
  readonly #pool: BufferPool;
  #current = none;
  /** Full buffers before the current one, and how much of each is used. */
  #full: { buffer: Buffer; length: number }[] = [];
  /** What to ask the pool for next. */
  #wanted = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** The buffer with room for `size` bytes from `at` on; say with `advance` how many were written. */
  room(size: number): Buffer {
    if (this.at + size > this.#current.length) this.#next(size);
    return this.#current;
  }

  /** Counts the bytes up to `to` as written. */
  advance(to: number): void {
    this.pending += to - this.at;
    this.at = to;
  }

  /** Whether a buffer is full, so that waiting for more before a write gains nothing. */
  get full(): boolean {
    return this.#full.length > 0;
  }

  /** Takes the oldest bytes out; `give` the whole buffer back after the write. */
  take(): { buffer: Buffer; length: number } | undefined {
    const oldest = this.#full.shift();
    if (oldest !== undefined) {
      this.pending -= oldest.length;
      return oldest;
    }
    if (this.at === 0) return undefined;
    const taken = { buffer: this.#current, length: this.at };
    this.pending -= this.at;
    // One small flush among large ones says little.
    this.#wanted = Math.min(largest, Math.max(this.at, this.#wanted / 2));
    this.#current = none;
    this.at = 0;
    return taken;
  }

  give(buffer: Buffer): void {
    this.#pool.give(buffer);
  }

  /** Drops everything. */
  clear(): void {
    for (let taken = this.take(); taken !== undefined; taken = this.take()) this.give(taken.buffer);
  }

  #next(size: number): void {
    if (this.at > 0) {
      this.#full.push({ buffer: this.#current, length: this.at });
      this.#wanted = Math.min(largest, this.#current.length + 1);
    } else if (this.#current.length > 0) {
      this.#pool.give(this.#current);
    }
    this.#current = this.#pool.take(Math.max(size, this.#wanted));
    this.at = 0;
  }
}
