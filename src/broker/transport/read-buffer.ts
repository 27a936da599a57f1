// Reads sockets into one reused buffer where Node supports that, and by 'data' events elsewhere.
import type { Socket } from 'node:net';
import { readIntoBuffer } from '../../tls/node-internals.ts';

/** Called with a view of the bytes read, valid only during the call. */
export type OnChunk = (chunk: Buffer) => void;

/** One buffer for many sockets: each chunk is consumed before the next read. */
export class ReadBuffer {
  readonly whole: Buffer;
  /** Cached view: busy sockets fill the same length repeatedly, and a new view costs as much as several messages. */
  #view: Buffer;

  /** @param size maximum bytes per read */
  constructor(size: number) {
    this.whole = Buffer.allocUnsafeSlow(size);
    this.#view = this.whole;
  }

  /** Returns the first `length` bytes. */
  first(length: number): Buffer {
    if (this.#view.length !== length) this.#view = this.whole.subarray(0, length);
    return this.#view;
  }
}

/** Starts reading; bytes that the socket already holds come first. */
export function readInto(socket: Socket, buffer: ReadBuffer, onChunk: OnChunk): void {
  if (!readIntoBuffer(socket, buffer.whole, (length) => onChunk(buffer.first(length)))) {
    socket.on('data', onChunk);
    return;
  }
  for (let held = socket.read(); held !== null; held = socket.read()) onChunk(held);
  socket.resume();
}
