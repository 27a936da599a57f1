// Where a message is put together that the ends of chunks have split: in a buffer that is lent for as long, since making
// one for each costs more than all else that is done for a message.
import type { Publication } from './operations.ts';

/** Lends out buffers. */
export interface MessageBuffers {
  /** A buffer of at least `size` bytes. */
  take(size: number): Buffer;
  /** Takes a buffer back; nobody may use it any more. */
  give(buffer: Buffer): void;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

const nothing: Buffer = Buffer.alloc(0);

export class SplitMessage {
  bytes: Buffer = nothing;
  /** How many of them have come. */
  length = 0;
  readonly #buffers: MessageBuffers;

  constructor(buffers: MessageBuffers) {
    this.#buffers = buffers;
  }

  /** Begins a message of so many bytes. */
  begin(size: number): void {
    this.bytes = this.#buffers.take(size);
    this.length = 0;
  }

  /**
   * Begins a message whose line is of these words, one space apart, and says where what will stand.
   * @param size of the payload, in bytes
   */
  setOut(
    message: Publication,
    words: readonly Buffer[],
    hasReply: boolean,
    headerSize: number,
    size: number,
  ): void {
    const payloadStart = words.reduce((sum, word) => sum + word.length + 1, 1);
    const [subjectEnd = 0, replySize = 0] = words.map(({ length }) => length);
    message.subjectStart = 0;
    message.subjectEnd = subjectEnd;
    message.replyStart = hasReply ? subjectEnd + 1 : 0;
    message.replyEnd = hasReply ? subjectEnd + 1 + replySize : 0;
    message.headerSize = headerSize;
    message.payloadStart = payloadStart;
    message.payloadEnd = payloadStart + size;
    message.end = payloadStart + size + 2;
    message.isNoted = false;
    this.begin(message.end);
    const { bytes } = this;
    let at = 0;
    for (const word of words) {
      at += word.copy(bytes, at);
      bytes[at++] = SPACE;
    }
    bytes[at - 1] = CR;
    bytes[at++] = LF;
    this.length = at;
  }

  /** Adds what stands in the chunk from `at` on, as far as it is of the message, and returns how much that was. */
  add(chunk: Buffer, at: number, size: number): number {
    const added = Math.min(chunk.length - at, size - this.length);
    chunk.copy(this.bytes, this.length, at, at + added);
    this.length += added;
    return added;
  }

  /** Takes the message out: `drop` does not give it back meanwhile, `finish` does. */
  take(): Buffer {
    const { bytes } = this;
    this.bytes = nothing;
    return bytes;
  }

  /** Gives back what `take` took. */
  finish(bytes: Buffer): void {
    this.#buffers.give(bytes);
  }

  /** Gives up the message that was begun, if any. */
  drop(): void {
    if (this.bytes !== nothing) this.finish(this.take());
  }
}
