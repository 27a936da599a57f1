// A listening socket: where it listens, what comes of it later, and what its errors mean.
import { createServer, type Server, type Socket } from 'node:net';
import { NatspkiError } from '../../errors.ts';
import { formatHostPort, type HostPort } from '../options/host-port.ts';

/**
 * How many connections may wait to be accepted: as many as the system allows, as in Go (net, maxListenerBacklog). Who
 * finds no place, because of a flood of others, is not heard of for seconds.
 */
const backlog = 65_535;

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

function listen(server: Server, { host, port }: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function isWithoutIpv6(error: unknown): boolean {
  return ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes((error as NodeJS.ErrnoException).code ?? '');
}

const hints: Partial<Record<string, (portFlag: string) => string>> = {
  EADDRINUSE: (portFlag) => `stop what listens there already, or take another port with ${portFlag}`,
  EACCES: (portFlag) => `take a port from 1024 on with ${portFlag}, or have the system allow this one`,
};

/** Words what a system says to `listen`. */
export function listenError(where: HostPort, cause: unknown, portFlag: string): NatspkiError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const address = formatHostPort(where);
  return new NatspkiError('listen', `cannot listen on ${address}: ${code}`, {
    hint: hints[code]?.(portFlag) ?? 'name an address of this machine with --addr',
    cause,
  });
}
