// Recognizes a message with the same line as the previous one: most publishers repeat their line, and comparing is faster
// than parsing.
import type { ParserLimits, Publication } from './operations.ts';

const LF = 0x0a;
const CR = 0x0d;

const nothing: Buffer = Buffer.alloc(0);

/**
 * Compares two parts of one chunk word by word; byte by byte would take twice as long as parsing a line. All parsers of a
 * broker share one, because most of their chunks are in the same memory, and creating a word view of memory is expensive.
 */
export class LineComparison {
  #chunk: Buffer = nothing;
  #memory: ArrayBufferLike = nothing.buffer;
  #words: DataView = new DataView(this.#memory);
  /** Offset of the chunk in its memory. */
  #offset = 0;

  /** Returns whether `length` bytes at `one` and at `other` are equal; false for fewer than four. */
  areAlike(chunk: Buffer, one: number, other: number, length: number): boolean {
    if (length < 4) return false;
    if (chunk !== this.#chunk) this.#look(chunk);
    const words = this.#words;
    const first = this.#offset + one;
    const second = this.#offset + other;
    // From the end, because numbered subjects differ there.
    for (let at = length - 4; at > 0; at -= 4) {
      if (words.getInt32(first + at, true) !== words.getInt32(second + at, true)) return false;
    }
    return words.getInt32(first, true) === words.getInt32(second, true);
  }

  #look(chunk: Buffer): void {
    const memory = chunk.buffer;
    this.#chunk = chunk;
    this.#offset = chunk.byteOffset;
    if (memory === this.#memory) return;
    this.#memory = memory;
    this.#words = new DataView(memory);
  }
}

/** The line of the most recent message that a parser has delivered. */
export class RepeatedLine {
  readonly #lines: LineComparison;
  /** Offset of its first argument in the current chunk; -1 for none. */
  #from = -1;
  #operation = '';

  constructor(lines: LineComparison) {
    this.#lines = lines;
  }

  /** Records a line whose message is complete in the chunk. @param from offset of its first argument */
  note(operation: string, from: number): void {
    this.#operation = operation;
    this.#from = from;
  }

  forget(): void {
    this.#from = -1;
  }

  /**
   * Moves `message` on to the next message if its line, with the first argument at `from`, is the same. Returns false if
   * the line differs, or if the next message is not complete in the chunk.
   */
  moveOn(
    message: Publication,
    operation: string,
    chunk: Buffer,
    from: number,
    { maxControlLine, maxPayload }: ParserLimits,
  ): boolean {
    if (this.#from < 0 || operation !== this.#operation) return false;
    const length = message.payloadStart - this.#from;
    const payloadStart = from + length;
    const size = message.payloadEnd - message.payloadStart;
    const payloadEnd = payloadStart + size;
    if (payloadEnd + 2 > chunk.length || chunk[payloadEnd] !== CR || chunk[payloadEnd + 1] !== LF)
      return false;
    if (length - 2 > maxControlLine || size > maxPayload) return false;
    if (!this.#lines.areAlike(chunk, this.#from, from, length)) return false;
    const step = from - this.#from;
    this.#from = from;
    message.subjectStart += step;
    message.subjectEnd += step;
    if (message.replyEnd > 0) {
      message.replyStart += step;
      message.replyEnd += step;
    }
    message.payloadStart = payloadStart;
    message.payloadEnd = payloadEnd;
    message.end = payloadEnd + 2;
    return true;
  }
}
