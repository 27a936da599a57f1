// Finds the arguments of one line of a NATS protocol without allocating a string or an array for them.

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;

/** The arguments of the most recently split line. */
export class LineArguments {
  /** Number of arguments; beyond the maximum, only their number is known. */
  count = 0;
  /** Whether a carriage return occurs anywhere but before the newline; it is part of an argument. */
  hasReturn = false;
  readonly #most: number;
  /** Start and end of each argument. */
  readonly #bounds: Int32Array;

  constructor(most: number) {
    this.#most = most;
    this.#bounds = new Int32Array(2 * (most + 1));
  }

  /** Records the arguments from `at` to the next newline; returns its offset, or -1 if there is none before `end`. */
  split(buffer: Buffer, at: number, end: number): number {
    const bounds = this.#bounds;
    const most = this.#most;
    let count = 0;
    let start = -1;
    let hasReturn = false;
    for (; at < end; at++) {
      const byte = buffer[at] as number;
      if (byte > SPACE) {
        if (start < 0) start = at;
      } else if (byte === SPACE || byte === TAB) {
        if (start >= 0) {
          if (count < most) {
            bounds[2 * count] = start;
            bounds[2 * count + 1] = at;
          }
          count++;
          start = -1;
        }
      } else if (byte === LF) {
        const stop = start >= 0 && buffer[at - 1] === CR ? at - 1 : at;
        if (start >= 0 && start < stop) {
          // A typed array ignores writes beyond its bounds.
          bounds[2 * count] = start;
          bounds[2 * count + 1] = stop;
          count++;
        }
        this.count = count;
        this.hasReturn = hasReturn;
        return at;
      } else {
        if (start < 0) start = at;
        if (byte === CR && buffer[at + 1] !== LF) hasReturn = true;
      }
    }
    return -1;
  }

  /** Splits the line again, after overwriting its carriage returns with spaces. */
  splitAtReturns(line: Buffer): void {
    const from = this.start(0);
    const newline = line.indexOf(LF, from);
    for (let at = from; at < newline; at++) {
      if (line[at] === CR) line[at] = SPACE;
    }
    this.split(line, from, newline + 1);
  }

  start(index: number): number {
    return this.#bounds[2 * index] as number;
  }

  end(index: number): number {
    return this.#bounds[2 * index + 1] as number;
  }

  bytes(line: Buffer, index: number): Buffer {
    return line.subarray(this.start(index), this.end(index));
  }

  /** Returns the bytes from the first to the last known argument. */
  whole(line: Buffer): Buffer {
    const last = Math.min(this.count, this.#most) - 1;
    return last < 0 ? line.subarray(0, 0) : line.subarray(this.start(0), this.end(last));
  }

  /** Parses an argument as a decimal number; -1 for anything else, and for more than nine digits (util.go, parseSize). */
  number(line: Buffer, index: number): number {
    const end = this.#bounds[2 * index + 1] as number;
    let at = this.#bounds[2 * index] as number;
    if (end - at > 9) return -1;
    let value = 0;
    for (; at < end; at++) {
      const digit = (line[at] as number) - 0x30;
      if (digit < 0 || digit > 9) return -1;
      value = value * 10 + digit;
    }
    return value;
  }

  /** Returns whether the arguments from `first` on are separated by single spaces and end with CRLF. */
  areCanonical(line: Buffer, first: number, next: number): boolean {
    const bounds = this.#bounds;
    let end = bounds[2 * first + 1] as number;
    for (let index = first + 1; index < this.count; index++) {
      if (line[end] !== SPACE || bounds[2 * index] !== end + 1) return false;
      end = bounds[2 * index + 1] as number;
    }
    return end === next - 2 && line[end] === CR;
  }
}

/** Returns the number of bytes from `from` to the end of the line, without its CR. */
export function lineLength(buffer: Buffer, from: number, newline: number): number {
  return newline - from - (newline > from && buffer[newline - 1] === CR ? 1 : 0);
}
