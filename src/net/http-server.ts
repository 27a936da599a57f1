// An HTTP server for strangers: limits on connections, headers and times, the Host guard, and the order of responses. What a
// response says is up to its owner; so is TLS, which the owner performs on each accepted socket.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { stackOf } from '../errors.ts';
import { type Logger, quote } from '../log.ts';
import { HandshakeError } from '../tls/handshake-error.ts';
import { type Answer, rejectMalformed, send, text } from './answer.ts';
import { AnswerQueue } from './answer-queue.ts';
import { mostCrowding } from './crowding.ts';
import { foreignHost } from './host-header.ts';
import type { HostPort } from './host-port.ts';
import { Listener } from './listener.ts';

/** Maximum number of open connections by default, including those in a handshake. */
const maxConnections = 128;
const maxRequestsPerConnection = 1000;
const maxHeaderBytes = 8192;

/** Milliseconds for a request to arrive, from the connection or from the previous response on. */
const requestMs = 5000;

/** Milliseconds for the client to read a response. */
const answerMs = 30_000;

/** What performs a handshake; a Handshaker. */
interface Secures {
  accept(socket: Socket): Promise<TLSSocket>;
}

export interface HttpServerOptions {
  /** Answers a request whose method and Host are allowed; what it throws is logged and answered with 500. */
  readonly answer: (request: IncomingMessage) => Promise<Answer>;
  /** The names of this machine in the configuration. */
  readonly names: () => readonly string[];
  /** How the log names this server. */
  readonly where: string;
  readonly logger: Pick<Logger, 'error'>;
  /** Default: GET and HEAD. */
  readonly methods?: readonly string[];
  /** Whether a response takes no time, and waits for its own connection only; default never. */
  readonly isUrgent?: (request: IncomingMessage) => boolean;
  /** For HTTPS: what performs handshakes now; connections that arrive while it returns undefined are closed. */
  readonly handshaker?: () => Secures | undefined;
  /** Milliseconds from the connection to the end of its handshake; default those for a request. */
  readonly handshakeMs?: number;
  /** Default 128. */
  readonly maxConnections?: number;
}

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  /** Every connection with its timeout. */
  readonly #sockets = new Map<Socket, NodeJS.Timeout>();
  readonly #queue = new AnswerQueue();
  #listener: Listener | undefined;
  #isClosing = false;

  private constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { maxHeaderSize: maxHeaderBytes, insecureHTTPParser: false, requireHostHeader: false },
      (request, response) => void this.#answer(request, response),
    );
    // Answer a request with Expect like any other.
    this.#server.on('checkExpectation', (request, response) => void this.#answer(request, response));
    this.#server.on('clientError', (error, socket) =>
      rejectMalformed(error, socket, this.#queue.isBusy(socket)),
    );
    this.#server.maxRequestsPerSocket = maxRequestsPerConnection;
  }

  /**
   * Starts listening; throws a NatspkiError that names the address if that fails.
   * @param onError called with later errors of the listening socket
   * @param portFlag the flag that the hint names for choosing another port
   */
  static async open(
    options: HttpServerOptions,
    { host, port }: HostPort,
    onError: (error: Error) => void,
    portFlag: string,
  ): Promise<HttpServer> {
    const server = new HttpServer(options);
    const accept = (socket: Socket) => void server.#accept(socket);
    server.#listener = await Listener.open({ host, port }, accept, onError, portFlag);
    return server;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** The connections over TLS whose handshake is complete. */
  get secured(): TLSSocket[] {
    return [...this.#sockets.keys()].filter((socket) => socket instanceof TLSSocket);
  }

  /**
   * Ends every connection; one with a request in progress after its response, or after `graceMs` milliseconds.
   */
  async close(graceMs = 0): Promise<void> {
    this.#isClosing = true;
    const closed = this.#listener?.close();
    for (const socket of this.#sockets.keys()) {
      if (graceMs === 0 || !this.#queue.isBusy(socket)) socket.destroy();
    }
    this.#server.close();
    const endAll = () => {
      for (const socket of this.#sockets.keys()) socket.destroy();
    };
    const timer = setTimeout(endAll, graceMs);
    await closed;
    clearTimeout(timer);
  }

  async #accept(socket: Socket): Promise<void> {
    this.#restartTimeout(socket, this.#options.handshakeMs ?? requestMs);
    socket.once('close', () => this.#forget(socket));
    this.#makeRoom();
    if (socket.destroyed) return;
    const { handshaker } = this.#options;
    if (handshaker === undefined) {
      this.#server.emit('connection', socket);
      return;
    }
    const secures = handshaker();
    if (secures === undefined) {
      socket.destroy();
      return;
    }
    try {
      const secure = await secures.accept(socket);
      secure.once('close', () => this.#forget(secure));
      this.#forget(socket);
      this.#restartTimeout(secure, requestMs);
      this.#server.emit('connection', secure);
    } catch (error) {
      // Do not log failed handshakes: port scans would fill the log.
      if (!(error instanceof HandshakeError)) this.#logDefect(error);
      socket.destroy();
    }
  }

  /** Closes a connection when there are too many: of the most crowded address one without a request in progress. */
  #makeRoom(): void {
    if (this.#sockets.size <= (this.#options.maxConnections ?? maxConnections)) return;
    const connections = [...this.#sockets.keys()].map((socket) => ({
      connection: socket,
      address: socket.remoteAddress ?? '',
      isUnproved: !this.#queue.isBusy(socket),
    }));
    const worst = mostCrowding(connections);
    if (worst === undefined) return;
    this.#forget(worst);
    worst.destroy();
  }

  /**
   * Restarts the timeout of a connection. Only a complete step restarts it, so slow single bytes do not keep it open.
   */
  #restartTimeout(socket: Socket, milliseconds: number): void {
    clearTimeout(this.#sockets.get(socket));
    if (socket.destroyed) return;
    this.#sockets.set(
      socket,
      setTimeout(() => socket.destroy(), milliseconds),
    );
  }

  #forget(socket: Socket): void {
    clearTimeout(this.#sockets.get(socket));
    this.#sockets.delete(socket);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.#restartTimeout(socket, answerMs);
    response.once('finish', () => {
      if (this.#isClosing) socket.destroySoon();
      this.#restartTimeout(socket, this.#queue.isBusy(socket) ? answerMs : requestMs);
    });
    const work = () => {
      this.#restartTimeout(socket, answerMs);
      return this.#respond(request);
    };
    const isUrgent = this.#options.isUrgent?.(request) ?? false;
    const answer = await this.#queue.answer(socket, response, work, isUrgent);
    if (answer !== undefined) send(answer, request, response);
  }

  async #respond(request: IncomingMessage): Promise<Answer> {
    const { method = '', headers, headersDistinct, httpVersion, socket } = request;
    const { methods = ['GET', 'HEAD'], handshaker, names } = this.#options;
    // Node would use the first one, and a proxy in front of this port perhaps the last one.
    if ((headersDistinct.host?.length ?? 0) > 1) return text(400, '400 Bad Request: too many Host headers');
    if (headers.host === undefined && httpVersion !== '1.0') {
      return text(400, '400 Bad Request: missing required Host header');
    }
    if (!methods.includes(method)) return methodNotAllowed(methods);
    // Over TLS the certificate already distinguishes this server from a web site.
    const foreign = handshaker ? undefined : foreignHost(socket.localAddress, headers.host, names());
    if (foreign !== undefined) {
      return text(421, `${quote(foreign)} is not a name of this server: use localhost or an IP address\n`);
    }
    try {
      return await this.#options.answer(request);
    } catch (error) {
      // A defect here must not end the process.
      this.#logDefect(error);
      return text(500, 'internal error\n');
    }
  }

  #logDefect(error: unknown): void {
    this.#options.logger.error(`${this.#options.where}: ${stackOf(error)}`);
  }
}

function methodNotAllowed(methods: readonly string[]): Answer {
  const names = methods.length < 2 ? methods[0] : `${methods.slice(0, -1).join(', ')} and ${methods.at(-1)}`;
  const headers = { Allow: methods.join(', '), Connection: 'close' };
  return { ...text(405, `only ${names} are allowed\n`), headers };
}
