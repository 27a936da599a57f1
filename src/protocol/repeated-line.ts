// Recognizes a message whose line is that of the one before: most of those who publish repeat theirs, and comparing takes
// less time than reading.
import type { ParserLimits, Publication } from './operations.ts';

const LF = 0x0a;
const CR = 0x0d;

const nothing: Buffer = Buffer.alloc(0);

/**
 * Compares two places of one chunk by words: byte by byte takes twice as long as reading a line. One for all parsers of a
 * broker, since most of what they read stands in the same memory, and looking at memory by words has to be set up.
 */
export class LineComparison {
  #chunk: Buffer = nothing;
  #memory: ArrayBufferLike = nothing.buffer;
  #words: DataView = new DataView(this.#memory);
  /** Where the chunk stands in the memory that it is a part of. */
  #offset = 0;

  /** Whether `length` bytes from `one` on are those from `other` on; false for less than four. */
  areAlike(chunk: Buffer, one: number, other: number, length: number): boolean {
    if (length < 4) return false;
    if (chunk !== this.#chunk) this.#look(chunk);
    const words = this.#words;
    const first = this.#offset + one;
    const second = this.#offset + other;
    // From the end, where numbered subjects differ.
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

/** The line of the message that a parser has handed on last. */
export class RepeatedLine {
  readonly #lines: LineComparison;
  /** Where its first argument stands in the chunk at hand; -1 for nowhere. */
  #from = -1;
  #operation = '';

  constructor(lines: LineComparison) {
    this.#lines = lines;
  }

  /** Takes a line whose message stands whole in the chunk. @param from its first argument */
  note(operation: string, from: number): void {
    this.#operation = operation;
    this.#from = from;
  }

  forget(): void {
    this.#from = -1;
  }

  /**
   * Has the message be the next one, where that one's line from its first argument at `from` on is the same; false where it
   * is not, or the message is not whole in the chunk.
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
