// A WebSocket as a stream of the protocol's bytes, so that every client of the tests can use it instead of a socket. It
// sends fragmented messages with control frames between their parts, as clients may.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { code, type Frame, FrameDecoder, frame } from './frames.ts';
import { openSocket } from './socket.ts';

export interface UpgradeOptions {
  readonly tls?: ConnectionOptions;
  /** Headers that replace or follow the usual ones, by name; an empty one is left out. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The first line of the request. */
  readonly request?: string;
}

/** The answer to an upgrade. */
export interface Upgraded {
  readonly socket: Socket;
  /** Status line and headers, each with its line ending. */
  readonly head: string;
}

/** Requests a WebSocket of a port of this host; resolves with the answer, also if the server rejects the request. */
export async function requestUpgrade(port: number, options: UpgradeOptions = {}): Promise<Upgraded> {
  const { tls, headers = {}, request = 'GET / HTTP/1.1' } = options;
  const socket = await openPlainOrTls(port, tls);
  const all: Record<string, string> = {
    Host: `127.0.0.1:${port}`,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== '');
  socket.write(`${request}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  return { socket, head: await readHead(socket) };
}

async function openPlainOrTls(port: number, tls: ConnectionOptions | undefined): Promise<Socket> {
  if (tls === undefined) return openSocket(port);
  const socket = connectTls({ host: '127.0.0.1', port, ...tls });
  await once(socket, 'secureConnect');
  return socket;
}

/** Reads up to the empty line, or to the end; what follows stays in the socket. */
async function readHead(socket: Socket): Promise<string> {
  let bytes = Buffer.alloc(0);
  const isEnded = () => socket.readableEnded || socket.destroyed;
  while (!bytes.includes('\r\n\r\n') && !isEnded()) {
    const chunk: Buffer | null = socket.read();
    if (chunk !== null) bytes = Buffer.concat([bytes, chunk]);
    else await Promise.race(['readable', 'end', 'close'].map((event) => once(socket, event)));
  }
  const end = bytes.indexOf('\r\n\r\n') + 4;
  if (end > 3 && end < bytes.length) socket.unshift(bytes.subarray(end));
  return bytes.toString('latin1', 0, end > 3 ? end : bytes.length);
}

/** Opens a WebSocket; rejects unless the server accepts it. */
export async function openWebSocket(port: number, options: UpgradeOptions = {}): Promise<WebSocketStream> {
  const { socket, head } = await requestUpgrade(port, options);
  if (head.startsWith('HTTP/1.1 101 ')) return new WebSocketStream(socket, head);
  socket.destroy();
  throw new Error(`the server rejects the upgrade: ${head}`);
}

/** Compresses a message as permessage-deflate does. */
export function compressed(content: string | Buffer): Buffer {
  return deflateRawSync(content, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

/** Decompresses the parts of a message. */
export function decompressed(parts: readonly Buffer[]): Buffer {
  const flushed = Buffer.from([0, 0, 0xff, 0xff]);
  return inflateRawSync(Buffer.concat([...parts, flushed]), { finishFlush: constants.Z_SYNC_FLUSH });
}

/** Maximum size of a write to compress, in bytes: the limit on messages applies to what a compressed one contains. */
const maxCompressed = 512;

export class WebSocketStream extends Duplex {
  /** The payload of the close frame of the server; undefined before it. */
  closing: Buffer | undefined;
  /** The frames received. */
  readonly frames: Frame[] = [];
  readonly head: string;
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  #parts: Buffer[] = [];
  #isCompressed = false;
  #sent = 0;

  constructor(socket: Socket, head: string) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.head = head;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('end', () => this.push(null));
    socket.on('close', () => this.destroy());
    socket.on('error', (error) => this.destroy(error));
  }

  /** The socket below. */
  get carrier(): Socket {
    return this.#socket;
  }

  /** Sends a frame as it is. */
  sendFrame(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const isCompressed =
      this.head.includes('permessage-deflate') && this.#sent % 2 === 0 && chunk.length <= maxCompressed;
    const content = isCompressed ? compressed(chunk) : chunk;
    const reserved = isCompressed ? 4 : 0;
    this.#sent++;
    if (content.length < 2 || this.#sent % 3 === 0) {
      this.#socket.write(frame(content, { reserved }), () => done());
      return;
    }
    const middle = content.length >> 1;
    const parts = [
      frame(content.subarray(0, middle), { isFinal: false, reserved }),
      frame('', { code: code.pong }),
      frame(content.subarray(middle), { code: code.continuation }),
    ];
    this.#socket.write(Buffer.concat(parts), () => done());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #receive(chunk: Buffer): void {
    let isWanted = true;
    for (const received of this.#decoder.add(chunk)) {
      this.frames.push(received);
      if (received.code === code.close) this.closing = received.payload;
      else if (received.code < code.close) isWanted = this.#take(received) && isWanted;
    }
    if (!isWanted) this.#socket.pause();
  }

  #take({ code: own, isCompressed, isFinal, payload }: Frame): boolean {
    if (own !== code.continuation) this.#isCompressed = isCompressed;
    this.#parts.push(payload);
    if (!isFinal) return true;
    const content = this.#isCompressed ? decompressed(this.#parts) : Buffer.concat(this.#parts);
    this.#parts = [];
    return this.push(content);
  }
}
