// Reads sockets into one reused buffer where Node supports that, and by 'data' events elsewhere. Node offers `onread`
// only for sockets that connect, so this module finds its internal symbols on such a socket.
import { Socket } from 'node:net';

/** Called with a view of the bytes read, valid only during the call. */
export type OnChunk = (chunk: Buffer) => void;

interface Hook {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

const hook = findHook();

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
  const handle = (socket as unknown as { _handle?: { useUserBuffer?: (buffer: Buffer) => void } })._handle;
  if (hook === undefined || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', onChunk);
    return;
  }
  Object.assign(socket, {
    [hook.buffer]: buffer.whole,
    [hook.callback]: (length: number) => {
      onChunk(buffer.first(length));
      return true;
    },
    [hook.generator]: null,
  });
  handle.useUserBuffer(buffer.whole);
  for (let held = socket.read(); held !== null; held = socket.read()) onChunk(held);
  socket.resume();
}

function findHook(): Hook | undefined {
  const options = { onread: { buffer: Buffer.alloc(1), callback: () => true } };
  const probe = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  const symbols = Object.getOwnPropertySymbols(probe);
  const find = (name: string) => symbols.find(({ description }) => description === name);
  const [buffer, callback, generator] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')];
  if (buffer === undefined || callback === undefined || generator === undefined) return undefined;
  return { buffer, callback, generator };
}
