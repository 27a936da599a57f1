// The cluster as one of its servers: accepts and dials routes, tells the servers behind them about local interest and
// about each other, and tells clients where the other servers are (nats-server, route.go).
import type { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { type Logger, quote } from '../../log.ts';
import { formatHostPort } from '../../net/host-port.ts';
import { Listener } from '../../net/listener.ts';
import { type CloseReason, pooledRoute, unknownSlot } from '../../protocol/violations.ts';
import type { PeerCertificate } from '../../tls/peer.ts';
import type { Account, Accounts } from '../accounts/account.ts';
import type { DeliveryPolicy } from '../accounts/delivery.ts';
import type { Interest } from '../accounts/local-interest.ts';
import type { TraceSender } from '../accounts/trace-start.ts';
import type { BrokerContext } from '../clients/broker-context.ts';
import type { ServerFacts } from '../clients/info.ts';
import type { ClusterOptions } from '../options/cluster-options.ts';
import { logDefect } from '../transport/defects.ts';
import type { ServerTls } from '../transport/server-tls.ts';
import { addTraffic, EndedConnections, type Traffic } from '../transport/statistics.ts';
import { ClusterIdentity, type ClusterState, type RouteRejection } from './cluster-identity.ts';
import { ClusterInterest } from './cluster-interest.ts';
import type { Destination, Slot } from './destination.ts';
import type { RouteSession } from './route.ts';
import { type AcceptorOwner, RouteAcceptor } from './route-acceptor.ts';
import { type ConnectorOwner, RouteConnector } from './route-connector.ts';
import { gossipLine, implicitUrl, routeUrlOf, shouldGossip } from './route-gossip.ts';
import { gossip, type RouteConnect, type RouteInfo } from './route-info.ts';
import { RoutePermissions } from './route-permissions.ts';
import { type PoolDecisions, RoutePools } from './route-pools.ts';
import { RouteSettings } from './route-settings.ts';
import { type RouteDecisions, RouteTable } from './route-table.ts';

/** The broker as its cluster sees it. */
export interface ClusterOwner extends BrokerContext {
  /** Returns the id for a new connection. */
  nextId(): number;
  /** Called when what clients are told about the cluster has changed. */
  clusterChanged(): void;
}

export class Cluster implements ClusterState, ConnectorOwner, AcceptorOwner, RouteDecisions, PoolDecisions {
  permissions: RoutePermissions | undefined;
  readonly settings: RouteSettings;
  readonly accounts: Accounts;
  readonly delivery: DeliveryPolicy;
  readonly traces: TraceSender;
  readonly logger: Logger;
  readonly random: () => number;
  readonly now: () => Date;
  /** Totals of routes that have ended. */
  readonly ended = new EndedConnections();
  readonly #broker: ClusterOwner;
  readonly #tls: ServerTls | undefined;
  readonly #identity: ClusterIdentity;
  /** The only routes to their servers, and those to servers that keep several. */
  readonly #table: RouteTable;
  readonly #pools: RoutePools;
  readonly #connector: RouteConnector;
  readonly #acceptor: RouteAcceptor;
  readonly #interest: ClusterInterest;
  #listener: Listener | undefined;
  #port = 0;
  #hasHadPeers = false;
  #isLameDuck = false;
  #isClosed = false;

  private constructor(broker: ClusterOwner, tls: ServerTls | undefined) {
    this.#broker = broker;
    this.#tls = tls;
    this.permissions = permissionsOf(this.options);
    this.settings = new RouteSettings(broker);
    this.accounts = broker.accounts;
    this.delivery = broker.delivery;
    this.traces = broker.traces;
    this.logger = broker.logger;
    this.random = broker.delivery.random;
    this.now = broker.now;
    this.#identity = new ClusterIdentity(this);
    this.#table = new RouteTable(broker.facts.id, this);
    this.#pools = new RoutePools(this.options.pool, this);
    this.#connector = new RouteConnector(this);
    this.#acceptor = new RouteAcceptor(this);
    this.#interest = new ClusterInterest(this);
  }

  /** Starts listening; throws a NatspkiError if that fails. @param tls undefined without TLS */
  static async open(
    broker: ClusterOwner,
    tls: ServerTls | undefined,
    onError: (error: Error) => void,
  ): Promise<Cluster> {
    const cluster = new Cluster(broker, tls);
    const { host, port } = cluster.options;
    const { logger } = broker;
    logger.info(`Cluster name is ${cluster.name}`);
    if (cluster.#identity.isDynamic) {
      logger.warn('Cluster name was dynamically generated, consider setting one');
    }
    if (cluster.options.tls?.insecure) {
      logger.warn(
        'TLS certificate chain and hostname of solicited routes will not be verified. DO NOT USE IN PRODUCTION!',
      );
    }
    cluster.#listener = await Listener.open(
      { host, port: port === -1 ? 0 : port },
      (socket) => cluster.#acceptor.accept(socket).catch((error: unknown) => logDefect(logger, error)),
      onError,
      '--cluster',
    );
    cluster.#port = cluster.#listener.port;
    const where = formatHostPort({ host, port: cluster.port });
    logger.info(`Listening for route connections on ${where}`);
    return cluster;
  }

  /** Dials the configured routes. */
  start(): void {
    this.#connector.setConfigured(this.options.routes);
  }

  get facts(): ServerFacts {
    return this.#broker.facts;
  }

  get options(): ClusterOptions {
    return this.#broker.options.cluster as ClusterOptions;
  }

  get maxPayload(): number {
    return this.#broker.options.maxPayload;
  }

  get headers(): boolean {
    return this.settings.headers;
  }

  get name(): string {
    return this.#identity.name;
  }

  /** The port of the route listener; the actual one if the configuration asks for any free port. */
  get port(): number {
    return this.#port;
  }

  get tls(): ServerTls | undefined {
    return this.#tls;
  }

  /** Totals the traffic of all open and ended routes. */
  traffic(): Traffic {
    const { inMsgs, inBytes, outMsgs, outBytes } = this.ended;
    const sum = { inMsgs, inBytes, outMsgs, outBytes };
    for (const { statistics } of this.routes) addTraffic(sum, statistics);
    return sum;
  }

  /** The routes in use. */
  get routes(): readonly RouteSession[] {
    return [...this.#table.all, ...this.#pools.all];
  }

  /** One route in use to each server. */
  get peers(): readonly RouteSession[] {
    return [...this.#table.all, ...this.#pools.oneEach()];
  }

  /** The routes that carry the interest of an account. */
  routesFor(account: string): readonly RouteSession[] {
    return [...this.#table.all, ...this.#pools.routesFor(account)];
  }

  get isLameDuck(): boolean {
    return this.#isLameDuck;
  }

  /**
   * The `host:port` of every server that clients may connect to; undefined until another server has joined.
   * @param own those of this server
   * @param member where the INFO of the others has them: for clients, or for WebSocket clients
   */
  connectUrls(
    own: readonly string[],
    member: 'connect_urls' | 'ws_connect_urls',
  ): readonly string[] | undefined {
    if (this.options.noAdvertise || !this.#hasHadPeers) return undefined;
    // A nats-server in lame duck mode tells it along one of its routes.
    const leaving = new Set(this.routes.filter(({ remote }) => remote?.ldm).map(({ remoteId }) => remoteId));
    const staying = this.routes.filter(({ remoteId }) => !leaving.has(remoteId));
    const others = staying.flatMap(({ remote }) => remote?.[member] ?? []);
    return [...new Set([...(this.#isLameDuck ? [] : own), ...others])];
  }

  /** Tells the other servers about a change in the interest of local clients. */
  announce(account: Account, interest: Interest): void {
    this.#interest.announce(account, interest);
  }

  /** Applies reloaded options. @param before the previous options */
  applyOptions(before: ClusterOptions): void {
    const { options } = this;
    const removed = this.#connector.setConfigured(options.routes);
    for (const route of [...this.routes, ...this.#acceptor.pendingRoutes]) {
      const kept = route.destinations.filter(({ url }) => !removed.has(url.href));
      if (kept.length === route.destinations.length) continue;
      route.destinations = kept;
      if (route.destination?.type !== 'explicit') route.connection.close('Route Removed');
    }
    this.#tls?.closeUnpinned([...this.routes, ...this.#acceptor.pendingRoutes], 'routes', this.logger);
    if (!isDeepStrictEqual(before.permissions, options.permissions)) {
      const { permissions } = this;
      this.permissions = permissionsOf(options);
      this.#interest.applyPermissions(permissions);
    }
    const line = this.#identity.infoLine();
    for (const route of this.routes) {
      route.applyLimits();
      route.connection.write(line);
    }
  }

  /** Closes routes whose certificate is revoked now. */
  closeRevoked(): void {
    this.#tls?.closeRevoked([...this.routes, ...this.#acceptor.pendingRoutes], 'routes', this.logger);
  }

  /** Tells the other servers that this one is in lame duck mode, so that they stop sending clients here. */
  lameDuck(): void {
    this.#isLameDuck = true;
    this.#connector.close();
    void this.#listener?.close();
    const line = this.#identity.infoLine();
    for (const route of this.routes) route.connection.write(line);
  }

  /** @param how `abort` drops the pending bytes of the routes */
  async close(how: 'close' | 'abort'): Promise<void> {
    this.#isClosed = true;
    this.#connector.close();
    const gone = this.#listener?.close();
    for (const { connection } of [...this.routes, ...this.#acceptor.pendingRoutes])
      connection[how]('Server Shutdown');
    this.#tls?.close();
    await gone;
  }

  // Called by routes.

  checkConnect(
    route: RouteSession,
    connect: RouteConnect,
    peer: () => PeerCertificate | undefined,
  ): RouteRejection | undefined {
    const rejection = this.#identity.checkConnect(connect, peer);
    if (rejection !== undefined) return rejection;
    if (this.#agreeOnName(connect.cluster, connect.cluster_dynamic, connect.name)) return undefined;
    // A server with a generated cluster name adopts the one in this INFO and dials again.
    if (connect.cluster_dynamic) route.sendFirstInfo(this.#identity.infoLine(gossip.byDefault, false));
    return { violation: this.#identity.nameMismatch(connect.cluster) };
  }

  accepted(route: RouteSession): void {
    if (route.remoteId === this.facts.id) this.#closeAsDuplicate(route);
    else if (this.#pools.has(route.remoteId)) this.sendInfo(route);
    else this.#table.accepted(route);
  }

  infoReceived(route: RouteSession, remote: RouteInfo): void {
    const { server_id: id, server_name: name, cluster, cluster_dynamic: isDynamic } = remote;
    if (id === this.facts.id) {
      if (route.destination !== undefined) this.#connector.markSelf(route.destination);
      this.#closeAsDuplicate(route);
    } else if (cluster !== '' && !this.#agreeOnName(cluster, isDynamic, id)) {
      route.violation(this.#identity.nameMismatch(cluster));
    } else if (!route.isDialled && name === this.facts.name) {
      route.log.error(`Remote server has a duplicate name: ${quote(name)}`);
      route.connection.close('Duplicate Server Name');
    } else if (this.#pools.suits(remote)) {
      const waiting = this.#table.release(route);
      this.#pools.infoReceived(route, remote);
      for (const other of waiting) {
        this.sendInfo(other);
        if (other.remote !== undefined) this.#pools.infoReceived(other, other.remote);
      }
    } else if (route.destination?.account !== undefined) {
      // A server without pools has no dedicated routes either.
      route.destinations = [];
      this.#closeAsDuplicate(route);
    } else if (remote.route_pool_idx !== 0) {
      route.violation(pooledRoute(remote.route_pool_idx));
    } else {
      this.#table.infoReceived(route, remote);
    }
  }

  confirmed(route: RouteSession): void {
    if (this.#pools.keeps(route)) this.#pools.confirmed(route);
    else this.#table.confirmed(route);
  }

  infoChanged(route: RouteSession, remote: RouteInfo, info: RouteInfo): void {
    if (info.server_id !== remote.server_id) {
      this.#dialAnnounced(info);
      return;
    }
    route.remote = { ...info, ip: remote.ip };
    // The peer may now export more, and has ignored the interest that it denied before.
    if (JSON.stringify(info.all.export) !== JSON.stringify(remote.all.export)) this.#sendInterest(route);
    this.#updateClients();
  }

  routeEnded(route: RouteSession, reason: CloseReason): void {
    const wasKept = this.#table.keeps(route) || this.#pools.keeps(route);
    this.#acceptor.removePending(route);
    this.#table.ended(route);
    this.#pools.ended(route);
    if (wasKept) this.#updateClients();
    this.ended.add(route.statistics, route.connection.stalls, reason);
    if (this.#isClosed || reason === 'Route Removed') return;
    for (const destination of route.destinations) {
      this.#connector.routeEnded(destination, route.remoteId, wasKept);
    }
  }

  // Decisions of the route table.

  sendInfo(route: RouteSession): void {
    const slot = route.isDialled ? route.slot : undefined;
    route.sendFirstInfo(this.#identity.infoLine(route.destination?.gossip, true, slot));
  }

  keep(route: RouteSession, remote: RouteInfo): void {
    this.#acceptor.removePending(route);
    this.#hasHadPeers = true;
    const known = { ...remote, ip: routeUrlOf(route, remote) };
    route.remote = known;
    const forAccount = typeof route.slot === 'string' ? ` for account ${quote(route.slot)}` : '';
    route.log.debug(`Registering remote route ${quote(remote.server_id)}${forAccount}`);
    this.sendInfo(route);
    route.keep();
    if (shouldGossip(route, known)) {
      for (const other of this.#audienceOf(route)) other.connection.write(gossipLine(route, known, other));
    }
    this.#sendInterest(route);
    this.#updateClients();
  }

  closeDuplicate(route: RouteSession, kept: RouteSession): void {
    // The kept route inherits the destinations of both, so that either is dialled again after a loss.
    const known = kept.destinations.map(({ url }) => url.href);
    const others = route.destinations.filter(({ url }) => !known.includes(url.href));
    kept.destinations = [...kept.destinations, ...others];
    route.destinations = [];
    route.log.debug(`Detected duplicate remote route ${quote(route.remoteId)}`);
    // The peer would not dial again if its end of the kept route were alive.
    const isKept = this.#table.keeps(kept) || this.#pools.keeps(kept);
    if (isKept && !route.isDialled) kept.probe();
    this.#closeAsDuplicate(route);
  }

  refuseSlot(route: RouteSession, slot: Slot): void {
    route.violation(unknownSlot(typeof slot === 'string' ? quote(slot) : slot, this.#pools.settings.size));
  }

  dialAgain(destination: Destination): void {
    this.#connector.connect(destination);
  }

  // Called by the connector.

  isServed(id: string, destination: Destination): boolean {
    return this.#pools.has(id) ? this.#pools.serves(id, destination) : this.#table.has(id);
  }

  isOwnAddress(address: string, port: number): boolean {
    return (
      port === this.port &&
      Object.values(networkInterfaces()).some((all) => all?.some((own) => own.address === address))
    );
  }

  dialled(socket: Socket, destination: Destination): void {
    this.#acceptor.takeDialled(socket, destination).catch((error: unknown) => logDefect(this.logger, error));
  }

  // Called by the acceptor.

  get isClosed(): boolean {
    return this.#isClosed;
  }

  nextId(): number {
    return this.#broker.nextId();
  }

  connectLine(destination: Destination): Buffer {
    return this.#identity.connectLine(destination);
  }

  certificateName(destination: Destination): string {
    return this.#connector.certificateName(destination);
  }

  certificateNameMissing(destination: Destination): void {
    this.#connector.certificateNameMissing(destination);
  }

  /**
   * Whether a server is a member of this cluster; when its cluster name is adopted, closes the routes to all others.
   */
  #agreeOnName(name: string, isDynamic: boolean, serverId: string): boolean {
    const agreed = this.#identity.agreeOnName(name, isDynamic);
    if (agreed !== 'adopted') return agreed;
    for (const route of this.routes) {
      if (route.remoteId !== serverId) route.connection.close('Cluster Name Conflict');
    }
    this.#updateClients();
    return true;
  }

  /**
   * Closes a duplicate route. A peer that dialled it must first learn from INFO which server this is, or it dials
   * again.
   */
  #closeAsDuplicate(route: RouteSession): void {
    if (!route.isDialled) route.sendFirstInfo(this.#identity.infoLine(gossip.byDefault, false));
    route.connection.close('Duplicate Route');
  }

  /** Dials a server that another one announced, unless there is a route to it. */
  #dialAnnounced(info: RouteInfo): void {
    const { server_id: id, route_account: account } = info;
    // The server that dials another one for the pool dials it for its pinned accounts too.
    if (id === this.facts.id || account !== '' || this.#isLameDuck) return;
    if (this.#pools.has(id) || this.#table.has(id)) return;
    const url = implicitUrl(info, this.options.routes);
    if (url !== undefined) this.#connector.connect({ url, type: 'implicit', gossip: info.gossip_mode });
  }

  #sendInterest(route: RouteSession): void {
    this.#interest.sendAll(
      route,
      (account) => route.slot === undefined || this.#pools.carries(route, account),
    );
  }

  /** The routes to the servers that are told about the one behind a new route: once, and for each dedicated route. */
  #audienceOf({ remoteId, slot }: RouteSession): RouteSession[] {
    if (typeof slot === 'number' && !this.#pools.isFirst(remoteId)) return [];
    const all = typeof slot === 'string' ? this.#pools.oneEach(slot) : this.peers;
    return all.filter((other) => other.remoteId !== remoteId);
  }

  #updateClients(): void {
    if (!this.#isClosed) this.#broker.clusterChanged();
  }
}

function permissionsOf({ permissions }: ClusterOptions): RoutePermissions | undefined {
  return permissions && new RoutePermissions(permissions);
}
