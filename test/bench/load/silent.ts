// Clients that begin a conversation and then send nothing more. Each connects again as soon as the server has
// disconnected it.
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';

export interface SilentSetup {
  readonly port: number;
  /** The address that they connect from. */
  readonly localAddress: string;
  readonly clients: number;
  /** What each sends: a ClientHello once it has read the INFO, a text, or nothing. */
  readonly sends: { readonly hello: true } | { readonly text: string };
}

/** Connections opened in one turn of the event loop. */
const batch = 50;

export class Silent {
  readonly #setup: SilentSetup;
  readonly #hello: Buffer | undefined;
  readonly #sockets = new Set<Socket>();
  #closed = 0;
  #isOver = false;

  private constructor(setup: SilentSetup, hello: Buffer | undefined) {
    this.#setup = setup;
    this.#hello = hello;
  }

  static async open(setup: SilentSetup): Promise<Silent> {
    const hello = 'hello' in setup.sends ? await clientHello() : undefined;
    const silent = new Silent(setup, hello);
    for (let opened = 0; opened < setup.clients; opened++) {
      silent.#connect();
      if (opened % batch === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return silent;
  }

  /** Returns how many connections the server has ended so far. */
  async closed(): Promise<number> {
    return this.#closed;
  }

  /** Ends all connections and opens no more. */
  async stop(): Promise<void> {
    this.#isOver = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #connect(): void {
    const { port, localAddress, sends } = this.#setup;
    const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    const hello = this.#hello;
    if (hello !== undefined) socket.once('data', () => socket.write(hello));
    else if ('text' in sends && sends.text !== '') socket.write(sends.text);
    socket.resume();
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#isOver) return;
      this.#closed++;
      setImmediate(() => this.#connect());
    });
  }
}

/** Returns the first bytes that a TLS client sends. */
function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const pipe = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        resolve(Buffer.from(chunk));
        done();
      },
    });
    connectTls({ socket: pipe, servername: 'localhost', minVersion: 'TLSv1.3' }).on('error', () => undefined);
  });
}
