// Unpacks the frames that a peer sends. It keeps no payload, except of compressed messages and of control frames: fragments
// without end and frames of any size cost no memory.
import { isUtf8 } from 'node:buffer';
import type { FramedConnection } from '../transport/framing.ts';
import { inflate } from './deflate.ts';
import { closeFrame, closeStatus, controlFrame, isCloseStatus, isControl, opcode } from './frame.ts';
import { FrameHeader, FrameProblem, type HeaderSettings } from './frame-header.ts';
import type { FrameQueue } from './frame-queue.ts';
import type { Unmasker } from './mask.ts';

/** Payloads from this size on are delivered apart if that lets their mask be removed word by word. */
const largePayload = 1024;

const nothing = Buffer.alloc(0);

/** How many times as large as its content a compressed message may be. */
const maxExpansion = 2;

export class FrameReader {
  /** Maximum size of a decompressed message in bytes. */
  maxMessageSize = 0;
  readonly #queue: FrameQueue;
  readonly #unmasker: Unmasker;
  readonly #header: FrameHeader;
  /** Whether payload of the frame is still to come. */
  #isInFrame = false;
  #left = 0;
  #control = nothing;
  /** The compressed message so far: the first `#compressedSize` bytes. One buffer, whatever the number of fragments. */
  #compressed = nothing;
  #compressedSize = 0;
  /** Offsets in the chunk: bytes of the protocol that are not delivered yet. */
  #from = 0;
  #to = 0;

  constructor(settings: HeaderSettings, queue: FrameQueue, unmasker: Unmasker) {
    this.#header = new FrameHeader(settings);
    this.#queue = queue;
    this.#unmasker = unmasker;
  }

  /** Unpacks a chunk in place and delivers the bytes of the protocol that it contains, as few pieces as possible. */
  read(chunk: Buffer, connection: FramedConnection): void {
    this.#from = this.#to = 0;
    try {
      this.#readFrames(chunk, connection);
      this.#deliver(chunk, connection);
    } catch (error) {
      if (!(error instanceof FrameProblem)) throw error;
      this.#deliver(chunk, connection);
      if (!connection.isOpen) return;
      this.#queue.addLast(closeFrame(closeStatus.protocolError, error.message));
      connection.refuse(error.message);
    }
  }

  #readFrames(chunk: Buffer, connection: FramedConnection): void {
    let at = 0;
    while (connection.isOpen) {
      if (!this.#isInFrame) {
        const end = at === chunk.length ? undefined : this.#header.read(chunk, at);
        if (end === undefined) return;
        at = end;
        this.#isInFrame = true;
        this.#left = this.#header.length;
        this.#control = nothing;
      }
      const size = Math.min(this.#left, chunk.length - at);
      if (size > 0) this.#take(chunk, at, size, connection);
      at += size;
      this.#left -= size;
      if (this.#left > 0) return;
      this.#isInFrame = false;
      if (isControl(this.#header.code)) this.#endControl(chunk, connection);
      else if (this.#header.isFinal && this.#header.isCompressed) this.#endCompressed(chunk, connection);
    }
  }

  /** Takes a part of a payload. */
  #take(chunk: Buffer, at: number, size: number, connection: FramedConnection): void {
    const { code, isCompressed } = this.#header;
    if (isControl(code)) {
      this.#unmask(chunk, at, at, size);
      this.#control = Buffer.concat([this.#control, chunk.subarray(at, at + size)]);
    } else if (isCompressed) {
      this.#unmask(chunk, at, at, size);
      this.#keep(chunk.subarray(at, at + size));
    } else {
      const isAligned = ((at - this.#to) & 3) === 0;
      if (size >= largePayload && !isAligned) this.#deliver(chunk, connection);
      if (this.#to === this.#from) this.#from = this.#to = at & 3;
      this.#unmask(chunk, at, this.#to, size);
      this.#to += size;
    }
  }

  /** Keeps a part of a compressed message. */
  #keep(part: Buffer): void {
    const size = this.#compressedSize + part.length;
    if (size > maxExpansion * this.maxMessageSize) throw new FrameProblem('maximum payload exceeded');
    if (size > this.#compressed.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(size, 2 * this.#compressed.length));
      this.#compressed.copy(larger, 0, 0, this.#compressedSize);
      this.#compressed = larger;
    }
    part.copy(this.#compressed, this.#compressedSize);
    this.#compressedSize = size;
  }

  #unmask(chunk: Buffer, from: number, to: number, size: number): void {
    const { key } = this.#header;
    if (key !== undefined) this.#unmasker.unmask(chunk, from, to, size, key);
    else if (to !== from) chunk.copyWithin(to, from, from + size);
  }

  #deliver(chunk: Buffer, connection: FramedConnection): void {
    const { length } = chunk;
    const [from, to] = [this.#from, this.#to];
    this.#from = this.#to = 0;
    if (to > from && connection.isOpen) {
      connection.deliver(from === 0 && to === length ? chunk : chunk.subarray(from, to));
    }
  }

  #endCompressed(chunk: Buffer, connection: FramedConnection): void {
    this.#deliver(chunk, connection);
    const compressed = this.#compressed.subarray(0, this.#compressedSize);
    this.#compressed = nothing;
    this.#compressedSize = 0;
    let content: Buffer;
    try {
      content = inflate(compressed, this.maxMessageSize);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new FrameProblem(
        code === 'ERR_BUFFER_TOO_LARGE' ? 'maximum payload exceeded' : 'invalid compressed message',
      );
    }
    if (connection.isOpen && content.length > 0) connection.deliver(content);
  }

  #endControl(chunk: Buffer, connection: FramedConnection): void {
    const payload = this.#control;
    this.#control = nothing;
    switch (this.#header.code) {
      case opcode.ping: {
        const pong = controlFrame(opcode.pong, payload);
        if (connection.mayQueue(pong.length)) this.#queue.addControl(pong);
        return;
      }
      case opcode.close:
        this.#deliver(chunk, connection);
        this.#queue.addLast(answerToClose(payload));
        connection.close('Client Closed');
    }
  }
}

/** Returns the close frame that answers one with this payload. */
function answerToClose(payload: Buffer): Buffer {
  if (payload.length === 0) return controlFrame(opcode.close, payload);
  if (payload.length === 1) throw new FrameProblem('close frame payload cannot be 1 byte');
  const status = payload.readUInt16BE(0);
  if (!isCloseStatus(status)) throw new FrameProblem(`invalid close status code ${status}`);
  const text = payload.subarray(2);
  return isUtf8(text)
    ? closeFrame(status, text)
    : closeFrame(closeStatus.invalidText, 'invalid utf8 body in close frame');
}
