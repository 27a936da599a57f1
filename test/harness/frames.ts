// Frames of WebSockets at the byte level, valid and invalid ones, as a client sends and receives them.

export interface FrameOptions {
  /** By default binary. */
  readonly code?: number;
  readonly isFinal?: boolean;
  /** The three reserved bits; 4 marks a compressed message. */
  readonly reserved?: number;
  readonly isMasked?: boolean;
  /** The length that the header names, if it is not that of the payload. */
  readonly length?: bigint;
}

export const code = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Encodes a frame. */
export function frame(content: string | Buffer, options: FrameOptions = {}): Buffer {
  const { code: own = code.binary, isFinal = true, reserved = 0, isMasked = true } = options;
  const payload = Buffer.from(content as string);
  const { length = BigInt(payload.length) } = options;
  const size = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const header = Buffer.alloc(size);
  header[0] = (isFinal ? 0x80 : 0) | (reserved << 4) | own;
  header[1] = (isMasked ? 0x80 : 0) | (size === 2 ? Number(length) : size === 4 ? 126 : 127);
  if (size === 4) header.writeUInt16BE(Number(length), 2);
  if (size === 10) header.writeBigUInt64BE(length, 2);
  if (!isMasked) return Buffer.concat([header, payload]);
  const key = Buffer.from([0x12, 0x34, 0x56, 0x78]);
  return Buffer.concat([header, key, payload.map((byte, index) => byte ^ (key[index & 3] as number))]);
}

export interface Frame {
  readonly code: number;
  readonly isFinal: boolean;
  readonly isCompressed: boolean;
  readonly payload: Buffer;
}

/** Decodes the frames of a server, which must not be masked. */
export class FrameDecoder {
  #bytes: Buffer = Buffer.alloc(0);

  /** Returns the frames that these bytes complete. */
  add(bytes: Buffer): Frame[] {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    const frames: Frame[] = [];
    for (let next = this.#next(); next !== undefined; next = this.#next()) frames.push(next);
    return frames;
  }

  #next(): Frame | undefined {
    const bytes = this.#bytes;
    if (bytes.length < 2) return undefined;
    const [first, second] = [bytes[0] as number, bytes[1] as number];
    if (second > 127) throw new Error('the server has masked a frame');
    const size = second < 126 ? 2 : second === 126 ? 4 : 10;
    if (bytes.length < size) return undefined;
    const length =
      size === 2 ? second : size === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < size + length) return undefined;
    this.#bytes = bytes.subarray(size + length);
    return {
      code: first & 0xf,
      isFinal: first >= 0x80,
      isCompressed: (first & 0x40) !== 0,
      payload: bytes.subarray(size, size + length),
    };
  }
}
