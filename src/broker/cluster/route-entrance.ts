// The way of a new connection between servers, whoever made it, to a session that is read: over TLS where the cluster has
// it. Holds those that have not introduced themselves, and no more of them than a server should have to do with.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { HandshakeError } from '../../tls/handshake-error.ts';
import { connectTls } from '../../tls/outgoing.ts';
import type { TlsEntrance } from '../transport/tls-entrance.ts';
import { type Destination, type RouteEnvironment, RouteSession } from './route.ts';

/** More are hung up on. */
const maxStrangers = 256;

export interface EntranceEnvironment extends RouteEnvironment {
  /** Undefined without TLS. */
  readonly tls: TlsEntrance | undefined;
  readonly isClosed: boolean;
  /** Gives the id of a new connection. */
  nextId(): number;
  /** Makes the CONNECT for a server that this one has connected to. */
  connectLine(destination: Destination): Buffer;
  /** What the certificate of the other side must say. */
  nameOf(destination: Destination): string;
  /** It did not say that. */
  misnamed(destination: Destination): void;
}

export class RouteEntrance {
  readonly #environment: EntranceEnvironment;
  readonly #strangers = new Set<RouteSession>();

  constructor(environment: EntranceEnvironment) {
    this.#environment = environment;
  }

  /** Those that are not, or not yet, in use. */
  get strangers(): readonly RouteSession[] {
    return [...this.#strangers];
  }

  /** The route has ended, or is a stranger no more. */
  forget(route: RouteSession): void {
    this.#strangers.delete(route);
  }

  /** Goes on with a connection that another server has made. */
  async accept(socket: Socket): Promise<void> {
    if (this.#strangers.size >= maxStrangers) {
      socket.destroy();
      return;
    }
    const { tls } = this.#environment;
    const route = this.#session(socket, undefined);
    if (tls !== undefined && !(await secure(route, tls.handshaker.accept(route.connection.release()))))
      return;
    route.start();
  }

  /** Goes on with a connection to another server. */
  async solicit(socket: Socket, destination: Destination): Promise<void> {
    const { tls } = this.#environment;
    const route = this.#session(socket, destination);
    if (tls !== undefined) {
      const name = this.#environment.nameOf(destination);
      const misnamed = () => this.#environment.misnamed(destination);
      const secured = connectTls(route.connection.release(), tls.source, name);
      if (!(await secure(route, secured, misnamed))) return;
    }
    route.start(this.#environment.connectLine(destination));
  }

  #session(socket: Socket, destination: Destination | undefined): RouteSession {
    const route = new RouteSession(this.#environment.nextId(), socket, destination, this.#environment);
    this.#strangers.add(route);
    if (this.#environment.isClosed) route.connection.abort('Server Shutdown');
    return route;
  }
}

/** Waits for a handshake; false where the session has ended over it. */
async function secure(
  route: RouteSession,
  handshake: Promise<TLSSocket>,
  misnamed: () => void = () => {},
): Promise<boolean> {
  try {
    route.secured(await handshake);
    return route.connection.isOpen;
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error;
    if (error.code === 'server-certificate-name') misnamed();
    const line = `TLS route handshake error: ${error.message}`;
    // Nobody probes this port as that of clients is probed (client.go, doTLSHandshake).
    if (error.code === 'closed') route.log.debug(line);
    else route.log.error(line);
    route.connection.abort('TLS Handshake Failure');
    return false;
  }
}
