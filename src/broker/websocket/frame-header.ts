// Reads the header of each frame that a peer sends, also when it is split across chunks, and rejects those that RFC 6455
// forbids. Order and texts of the checks are nats-server's (websocket.go, wsReadLoop).
import { compressedBit, finalBit, isControl, maskBit, maxControlSize, opcode } from './frame.ts';
import { MaskingKey } from './mask.ts';

/** Maximum size of a header with a mask, in bytes. */
const maxSize = 14;

const nothing = Buffer.alloc(0);

/** What a peer did that the protocol does not allow; the message goes into the close frame and the log. */
export class FrameProblem extends Error {}

export interface HeaderSettings {
  /** Whether permessage-deflate was negotiated. */
  readonly compresses: boolean;
  /** Whether the client masks its frames; only one that asked for it does not (Nats-No-Masking). */
  readonly isMasked: boolean;
}

export class FrameHeader {
  code = 0;
  /** Size of the payload in bytes. */
  length = 0;
  /** Whether the frame ends its message; applies to data frames only, as `isCompressed`. */
  isFinal = true;
  isCompressed = false;
  readonly key: MaskingKey | undefined;
  readonly #settings: HeaderSettings;
  /** The part of a header that the last chunk ended in. */
  #begun = nothing;

  constructor(settings: HeaderSettings) {
    this.#settings = settings;
    this.key = settings.isMasked ? new MaskingKey() : undefined;
  }

  /** Reads from `at` on; returns the offset behind the header, or undefined if the chunk ends before. Throws a FrameProblem. */
  read(chunk: Buffer, at: number): number | undefined {
    const before = this.#begun.length;
    if (before === 0 && chunk.length - at >= maxSize) return at + (this.#parse(chunk, at, maxSize) as number);
    const bytes = Buffer.concat([this.#begun, chunk.subarray(at, at + maxSize - before)]);
    const size = this.#parse(bytes, 0, bytes.length);
    this.#begun = size === undefined ? bytes : nothing;
    return size && at + size - before;
  }

  /** Returns the size of the header at `at`; undefined if it has more than `available` bytes. */
  #parse(bytes: Buffer, at: number, available: number): number | undefined {
    if (available < 2) return undefined;
    const first = bytes[at] as number;
    const second = bytes[at + 1] as number;
    this.#check(first, second);
    const short = second & ~maskBit;
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
    const size = 2 + wide + (this.key === undefined ? 0 : 4);
    if (available < size) return undefined;
    this.length = lengthOf(bytes, at + 2, short, wide);
    this.key?.set(bytes, at + 2 + wide);
    this.code = first & 0xf;
    if (isControl(this.code)) return size;
    this.isFinal = (first & finalBit) !== 0;
    if (this.code !== opcode.continuation) this.isCompressed = (first & compressedBit) !== 0;
    return size;
  }

  #check(first: number, second: number): void {
    const { compresses, isMasked } = this.#settings;
    const isCompressed = (first & compressedBit) !== 0;
    if ((first & 0x30) !== 0) throw new FrameProblem('RSV2 and RSV3 must be clear');
    if (isCompressed && !compresses) {
      throw new FrameProblem('compressed frame received without negotiated permessage-deflate');
    }
    if (isMasked && (second & maskBit) === 0) throw new FrameProblem('mask bit missing');
    const code = first & 0xf;
    if (isControl(code)) checkControl(code, second & ~maskBit, (first & finalBit) !== 0, isCompressed);
    else this.#checkData(code, isCompressed);
  }

  #checkData(code: number, isCompressed: boolean): void {
    const isBegun = !this.isFinal;
    if (code === opcode.continuation) {
      if (!isBegun || isCompressed) throw new FrameProblem('invalid continuation frame');
    } else if (code !== opcode.text && code !== opcode.binary) {
      throw new FrameProblem(`unknown opcode ${code}`);
    } else if (isBegun) {
      throw new FrameProblem('new message started before final frame for previous message was received');
    }
  }
}

function checkControl(code: number, length: number, isFinal: boolean, isCompressed: boolean): void {
  if (code > opcode.pong) throw new FrameProblem(`unknown opcode ${code}`);
  if (length > maxControlSize) {
    throw new FrameProblem(`control frame length bigger than maximum allowed of ${maxControlSize} bytes`);
  }
  if (!isFinal) throw new FrameProblem('control frame does not have final bit set');
  if (isCompressed) throw new FrameProblem('control frame must not be compressed');
}

/** @param wide size of the extended length at `at`, in bytes */
function lengthOf(bytes: Buffer, at: number, short: number, wide: number): number {
  if (wide === 0) return short;
  if (wide === 2) return bytes.readUInt16BE(at);
  if ((bytes[at] as number) >= 0x80) throw new FrameProblem('invalid 64-bit payload length');
  // Beyond 2^53 the result is rounded, and no such frame ever ends.
  return bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}
