// Assembles a line that is split across chunks, up to a maximum length.
import { lineLength } from './line-arguments.ts';

const LF = 0x0a;

const nothing: Buffer = Buffer.alloc(0);

/** Reused for one line after another. */
export class SplitLine {
  bytes: Buffer = nothing;
  /** Number of bytes received; 0 between lines. */
  length = 0;

  /**
   * Adds `chunk[at, end)`, which has a newline at its end or nowhere.
   * @returns false if the line is now longer than `most` bytes without its CRLF
   */
  add(chunk: Buffer, at: number, end: number, most: number): boolean {
    const length = this.length + end - at;
    // A longer line is not even copied; the check below decides whether the two extra bytes are CRLF.
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

  /** Ends the line and returns its length, including the newline; `bytes` holds it until the next `add`. */
  end(): number {
    const { length } = this;
    this.length = 0;
    return length;
  }

  /** Discards an incomplete line. */
  drop(): void {
    this.bytes = nothing;
    this.length = 0;
  }
}
