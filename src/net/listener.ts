// A listening TCP socket: opens it, reports its later errors and words them for the operator. It reads no connection.
import { createServer, type Server, type Socket } from 'node:net';
import { NatspkiError } from '../errors.ts';
import { formatHostPort, type HostPort } from './host-port.ts';

/**
 * Length of the accept backlog: as long as the system allows, as in Go (net, maxListenerBacklog). Once the backlog is
 * full, new connections stall for seconds.
 */
const backlog = 65_535;

export class Listener {
  readonly #server: Server;
  readonly #closed: Promise<void>;

  private constructor(server: Server) {
    this.#server = server;
    this.#closed = new Promise((resolve) => server.once('close', () => resolve()));
  }

  /**
   * Starts listening; `0.0.0.0` accepts IPv6 as well, as in Go. Throws a NatspkiError that names the address.
   * @param onError called with later errors, such as too many open files; the socket keeps listening
   * @param portFlag the flag that the hint names for choosing another port
   */
  static async open(
    where: HostPort,
    onSocket: (socket: Socket) => void,
    onError: (error: Error) => void,
    portFlag = '--port',
  ): Promise<Listener> {
    // Half-open: a client that has closed its side must still receive its last bytes.
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

  /** Stops accepting; resolves once every accepted connection has ended too. */
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
  EADDRINUSE: (portFlag) => `stop the program that listens there, or choose another port with ${portFlag}`,
  EACCES: (portFlag) => `choose a port of 1024 or above with ${portFlag}, or allow this one in the system`,
};

/** Turns an error of `listen` into one that names the address and says what to do. */
export function listenError(where: HostPort, cause: unknown, portFlag: string): NatspkiError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const address = formatHostPort(where);
  return new NatspkiError('listen', `cannot listen on ${address}: ${code}`, {
    hint: hints[code]?.(portFlag) ?? 'choose an address of this machine with --addr',
    cause,
  });
}
