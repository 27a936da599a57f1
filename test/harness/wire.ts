// A NATS connection at the byte level: it sends bytes unchanged and compares what arrives byte for byte. It has no
// client behaviour (it answers no PING); it sends a PING of its own to learn that the server has processed
// everything before it.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { expect } from 'vitest';
import { openSocket, upgradeSocket } from './socket.ts';
import { openWebSocket } from './websocket.ts';

export interface WireOptions {
  /** Upgrades to TLS after the INFO, or before it with `tlsFirst`. */
  tls?: ConnectionOptions;
  tlsFirst?: boolean;
  /** Connects by a WebSocket, with these headers in its request. */
  websocket?: Readonly<Record<string, string>> | undefined;
  /** Whether the server may close without the last error, as nats-server does over WebSocket. */
  mayLoseErrors?: boolean;
}

// How long a test waits for bytes before it fails and prints what arrived instead, in milliseconds.
const patience = 8_000;
const barrier = 'PING\r\n';
const answer = 'PONG\r\n';

export class Wire {
  /** The INFO that was read last. */
  info: Record<string, unknown> = {};
  /** The line of that INFO as it arrived, with its line ending. */
  greeting = '';
  #socket: Duplex;
  readonly #mayLoseErrors: boolean;
  #received = Buffer.alloc(0);
  #ended = false;
  #changed: () => void = () => undefined;

  private constructor(socket: Duplex, mayLoseErrors = false) {
    this.#socket = socket;
    this.#mayLoseErrors = mayLoseErrors;
    this.#listen();
  }

  /**
   * Connects to a port of this host and reads the INFO. With `tls`, resolves once the client's side of the
   * handshake is done.
   */
  static async open(port: number, options: WireOptions = {}): Promise<Wire> {
    const { tls, tlsFirst = false, websocket, mayLoseErrors } = options;
    if (websocket !== undefined) {
      const stream = await openWebSocket(port, { headers: websocket });
      const wire = new Wire(stream, mayLoseErrors);
      await wire.nextInfo();
      return wire;
    }
    const wire = await Wire.openSilent(port);
    if (tls && tlsFirst) await wire.upgrade(tls);
    await wire.nextInfo();
    if (tls && !tlsFirst) await wire.upgrade(tls);
    return wire;
  }

  /** Connects without reading anything, for a server that does not speak first. */
  static async openSilent(port: number): Promise<Wire> {
    return new Wire(await openSocket(port));
  }

  /** Continues the connection over TLS; rejects when the handshake fails on this side. */
  async upgrade(options: ConnectionOptions): Promise<void> {
    this.#socket = await upgradeSocket(this.#socket as Socket, options);
    this.#listen();
  }

  /** Sends bytes; each argument is a separate write. */
  send(...chunks: (string | Buffer)[]): void {
    for (const chunk of chunks) this.#socket.write(chunk);
  }

  /** Expects the next bytes to be exactly these. */
  async reads(expected: string | Buffer): Promise<void> {
    const bytes = Buffer.from(expected as string);
    await this.#until(() => this.#received.length >= bytes.length || !this.#beginsLike(bytes));
    const arrived = this.#received.length >= bytes.length && this.#beginsLike(bytes);
    if (!arrived) expect(this.#state()).toBe(state(bytes, false));
    this.#received = this.#received.subarray(bytes.length);
  }

  /** Sends a PING as a barrier and expects the server to answer exactly this before its PONG. */
  async receives(expected: string | Buffer): Promise<void> {
    this.send(barrier);
    await this.reads(Buffer.concat([Buffer.from(expected as string), Buffer.from(answer)]));
  }

  /** Expects the server's answer to be exactly these pieces, each whole, in any order. */
  async receivesInAnyOrder(...pieces: string[]): Promise<void> {
    let rest = await this.drain();
    const missing = pieces.filter((piece) => {
      const at = rest.indexOf(piece);
      if (at >= 0) rest = rest.slice(0, at) + rest.slice(at + piece.length);
      return at < 0;
    });
    expect({ missing, rest }).toEqual({ missing: [], rest: '' });
  }

  /**
   * Sends these bytes and returns everything that the server has answered so far, which must not contain a PONG of
   * its own.
   */
  async drain(bytes = ''): Promise<string> {
    this.send(bytes + barrier);
    return (await this.#take(answer)).slice(0, -answer.length);
  }

  /** Expects exactly these bytes, and then that the server closes the connection. */
  async closes(expected = ''): Promise<void> {
    await this.#until(() => this.#ended);
    if (this.#mayLoseErrors && expected.startsWith(this.#received.toString())) return;
    expect(this.#state()).toBe(state(Buffer.from(expected), true));
  }

  /** Waits until the server closes the connection; returns what arrived before. */
  async closed(): Promise<string> {
    await this.#until(() => this.#ended);
    if (!this.#ended) expect.fail(`expected a close, received ${this.#state()}`);
    return this.#received.toString();
  }

  /** Reads the next line, which must be an INFO, into `info`. */
  async nextInfo(): Promise<Record<string, unknown>> {
    this.greeting = await this.#take('\r\n');
    expect(this.greeting).toMatch(/^INFO \{.*\} ?\r\n$/);
    this.info = JSON.parse(this.greeting.slice(5));
    return this.info;
  }

  /** Reads one line without its line ending; skips a PING of the server. */
  async line(): Promise<string> {
    const line = (await this.#take('\r\n')).slice(0, -2);
    return line === 'PING' ? this.line() : line;
  }

  /** Reads this many bytes; each becomes one character. */
  async bytes(count: number): Promise<string> {
    await this.#until(() => this.#received.length >= count);
    const bytes = this.#received.toString('latin1', 0, count);
    this.#received = this.#received.subarray(count);
    return bytes;
  }

  /** Stops reading, so that the server detects a slow consumer. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.destroy();
  }

  #listen(): void {
    const ended = () => {
      this.#ended = true;
      this.#changed();
    };
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#changed();
    });
    // A close looks like a reset when the server left some of our bytes unread.
    this.#socket.on('error', ended);
    this.#socket.on('end', ended);
    this.#socket.on('close', ended);
  }

  #beginsLike(bytes: Buffer): boolean {
    const length = Math.min(bytes.length, this.#received.length);
    return this.#received.subarray(0, length).equals(bytes.subarray(0, length));
  }

  async #take(ending: string): Promise<string> {
    await this.#until(() => this.#received.includes(ending));
    const at = this.#received.indexOf(ending);
    if (at < 0) expect.fail(`expected ${JSON.stringify(ending)}, received ${JSON.stringify(this.#state())}`);
    const taken = this.#received.subarray(0, at + ending.length).toString();
    this.#received = this.#received.subarray(at + ending.length);
    return taken;
  }

  // Resolves when the condition holds, the connection has ended or `patience` has passed; the caller checks which.
  async #until(holds: () => boolean): Promise<void> {
    let patient = true;
    const timer = setTimeout(() => {
      patient = false;
      this.#changed();
    }, patience);
    while (!holds() && !this.#ended && patient) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    clearTimeout(timer);
  }

  #state(): string {
    return state(this.#received, this.#ended);
  }
}

// The received bytes as text for a comparison, followed by `<closed>` after a close.
function state(bytes: Buffer, closed: boolean): string {
  return bytes.toString('latin1') + (closed ? '<closed>' : '');
}
