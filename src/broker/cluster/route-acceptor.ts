// Turns a new connection between servers, accepted or dialled, into a route session that reads: over TLS if the cluster
// uses it. Holds the pending routes, whose peer is not yet known to be a member, and limits their number.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { mostCrowding } from '../../net/crowding.ts';
import { connectTls } from '../../tls/client-handshake.ts';
import { HandshakeError } from '../../tls/handshake-error.ts';
import { logDefect } from '../transport/defects.ts';
import type { ServerTls } from '../transport/server-tls.ts';
import type { Destination } from './destination.ts';
import { type RouteOwner, RouteSession } from './route.ts';

/** Maximum number of pending routes that peers have dialled. */
const maxPending = 256;

export interface AcceptorOwner extends RouteOwner {
  /** Undefined without TLS. */
  readonly tls: ServerTls | undefined;
  readonly isClosed: boolean;
  /** Returns the id for a new connection. */
  nextId(): number;
  /** Builds the CONNECT for a server that this one has dialled. */
  connectLine(destination: Destination): Buffer;
  /** The name that the peer's certificate must contain. */
  certificateName(destination: Destination): string;
  /** Called when the certificate lacks that name. */
  certificateNameMissing(destination: Destination): void;
}

export class RouteAcceptor {
  readonly #cluster: AcceptorOwner;
  readonly #pending = new Set<RouteSession>();

  constructor(cluster: AcceptorOwner) {
    this.#cluster = cluster;
  }

  /** The pending routes: those that are not, or not yet, in use. */
  get pendingRoutes(): readonly RouteSession[] {
    return [...this.#pending];
  }

  /** Removes a route that has ended or is now in use. */
  removePending(route: RouteSession): void {
    this.#pending.delete(route);
  }

  /** Takes over a connection that another server has dialled. */
  async accept(socket: Socket): Promise<void> {
    const { tls } = this.#cluster;
    const route = this.#session(socket, undefined);
    this.#makeRoom();
    if (!route.connection.isOpen) return;
    if (
      tls !== undefined &&
      !(await completeHandshake(route, tls.handshaker.accept(route.connection.release())))
    )
      return;
    route.start();
  }

  /** Takes over a connection that this server has dialled. */
  async takeDialled(socket: Socket, destination: Destination): Promise<void> {
    const route = this.#session(socket, destination);
    try {
      await this.#greet(route, destination);
    } catch (error) {
      // Whatever gossip contains, the connection does not stay open.
      logDefect(route.log, error);
      route.connection.abort('Parse Error');
    }
  }

  async #greet(route: RouteSession, destination: Destination): Promise<void> {
    const { tls } = this.#cluster;
    if (tls !== undefined) {
      const name = this.#cluster.certificateName(destination);
      const onNameMissing = () => this.#cluster.certificateNameMissing(destination);
      const secured = connectTls(route.connection.release(), tls.source, name, tls.revocation);
      if (!(await completeHandshake(route, secured, onNameMissing))) return;
    }
    route.start(this.#cluster.connectLine(destination));
  }

  /** Closes a pending route when there are too many. */
  #makeRoom(): void {
    const accepted = [...this.#pending].filter(({ isDialled }) => !isDialled);
    if (accepted.length <= maxPending) return;
    const pending = accepted.map((route) => ({
      connection: route.connection,
      address: route.connection.remoteAddress,
      isUnproved: route.tls === undefined && route.remoteId === '',
    }));
    mostCrowding(pending)?.abort('Maximum Connections Exceeded');
  }

  #session(socket: Socket, destination: Destination | undefined): RouteSession {
    const route = new RouteSession(this.#cluster.nextId(), socket, destination, this.#cluster);
    this.#pending.add(route);
    if (this.#cluster.isClosed) route.connection.abort('Server Shutdown');
    return route;
  }
}

/** Waits for a handshake; returns false if the session ended during it. */
async function completeHandshake(
  route: RouteSession,
  handshake: Promise<TLSSocket>,
  onNameMissing: () => void = () => {},
): Promise<boolean> {
  try {
    route.secured(await handshake);
    return route.connection.isOpen;
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error;
    if (error.code === 'server-certificate-name') onNameMissing();
    const line = `TLS route handshake error: ${error.message}`;
    // Unlike the client port, this port expects no probes (client.go, doTLSHandshake).
    if (error.code === 'closed') route.log.debug(line);
    else route.log.error(line);
    route.connection.abort('TLS Handshake Failure');
    return false;
  }
}
