// The output queue of a connection. Bytes are encoded in place into pooled buffers, which return to the pool after the
// write: an idle connection holds no buffer, and a busy one writes large chunks.

/**
 * Sizes of pooled buffers in bytes. A busy connection moves up to `maxUsualSize`; the sizes above it are for single
 * messages, up to the default max_payload.
 */
const sizes = [2048, 16_384, 65_536, 262_144, 1_114_112];
const maxUsualSize = 65_536;

/** Maximum bytes of free buffers that a pool retains per size. */
const maxFreeBytes = 8 * 1024 * 1024;

/** The pool of output buffers of all connections of a broker. */
export class BufferPool {
  readonly #free = sizes.map((): Buffer[] => []);

  /** Returns a buffer of at least `size` bytes. */
  take(size: number): Buffer {
    const index = sizes.findIndex((each) => each >= size);
    if (index < 0) return Buffer.allocUnsafeSlow(size);
    return this.#free[index]?.pop() ?? Buffer.allocUnsafeSlow(sizes[index] as number);
  }

  /** Takes a buffer back; the caller must not use it afterwards. */
  give(buffer: Buffer): void {
    const free = this.#free[sizes.indexOf(buffer.length)];
    if (free !== undefined && free.length * buffer.length < maxFreeBytes) free.push(buffer);
  }
}

const emptyBuffer: Buffer = Buffer.alloc(0);

/** Bytes to write: those of `buffer` from `start` to `end`. */
export interface Output {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** The bytes that one connection has yet to write. */
export class OutputQueue {
  /** Bytes not yet taken. */
  pending = 0;
  /** Offset of the next byte in the current buffer. */
  at = 0;
  readonly #pool: BufferPool;
  readonly #headroom: number;
  #current = emptyBuffer;
  /** Full buffers before the current one, with the bytes used in each. */
  #full: Output[] = [];
  /** Size in bytes to request from the pool next. */
  #wanted = 0;

  /** @param headroom number of bytes to leave free at the start of each buffer */
  constructor(pool: BufferPool, headroom = 0) {
    this.#pool = pool;
    this.#headroom = headroom;
  }

  /** Returns a buffer with room for `size` bytes from `at` on; report the end of what was written with `advance`. */
  room(size: number): Buffer {
    if (this.at + size > this.#current.length) this.#next(size);
    return this.#current;
  }

  /** Marks the bytes up to offset `to` as written. */
  advance(to: number): void {
    this.pending += to - this.at;
    this.at = to;
  }

  /** Whether a buffer is full: delaying the write would gain nothing. */
  get full(): boolean {
    return this.#full.length > 0;
  }

  /** Removes the oldest bytes; return their whole buffer with `give` after the write. */
  take(): Output | undefined {
    const start = this.#headroom;
    const oldest = this.#full.shift();
    if (oldest !== undefined) {
      this.pending -= oldest.end - start;
      return oldest;
    }
    if (this.at <= start) return undefined;
    const taken = { buffer: this.#current, start, end: this.at };
    this.pending -= this.at - start;
    // Shrink gradually: one small flush among large ones is no trend.
    this.#wanted = Math.min(maxUsualSize, Math.max(this.at, this.#wanted / 2));
    this.#current = emptyBuffer;
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
    const start = this.#headroom;
    if (this.at > start) {
      this.#full.push({ buffer: this.#current, start, end: this.at });
      this.#wanted = Math.min(maxUsualSize, this.#current.length + 1);
    } else if (this.#current.length > 0) {
      this.#pool.give(this.#current);
    }
    this.#current = this.#pool.take(Math.max(size + start, this.#wanted));
    this.at = start;
  }
}
