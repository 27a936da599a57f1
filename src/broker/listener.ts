// A listening socket, and the way of a new connection from there to a session that is read: INFO before or after TLS,
// as the configuration says. TLS itself is made by the Handshaker.
import { createServer, type Server, type Socket } from 'node:net';
import { NatspkiError } from '../errors.ts';
import { violations } from '../protocol/violations.ts';
import { firstByte } from '../tls/first-byte.ts';
import type { Handshaker } from '../tls/handshake.ts';
import { HandshakeError } from '../tls/handshake-error.ts';
import type { ClientSession } from './client.ts';
import { formatHostPort, type HostPort } from './host-port.ts';
import type { TlsEntrance } from './tls-entrance.ts';

/** Accepts TCP connections. */
export class Listener {
  readonly #server: Server;
  readonly #closed: Promise<void>;

  private constructor(server: Server) {
    this.#server = server;
    this.#closed = new Promise((resolve) => server.once('close', () => resolve()));
  }

  /**
   * Listens; `0.0.0.0` takes IPv6 as well, as in Go. Throws a NatspkiError that names the address.
   * @param onError called with what goes wrong later, such as too many open files; listening goes on
   * @param portFlag what the hint says to take another port with
   */
  static async open(
    where: HostPort,
    onSocket: (socket: Socket) => void,
    onError: (error: Error) => void,
    portFlag = '--port',
  ): Promise<Listener> {
    // Half-open, because the last bytes for a client that has hung up must still be written.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket);
    try {
      await listen(server, where.host === '0.0.0.0' ? { ...where, host: '::' } : where);
    } catch (cause) {
      if (where.host !== '0.0.0.0' || !isWithoutIpv6(cause)) throw listenError(where, cause, portFlag);
      await listen(server, where).catch((second) => {
        throw listenError(where, second, portFlag);
      });
    }
    server.on('error', onError);
    return new Listener(server);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Stops accepting; resolves when every accepted connection has ended too. */
  close(): Promise<void> {
    this.#server.close();
    return this.#closed;
  }
}

/** How new connections are let in. */
export interface Entrance {
  /** Undefined without TLS. */
  readonly tls: TlsEntrance | undefined;
  readonly allowNonTls: boolean;
  /** No more clients than there are. */
  readonly isFull: boolean;
}

/** Takes a new connection to where its session reads (server.go, createClientEx). */
export async function welcome(session: ClientSession, socket: Socket, entrance: Entrance): Promise<void> {
  const { tls } = entrance;
  let first = tls?.block.handshakeFirst;
  if (first === undefined) session.greet();
  if (entrance.isFull) {
    session.violation(violations.maxConnections);
    return;
  }
  if (tls === undefined) {
    session.start();
    return;
  }
  if (first?.fallbackMs !== undefined && (await firstByte(socket, first.fallbackMs)) === 'silent') {
    first = undefined;
    session.greet();
  }
  const mayBePlain = first === undefined && entrance.allowNonTls;
  if (mayBePlain && (await firstByte(socket, tls.block.timeoutMs)) !== 'tls') {
    if (session.connection.isOpen) session.start();
    return;
  }
  if (!session.connection.isOpen || !(await upgrade(session, tls.handshaker, first !== undefined))) return;
  if (first !== undefined) session.greet();
  session.start();
}

/** Makes the TLS connection; false where the session has ended over it. */
async function upgrade(session: ClientSession, handshaker: Handshaker, isFirst: boolean): Promise<boolean> {
  if (!handshaker.admit()) {
    session.violation(violations.throttled);
    return false;
  }
  session.log.debug('Starting TLS client connection handshake');
  try {
    session.secured(await handshaker.accept(session.connection.release()), isFirst);
    return session.connection.isOpen;
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error;
    const line = `TLS handshake error: ${error.message}`;
    if (error.isProbe) session.log.debug(line);
    else session.log.error(line);
    session.connection.abort('TLS Handshake Failure');
    return false;
  }
}

function listen(server: Server, { host, port }: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function isWithoutIpv6(error: unknown): boolean {
  return ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function listenError(where: HostPort, cause: unknown, portFlag: string): NatspkiError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const address = formatHostPort(where);
  return new NatspkiError('listen', `cannot listen on ${address}: ${code}`, {
    hint:
      code === 'EADDRINUSE'
        ? `stop what listens there already, or take another port with ${portFlag}`
        : 'name an address of this machine with --addr',
    cause,
  });
}
