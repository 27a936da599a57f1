// The output of a WebSocket: frames around the bytes of the protocol. A browser gets small frames, which it handles
// better than large ones (nats-server, websocket.go, wsCollapsePtoNB).
import { type BufferPool, type Output, OutputQueue } from '../transport/output.ts';
import { compressionThreshold, deflate } from './deflate.ts';
import { compressedBit, finalBit, headerSize, maxHeaderSize, opcode, writeHeader } from './frame.ts';

/** Maximum payload of a frame for a browser, in bytes. */
const browserFrameSize = 4096;

export interface FrameSettings {
  /** Whether both sides compress messages. */
  readonly compresses: boolean;
  readonly isBrowser: boolean;
  /** Whether the peer accepts a compressed message in several frames; Safari does not. */
  readonly mayFragmentCompressed: boolean;
}

export class FrameQueue extends OutputQueue {
  readonly #settings: FrameSettings;
  readonly #pool: BufferPool;
  /** Control frames; most connections send none but the last. */
  #controls: OutputQueue | undefined;
  #last: Buffer | undefined;
  #isLastTaken = false;

  constructor(pool: BufferPool, settings: FrameSettings) {
    super(pool, maxHeaderSize);
    this.#pool = pool;
    this.#settings = settings;
  }

  /** Queues a control frame in front of all other output. */
  addControl(frame: Buffer): void {
    this.#controls ??= new OutputQueue(this.#pool);
    frame.copy(this.#controls.room(frame.length), this.#controls.at);
    this.#controls.advance(this.#controls.at + frame.length);
    this.pending += frame.length;
  }

  /** Queues the close frame behind all other output, unless there is one. */
  addLast(frame: Buffer): void {
    this.#last ??= frame;
  }

  override take(): Output | undefined {
    const controls = this.#controls?.take();
    if (controls !== undefined) {
      this.pending -= controls.end - controls.start;
      return controls;
    }
    const taken = super.take();
    if (taken !== undefined) return this.#frame(taken);
    if (this.#last === undefined || this.#isLastTaken) return undefined;
    this.#isLastTaken = true;
    return whole(this.#last);
  }

  override clear(): void {
    this.#controls?.clear();
    this.#isLastTaken = true;
    for (let taken = super.take(); taken !== undefined; taken = super.take()) this.give(taken.buffer);
  }

  #frame(taken: Output): Output {
    const { compresses, isBrowser, mayFragmentCompressed } = this.#settings;
    const { buffer, start, end } = taken;
    const payload = buffer.subarray(start, end);
    if (compresses && payload.length > compressionThreshold) {
      const compressed = deflate(payload);
      this.give(buffer);
      const size = isBrowser && mayFragmentCompressed ? browserFrameSize : compressed.length;
      return whole(fragmented(compressed, size));
    }
    if (isBrowser && payload.length > browserFrameSize) {
      const frames = separate(payload, browserFrameSize);
      this.give(buffer);
      return whole(frames);
    }
    const begin = start - headerSize(payload.length);
    writeHeader(buffer, begin, finalBit | opcode.binary, payload.length);
    return { buffer, start: begin, end };
  }
}

function whole(buffer: Buffer): Output {
  return { buffer, start: 0, end: buffer.length };
}

/** Frames a compressed message. @param size maximum payload of a frame */
function fragmented(payload: Buffer, size: number): Buffer {
  return frames(payload, size, (at, end) => {
    const first = at === 0 ? compressedBit | opcode.binary : opcode.continuation;
    return end === payload.length ? finalBit | first : first;
  });
}

/** Frames a part of the protocol's stream as messages of at most `size` bytes. */
function separate(payload: Buffer, size: number): Buffer {
  return frames(payload, size, () => finalBit | opcode.binary);
}

/** @param firstByte returns the first byte of the frame with the payload from `at` to `end` */
function frames(payload: Buffer, size: number, firstByte: (at: number, end: number) => number): Buffer {
  const count = Math.ceil(payload.length / size);
  const target = Buffer.allocUnsafeSlow(payload.length + count * headerSize(Math.min(size, payload.length)));
  let written = 0;
  for (let at = 0; at < payload.length; at += size) {
    const end = Math.min(at + size, payload.length);
    written = writeHeader(target, written, firstByte(at, end), end - at);
    written += payload.copy(target, written, at, end);
  }
  return target.subarray(0, written);
}
