// Where a line is put together that the ends of chunks have split, within the limit of its length.
import { lineLength } from './line-arguments.ts';

const LF = 0x0a;

const nothing: Buffer = Buffer.alloc(0);

/** Used for one line after the other. */
export class SplitLine {
  bytes: Buffer = nothing;
  /** How many of them have come; 0 between lines. */
  length = 0;

  /**
   * Adds `chunk[at, end)`, which has a newline at its end or none at all.
   * @returns false where the line is longer than `most` bytes then, its CRLF not counted
   */
  add(chunk: Buffer, at: number, end: number, most: number): boolean {
    const length = this.length + end - at;
    // More is not even copied; whether the two are CRLF is looked at below.
    if (length > most + 2) return false;
    if (length > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(256, 2 * length));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    chunk.copy(this.bytes, this.length, at, end);
    this.length = length;
    return lineLength(this.bytes, 0, chunk[end - 1] === LF ? length - 1 : length) <= most;
  }

  /** Ends the line and gives its length, newline included; `bytes` hold it until something is added. */
  end(): number {
    const { length } = this;
    this.length = 0;
    return length;
  }

  /** Gives up the line that was begun, if any. */
  drop(): void {
    this.bytes = nothing;
    this.length = 0;
  }
}
