// A NATS connection of the load generator: it sets up the connection and then hands over raw bytes.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { Tap } from './tap.ts';

/** A server to load; `tls` has the paths of the client's files for mutual TLS. */
export interface Target {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

const contexts = new Map<string, SecureContext>();

export class Connection {
  readonly socket: Duplex;
  #receive: (chunk: Buffer) => void = () => undefined;
  #closing = false;
  /** A generator that has lost its server cannot go on. */
  #lost: (error: Error) => void = (error) => {
    throw error;
  };

  private constructor(socket: Duplex) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (!this.#closing) this.#lost(new Error('the server closed the connection'));
    });
  }

  /** Connects, with a full handshake where the target has TLS, and resolves at the first PONG. */
  static async open(target: Target): Promise<Connection> {
    return Connection.#introduce(target, await greet(target));
  }

  /** Does the same, and also returns the tap through which the bytes arrive. */
  static async openTapped(target: Target): Promise<{ connection: Connection; tap: Tap }> {
    const tap = new Tap(await readInfo(target));
    const socket = target.tls ? await secure(tap, target.tls) : tap;
    return { connection: await Connection.#introduce(target, socket), tap };
  }

  static async #introduce(target: Target, socket: Duplex): Promise<Connection> {
    const connection = new Connection(socket);
    const options = { verbose: false, pedantic: false, headers: true, no_responders: true, protocol: 1 };
    const identity = { user: target.user, pass: target.password, lang: 'bench', version: '1' };
    const lost = connection.#lost;
    const ended = new Promise<never>((_resolve, reject) => {
      connection.#lost = reject;
    });
    await Promise.race([
      connection.roundTrip(`CONNECT ${JSON.stringify({ ...options, ...identity })}\r\n`),
      ended,
    ]);
    connection.#lost = lost;
    return connection;
  }

  /** Sends operations that have no answer; resolves when the server has processed them. */
  roundTrip(operations: string | Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      let text = '';
      this.#receive = (chunk) => {
        text += chunk.toString('latin1');
        if (text.includes('-ERR'))
          reject(new Error(`the server answered ${text.slice(text.indexOf('-ERR')).trim()}`));
        else if (text.includes('PONG\r\n')) resolve();
      };
      this.socket.write(operations);
      this.socket.write('PING\r\n');
    });
  }

  /** Passes all further bytes to `receive`. */
  stream(receive: (chunk: Buffer) => void): void {
    this.#receive = receive;
  }

  close(): void {
    this.#closing = true;
    this.socket.destroy();
  }
}

/** Connects, reads the INFO and, where the target has TLS, performs a full handshake without session resumption. */
export async function greet(target: Target): Promise<Socket> {
  const socket = await readInfo(target);
  return target.tls ? secure(socket, target.tls) : socket;
}

async function readInfo({ port }: Target): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'data');
  return socket;
}

async function secure(socket: Duplex, files: NonNullable<Target['tls']>): Promise<TLSSocket> {
  const upgraded = connectTls({ socket, secureContext: secureContext(files), servername: 'localhost' });
  await once(upgraded, 'secureConnect');
  return upgraded;
}

/** Limits the length of every TLS record that is written, from 512 to 16,384 bytes. */
export function limitRecords({ socket }: Connection, length: number): void {
  if ('setMaxSendFragment' in socket) (socket as TLSSocket).setMaxSendFragment(length);
}

function secureContext(tls: NonNullable<Target['tls']>): SecureContext {
  const known = contexts.get(tls.cert);
  if (known) return known;
  const context = createSecureContext({
    ca: readFileSync(tls.ca),
    cert: readFileSync(tls.cert),
    key: readFileSync(tls.key),
    minVersion: 'TLSv1.3',
    // The only suite offered, because Go's TLS 1.3 servers ignore the client's order.
    ciphers: 'TLS_AES_128_GCM_SHA256',
  });
  contexts.set(tls.cert, context);
  return context;
}
