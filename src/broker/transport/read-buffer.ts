// Reads a socket into a buffer that is used again and again, where Node has a way for that, and by 'data' events where
// it has not. Node offers the way (`onread`) only for sockets that connect, so it is looked for on such a one.
import { Socket } from 'node:net';

/** Called with a view of what was read, valid only during the call. */
export type OnChunk = (chunk: Buffer) => void;

interface Hook {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

const hook = findHook();

/** Serves many sockets: a chunk is handed on before the next read. */
export class ReadBuffer {
  readonly whole: Buffer;
  /** Busy sockets fill as much of it again and again, and a view costs as much as some messages. */
  #view: Buffer;

  /** @param size bytes read at once */
  constructor(size: number) {
    this.whole = Buffer.allocUnsafeSlow(size);
    this.#view = this.whole;
  }

  /** The first `length` bytes. */
  first(length: number): Buffer {
    if (this.#view.length !== length) this.#view = this.whole.subarray(0, length);
    return this.#view;
  }
}

/** Begins to read, what the socket holds already first. */
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
