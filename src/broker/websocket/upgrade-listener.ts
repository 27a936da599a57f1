// The listener for WebSocket clients: TLS first, as HTTPS, then the HTTP request that opens the WebSocket. Limits the
// connections that have not come so far in number, size and time.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { stackOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { mostCrowding } from '../../net/crowding.ts';
import { formatHostPort, type HostPort } from '../../net/host-port.ts';
import { Listener } from '../../net/listener.ts';
import { HandshakeError } from '../../tls/handshake-error.ts';
import type { ServerTls } from '../transport/server-tls.ts';
import {
  examineUpgrade,
  malformedAnswer,
  refusalAnswer,
  type Upgrade,
  type UpgradeRules,
} from './upgrade.ts';

/** Maximum number of connections without an open WebSocket, by default. */
const maxPending = 2048;

/** Maximum size of the headers of a request, in bytes. Browsers send the cookies of the host with it. */
const maxHeaderBytes = 16_384;

/** Milliseconds for the request to arrive by default; nats-server waits without limit. */
const defaultRequestMs = 5000;

/** Milliseconds for the client to close after a rejection: an immediate close could lose the answer. */
const lingerMs = 250;

export interface UpgradeSettings {
  readonly where: HostPort;
  readonly rules: UpgradeRules;
  /** Milliseconds for the request to arrive, counted from the connection or from the end of the TLS handshake. */
  readonly requestMs: number | undefined;
  /** Returns undefined for connections without TLS. */
  readonly tls: () => ServerTls | undefined;
  readonly log: Logger;
  readonly now: () => Date;
  /** Takes over a connection whose WebSocket is open. */
  readonly onClient: (socket: Socket, upgrade: Upgrade) => void;
  /** Default 2048. */
  readonly maxPending?: number;
  /** Called with later errors of the listening socket. */
  readonly onError: (error: Error) => void;
}

export class UpgradeListener {
  readonly #settings: UpgradeSettings;
  readonly #server: Server;
  /** Every connection without an open WebSocket, the oldest first, with its timeout. */
  readonly #pending = new Map<Socket, NodeJS.Timeout>();
  #listener: Listener | undefined;

  private constructor(settings: UpgradeSettings) {
    this.#settings = settings;
    this.#server = createServer({ maxHeaderSize: maxHeaderBytes, requireHostHeader: false });
    // A request without an upgrade, or with one that is acted on.
    for (const event of ['request', 'checkExpectation', 'checkContinue']) {
      this.#server.on(event, (request: IncomingMessage) => this.#answer(request, 0));
    }
    this.#server.on('upgrade', (request, _socket, head) => this.#answer(request, head.length));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
      this.#end(socket as Socket, malformedAnswer(status));
    });
  }

  /** Starts listening; throws a NatspkiError that names the address if that fails. */
  static async open(settings: UpgradeSettings): Promise<UpgradeListener> {
    const opened = new UpgradeListener(settings);
    opened.#listener = await Listener.open(
      settings.where,
      (socket) => void opened.#accept(socket),
      settings.onError,
      'port in the websocket block',
    );
    return opened;
  }

  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** Stops listening and ends the connections without an open WebSocket; resolves once every connection has ended. */
  async close(): Promise<void> {
    const closed = this.#listener?.close();
    for (const socket of this.#pending.keys()) socket.destroy();
    this.#server.close();
    await closed;
  }

  async #accept(raw: Socket): Promise<void> {
    const { requestMs = defaultRequestMs } = this.#settings;
    const tls = this.#settings.tls();
    raw.on('error', ignore);
    // The handshaker has its own timeout, and restarts this one when it is done.
    this.#await(raw, tls === undefined ? requestMs : undefined);
    this.#makeRoom();
    if (raw.destroyed) return;
    try {
      const socket = tls === undefined ? raw : await this.#secure(raw, tls);
      if (socket === undefined) return;
      if (socket !== raw) {
        this.#forget(raw);
        socket.on('error', ignore);
        this.#await(socket, requestMs);
      }
      this.#server.emit('connection', socket);
    } catch (error) {
      raw.destroy();
      this.#settings.log.error(`websocket: ${stackOf(error)}`);
    }
  }

  /** Performs the TLS handshake; returns undefined if it fails. */
  async #secure(raw: Socket, { handshaker }: ServerTls): Promise<TLSSocket | undefined> {
    const peer = peerOf(raw);
    if (!handshaker.admit()) {
      raw.destroy();
      return undefined;
    }
    try {
      return await handshaker.accept(raw);
    } catch (error) {
      if (!(error instanceof HandshakeError)) throw error;
      const line = `websocket: TLS handshake error from ${peer}: ${error.message}`;
      if (error.isProbe) this.#settings.log.debug(line);
      else this.#settings.log.error(line);
      return undefined;
    }
  }

  /** @param early number of bytes that the client has sent behind its request */
  #answer(request: IncomingMessage, early: number): void {
    const { rules, log, now, onClient } = this.#settings;
    const { socket, headersDistinct, httpVersion } = request;
    const hosts = headersDistinct.host?.length ?? 0;
    if (hosts === 0 && httpVersion !== '1.0') {
      this.#end(socket, malformedAnswer(400, ': missing required Host header'));
      return;
    }
    if (hosts > 1) {
      this.#end(socket, malformedAnswer(400));
      return;
    }
    const result = examineUpgrade(request, socket instanceof TLSSocket, rules);
    if ('reason' in result) {
      log.error(`${peerOf(socket)} - websocket handshake error: ${result.reason}`);
      this.#end(socket, refusalAnswer(result.status, now()));
    } else if (early > 0) {
      log.error(
        `${peerOf(socket)} - websocket handshake error: client sent data before handshake is complete`,
      );
      socket.destroy();
    } else if (result.kind === 'leafnode') {
      log.error('Not configured to accept leaf node connections');
      this.#end(socket, result.answer);
    } else {
      this.#forget(socket);
      socket.write(result.answer);
      onClient(socket, result);
    }
  }

  /** Ends a connection with these last bytes. */
  #end(socket: Socket, answer: string): void {
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    this.#await(socket, lingerMs);
    socket.end(answer);
    // Read and drop what the client still sends: unread bytes would make the kernel reset the connection.
    socket.resume();
  }

  /** Closes a connection when there are too many: the oldest of the address that has the most. */
  #makeRoom(): void {
    if (this.#pending.size <= (this.#settings.maxPending ?? maxPending)) return;
    const pending = Array.from(this.#pending.keys(), (socket) => ({
      connection: socket,
      address: socket.remoteAddress ?? '',
      isUnproved: true,
    }));
    mostCrowding(pending)?.destroy();
  }

  /** Counts a connection as pending. @param milliseconds for how long it may be; undefined if another timeout applies */
  #await(socket: Socket, milliseconds: number | undefined): void {
    if (!this.#pending.has(socket)) socket.once('close', () => this.#forget(socket));
    clearTimeout(this.#pending.get(socket));
    if (socket.destroyed) return;
    this.#pending.set(
      socket,
      setTimeout(() => socket.destroy(), milliseconds ?? 2 ** 31 - 1),
    );
  }

  #forget(socket: Socket): void {
    clearTimeout(this.#pending.get(socket));
    this.#pending.delete(socket);
  }
}

function peerOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return formatHostPort({ host: remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''), port: remotePort });
}

function ignore(): void {
  // The connection has no owner yet; its end is noticed by 'close'.
}
