// Turns a new connection between servers, accepted or dialled, into a route session that reads: over TLS if the cluster
// uses it. Holds the pending routes, whose peer is not yet known to be a member, and limits their number.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { HandshakeError } from '../../tls/handshake-error.ts';
import { connectTls } from '../../tls/outgoing.ts';
import type { ServerTls } from '../transport/server-tls.ts';
import { type Destination, type RouteEnvironment, RouteSession } from './route.ts';

/** Maximum number of pending routes; further connections are closed. */
const maxPending = 256;

export interface EntranceEnvironment extends RouteEnvironment {
  /** Undefined without TLS. */
  readonly tls: ServerTls | undefined;
  readonly isClosed: boolean;
  /** Returns the id for a new connection. */
  nextId(): number;
  /** Builds the CONNECT for a server that this one has dialled. */
  connectLine(destination: Destination): Buffer;
  /** The name that the peer's certificate must contain. */
  nameOf(destination: Destination): string;
  /** Called when the certificate lacks that name. */
  misnamed(destination: Destination): void;
}

export class RouteEntrance {
  readonly #environment: EntranceEnvironment;
  readonly #pending = new Set<RouteSession>();

  constructor(environment: EntranceEnvironment) {
    this.#environment = environment;
  }

  /** The pending routes: those that are not, or not yet, in use. */
  get strangers(): readonly RouteSession[] {
    return [...this.#pending];
  }

  /** Removes a route that has ended or is now in use. */
  forget(route: RouteSession): void {
    this.#pending.delete(route);
  }

  /** Takes over a connection that another server has dialled. */
  async accept(socket: Socket): Promise<void> {
    if (this.#pending.size >= maxPending) {
      socket.destroy();
      return;
    }
    const { tls } = this.#environment;
    const route = this.#session(socket, undefined);
    if (tls !== undefined && !(await secure(route, tls.handshaker.accept(route.connection.release()))))
      return;
    route.start();
  }

  /** Takes over a connection that this server has dialled. */
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
    this.#pending.add(route);
    if (this.#environment.isClosed) route.connection.abort('Server Shutdown');
    return route;
  }
}

/** Waits for a handshake; returns false if the session ended during it. */
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
    // Unlike the client port, this port expects no probes (client.go, doTLSHandshake).
    if (error.code === 'closed') route.log.debug(line);
    else route.log.error(line);
    route.connection.abort('TLS Handshake Failure');
    return false;
  }
}
