// Assembles a message that is split across chunks, in a borrowed buffer: allocating one per message would cost more than
// all other work on the message.
import type { Publication } from './operations.ts';

/** A pool of buffers. */
export interface MessageBuffers {
  /** Returns a buffer of at least `size` bytes. */
  take(size: number): Buffer;
  /** Returns a buffer to the pool; the caller must not use it any more. */
  give(buffer: Buffer): void;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

const nothing: Buffer = Buffer.alloc(0);

export class SplitMessage {
  bytes: Buffer = nothing;
  /** Number of bytes received. */
  length = 0;
  readonly #buffers: MessageBuffers;

  constructor(buffers: MessageBuffers) {
    this.#buffers = buffers;
  }

  /** Starts a message of `size` bytes. */
  begin(size: number): void {
    this.bytes = this.#buffers.take(size);
    this.length = 0;
  }

  /**
   * Starts a message whose line consists of these words, separated by single spaces, and sets the offsets in `message`.
   * @param size bytes of the payload
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

  /** Adds the bytes of the chunk from `at` on that belong to the message; returns their number. */
  add(chunk: Buffer, at: number, size: number): number {
    const added = Math.min(chunk.length - at, size - this.length);
    chunk.copy(this.bytes, this.length, at, at + added);
    this.length += added;
    return added;
  }

  /** Takes the buffer of the message out: `drop` does not return it to the pool any more; call `finish` instead. */
  take(): Buffer {
    const { bytes } = this;
    this.bytes = nothing;
    return bytes;
  }

  /** Returns the buffer of `take` to the pool. */
  finish(bytes: Buffer): void {
    this.#buffers.give(bytes);
  }

  /** Discards an incomplete message. */
  drop(): void {
    if (this.bytes !== nothing) this.finish(this.take());
  }
}
