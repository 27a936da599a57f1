// The other servers of the cluster: who connects to whom, which of two routes to one server stays, what is passed on of
// whom, and who is told what the clients here listen to (nats-server, route.go). What a route says is its session's
// business.
import { timingSafeEqual } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { quote } from '../log.ts';
import {
  type CloseReason,
  clientOnRoutePort,
  otherCluster,
  type Violation,
  violations,
} from '../protocol/violations.ts';
import { HandshakeError } from '../tls/handshake-error.ts';
import { connectTls } from '../tls/outgoing.ts';
import { type ClusterOptions, maxRoutePingMs } from './cluster-options.ts';
import { formatHostPort } from './host-port.ts';
import type { ServerFacts } from './info.ts';
import { Listener } from './listener.ts';
import type { Interest } from './local-interest.ts';
import { type RouteEnvironment, RouteSession, type RouteType } from './route.ts';
import { dialRoute } from './route-dialer.ts';
import {
  type GossipMode,
  gossip,
  type RouteConnect,
  type RouteInfo,
  routeConnectLine,
} from './route-info.ts';
import type { TlsEntrance } from './tls-entrance.ts';

/** The broker as its cluster sees it. */
export interface ClusterEnvironment {
  readonly accounts: RouteEnvironment['accounts'];
  readonly transport: RouteEnvironment['transport'];
  readonly delivery: RouteEnvironment['delivery'];
  readonly logger: RouteEnvironment['logger'];
  readonly now: () => Date;
  readonly facts: ServerFacts;
  readonly options: {
    readonly maxPayload: number;
    readonly headers: boolean;
    readonly pingIntervalMs: number;
    readonly pingMax: number;
    readonly cluster: ClusterOptions | undefined;
  };
  /** Gives the id of a new connection. */
  nextId(): number;
  /** What clients are told of other servers has changed. */
  onConnectUrls(): void;
}

/** Before an explicit route is connected again (const.go, DEFAULT_ROUTE_RECONNECT), and what is added at random. */
const reconnectMs = 1000;
const reconnectSpreadMs = 100;

/** Connections that have not introduced themselves. */
const maxStrangers = 256;

export class Cluster implements RouteEnvironment {
  readonly #broker: ClusterEnvironment;
  readonly #tls: TlsEntrance | undefined;
  /** By the id of the other server. */
  readonly #routes = new Map<string, RouteSession>();
  /** Those that have not introduced themselves. */
  readonly #strangers = new Set<RouteSession>();
  /** How routes that were made here came about. */
  readonly #modes = new WeakMap<RouteSession, GossipMode>();
  /** URLs that turned out to be this server. */
  readonly #self = new Set<string>();
  readonly #closing = new AbortController();
  #listener: Listener | undefined;
  #name: string;
  /** The first host name among the configured routes. */
  #routesName: string | undefined;
  #isLeaving = false;

  private constructor(broker: ClusterEnvironment, tls: TlsEntrance | undefined, name: string) {
    this.#broker = broker;
    this.#tls = tls;
    this.#name = name;
    const hosts = this.options.routes.map((route) => new URL(route).hostname);
    this.#routesName = hosts.find((host) => isIP(host.replace(/^\[|\]$/g, '')) === 0);
  }

  /** Listens and connects; throws a NatspkiError where it cannot listen. @param tls undefined without TLS */
  static async open(
    broker: ClusterEnvironment,
    tls: TlsEntrance | undefined,
    onError: (error: Error) => void,
  ): Promise<Cluster> {
    const cluster = new Cluster(broker, tls, clusterNameOf(broker));
    const { host, port, routes } = cluster.options;
    const { logger } = broker;
    logger.info(`Cluster name is ${cluster.#name}`);
    if (cluster.#isDynamic) {
      logger.warn('Cluster name was dynamically generated, consider setting one');
    }
    if (cluster.options.tls?.insecure) {
      logger.warn(
        'TLS certificate chain and hostname of solicited routes will not be verified. DO NOT USE IN PRODUCTION!',
      );
    }
    if (port !== 0) {
      cluster.#listener = await Listener.open(
        { host, port: port === -1 ? 0 : port },
        (socket) => void cluster.#accept(socket),
        onError,
        '--cluster',
      );
      const where = formatHostPort({ host, port: cluster.port });
      logger.info(`Listening for route connections on ${where}`);
    }
    for (const route of routes) cluster.#connect(new URL(route), 'explicit');
    return cluster;
  }

  // What its routes see of it.

  get accounts() {
    return this.#broker.accounts;
  }

  get transport() {
    return this.#broker.transport;
  }

  get delivery() {
    return this.#broker.delivery;
  }

  get logger() {
    return this.#broker.logger;
  }

  get now() {
    return this.#broker.now;
  }

  get maxPayload(): number {
    return this.#broker.options.maxPayload;
  }

  get headers(): boolean {
    return this.#broker.options.headers;
  }

  get authRequired(): boolean {
    return this.options.authorization !== undefined;
  }

  get introductionMs(): number {
    return this.options.authorization?.timeoutMs ?? 2000 + (this.options.tls?.timeoutMs ?? 0);
  }

  get heartbeat() {
    const { pingIntervalMs, pingMax } = this.#broker.options;
    const { options } = this;
    return {
      pingIntervalMs: Math.min(options.pingIntervalMs ?? pingIntervalMs, maxRoutePingMs),
      pingMax: options.pingMax ?? pingMax,
    };
  }

  get options(): ClusterOptions {
    return this.#broker.options.cluster as ClusterOptions;
  }

  get name(): string {
    return this.#name;
  }

  /** The port that other servers connect to, the real one where any free one was asked for. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  get tls(): TlsEntrance | undefined {
    return this.#tls;
  }

  /** Those that have introduced themselves. */
  get routes(): readonly RouteSession[] {
    return [...this.#routes.values()];
  }

  /** `host:port` of the other servers for clients, each once. */
  get connectUrls(): readonly string[] {
    if (this.options.noAdvertise) return [];
    const all = this.routes.flatMap(({ remote }) =>
      remote?.ldm === true ? [] : (remote?.connect_urls ?? []),
    );
    return [...new Set(all)];
  }

  /** Tells all routes of a change in what clients here listen to. */
  announce(account: string, interest: Interest): void {
    for (const route of this.#routes.values()) route.tell(account, interest);
  }

  /** Tells the other servers that this one takes leave, so that their clients are not sent here any more. */
  leave(): void {
    this.#isLeaving = true;
    void this.#listener?.close();
    const line = this.#infoLine(gossip.byDefault);
    for (const route of this.#routes.values()) route.connection.write(line);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const gone = this.#listener?.close();
    for (const route of [...this.#routes.values(), ...this.#strangers])
      route.connection.close('Server Shutdown');
    this.#tls?.close();
    await gone;
  }

  judge(connect: RouteConnect): { violation: Violation; detail?: string } | undefined {
    if (connect.lang !== '') return { violation: clientOnRoutePort };
    const { authorization } = this.options;
    if (authorization !== undefined) {
      const user = sameSecret(authorization.user, connect.user);
      const password = sameSecret(authorization.password, connect.pass);
      if (!user || !password) {
        return { violation: violations.authorization, detail: 'wrong user or password for the cluster' };
      }
    }
    if (connect.cluster === this.#name) return undefined;
    if (this.#adopt(connect.cluster, connect.cluster_dynamic, connect.name)) return undefined;
    return { violation: otherCluster(quote(connect.cluster), quote(this.#name)) };
  }

  introduced(route: RouteSession): void {
    const remote = route.remote as RouteInfo;
    const { facts } = this.#broker;
    if (remote.server_id === facts.id) {
      if (route.url !== undefined) this.#self.add(route.url.host);
      route.connection.close('Duplicate Route');
      return;
    }
    if (remote.cluster !== '' && remote.cluster !== this.#name) {
      if (!this.#adopt(remote.cluster, remote.cluster_dynamic, remote.server_id)) {
        route.violation(otherCluster(quote(remote.cluster), quote(this.#name)));
        return;
      }
    }
    if (route.url === undefined && remote.server_name === facts.name) {
      route.log.error(`Remote server has a duplicate name: ${quote(remote.server_name)}`);
      route.connection.close('Duplicate Server Name');
      return;
    }
    const known = this.#routes.get(remote.server_id);
    if (known !== undefined) {
      keepOther(known, route);
      route.log.debug(`Detected duplicate remote route ${quote(remote.server_id)}`);
      route.connection.close('Duplicate Route');
      return;
    }
    this.#register(route, remote);
  }

  informed(route: RouteSession, info: RouteInfo): void {
    const { remote } = route;
    if (remote === undefined) return;
    if (info.server_id !== remote.server_id) {
      this.#meet(info);
      return;
    }
    // Lame duck or other URLs for clients: the other server stays, its clients may not.
    route.remote = { ...info, ip: remote.ip };
    this.#tellClients();
  }

  forget(route: RouteSession, reason: CloseReason): void {
    this.#strangers.delete(route);
    const id = route.remote?.server_id ?? '';
    if (this.#routes.get(id) === route) {
      this.#routes.delete(id);
      this.#tellClients();
    }
    this.#reconnect(route, reason, id);
  }

  get #isDynamic(): boolean {
    return this.options.name === undefined;
  }

  async #accept(socket: Socket): Promise<void> {
    if (this.#strangers.size >= maxStrangers) {
      socket.destroy();
      return;
    }
    const route = this.#session(socket, undefined, 'implicit');
    if (
      this.#tls !== undefined &&
      !(await this.#secure(route, this.#tls.handshaker.accept(route.connection.release())))
    ) {
      return;
    }
    route.start([this.#infoLine(gossip.byDefault)]);
  }

  #connect(url: URL, type: RouteType, mode: GossipMode = gossip.byDefault, delayMs = 0): void {
    const { connectRetries, connectBackoff } = this.options;
    const settings = {
      retries: type === 'explicit' ? Number.POSITIVE_INFINITY : connectRetries,
      backoff: connectBackoff,
      delayMs,
      isWanted: () => type === 'implicit' || this.#isConfigured(url),
    };
    dialRoute(url, settings, this.logger, this.#closing.signal)
      .then((socket) => socket && this.#solicit(socket, url, type, mode))
      .catch((error: unknown) => {
        this.logger.error(`Internal error: ${error instanceof Error ? error.stack : error}`);
      });
  }

  async #solicit(socket: Socket, url: URL, type: RouteType, mode: GossipMode): Promise<void> {
    const route = this.#session(socket, url, type);
    this.#modes.set(route, mode);
    if (this.#tls !== undefined) {
      const name = this.#nameOf(url);
      const secured = connectTls(route.connection.release(), this.#tls.source, name);
      if (!(await this.#secure(route, secured))) {
        // The next try goes by the address itself.
        if (name === this.#routesName) this.#routesName = undefined;
        return;
      }
    }
    const { authorization } = this.options;
    const connect = routeConnectLine({
      user: decodeURIComponent(url.username) || (type === 'implicit' ? (authorization?.user ?? '') : ''),
      pass: decodeURIComponent(url.password) || (type === 'implicit' ? (authorization?.password ?? '') : ''),
      tls: this.#tls !== undefined,
      name: this.#broker.facts.id,
      headers: this.headers,
      cluster: this.#name,
      cluster_dynamic: this.#isDynamic,
    });
    route.start([connect, this.#infoLine(mode)]);
  }

  #session(socket: Socket, url: URL | undefined, type: RouteType): RouteSession {
    const route = new RouteSession(this.#broker.nextId(), socket, url, type, this);
    this.#strangers.add(route);
    if (this.#closing.signal.aborted) route.connection.abort('Server Shutdown');
    return route;
  }

  /** Waits for the handshake; false where the session has ended over it. */
  async #secure(route: RouteSession, handshake: Promise<TLSSocket>): Promise<boolean> {
    try {
      route.secured(await handshake);
      return route.connection.isOpen;
    } catch (error) {
      if (!(error instanceof HandshakeError)) throw error;
      const line = `TLS route handshake error: ${error.message}`;
      if (error.isProbe) route.log.debug(line);
      else route.log.error(line);
      route.connection.abort('TLS Handshake Failure');
      return false;
    }
  }

  #register(route: RouteSession, remote: RouteInfo): void {
    this.#strangers.delete(route);
    // Where its clients and others reach it: what it says, or where it comes from.
    const address = formatHostPort({ host: route.connection.remoteAddress, port: remote.port });
    const ip = remote.ip === '' ? `nats-route://${address}/` : remote.ip;
    route.remote = { ...remote, ip };
    this.#routes.set(remote.server_id, route);
    route.log.debug(`Registering remote route ${quote(remote.server_id)}`);
    this.#passOn(route, { ...remote.all, ip });
    for (const account of this.accounts) {
      for (const interest of account.interest ?? []) route.tell(account.name, interest);
    }
    this.#tellClients();
  }

  /** Tells the other servers of a new one, unless all of them are told anyway (route.go, forwardNewRouteInfoToKnownServers). */
  #passOn(route: RouteSession, info: Record<string, unknown>): void {
    const solicited = route.url !== undefined;
    const mode = this.#modes.get(route) ?? gossip.byDefault;
    const fromGossip = solicited && route.type === 'implicit';
    if ((fromGossip && mode !== gossip.override) || route.remote?.gossip_mode === gossip.disabled) return;
    for (const other of this.#routes.values()) {
      if (other === route) continue;
      const isExplicit = solicited ? route.type === 'explicit' : other.type === 'explicit';
      const gossip_mode = isExplicit ? gossip.override : solicited ? gossip.byDefault : gossip.disabled;
      const json = JSON.stringify({ ...info, nonce: undefined, gossip_mode: gossip_mode || undefined });
      other.connection.write(Buffer.from(`INFO ${json}\r\n`));
    }
  }

  /** Connects to a server that another one told of, unless it is known. */
  #meet(info: RouteInfo): void {
    const isKnown = info.server_id === this.#broker.facts.id || this.#routes.has(info.server_id);
    if (isKnown || this.#isLeaving || !URL.canParse(info.ip)) return;
    const url = new URL(info.ip);
    const hosts = [formatHostPort(info), formatHostPort({ host: url.hostname, port: info.port })];
    const configured = this.options.routes.map((route) => new URL(route).host.toLowerCase());
    if (url.port === '' || hosts.some((host) => configured.includes(host.toLowerCase()))) return;
    this.#connect(url, 'implicit', info.gossip_mode);
  }

  #reconnect(route: RouteSession, reason: CloseReason, id: string): void {
    const { url, type } = route;
    const isOver = this.#closing.signal.aborted || this.#isLeaving;
    if (isOver || url === undefined || this.#self.has(url.host) || reason === 'Route Removed') return;
    if (id !== '' && this.#routes.has(id)) return;
    if (type === 'implicit' && !route.retries && this.options.connectRetries === 0) return;
    const delayMs = this.delivery.random() * reconnectSpreadMs + (type === 'explicit' ? reconnectMs : 0);
    this.#connect(url, type, gossip.byDefault, delayMs);
  }

  /** Takes over the name of another cluster where this one has none of its own; false where it does not. */
  #adopt(name: string, isDynamic: boolean, serverId: string): boolean {
    if (!this.#isDynamic || (isDynamic && name <= this.#name)) return false;
    this.#name = name;
    for (const [id, route] of this.#routes) {
      if (id !== serverId) route.connection.close('Cluster Name Conflict');
    }
    return true;
  }

  #isConfigured(url: URL): boolean {
    return this.options.routes.some((route) => new URL(route).href === url.href);
  }

  /** What the certificate of the other side must say: an address goes by the first name in routes (client.go, doTLSHandshake). */
  #nameOf(url: URL): string {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return isIP(host) === 0 ? host : (this.#routesName ?? host);
  }

  #tellClients(): void {
    if (!this.#closing.signal.aborted) this.#broker.onConnectUrls();
  }

  #infoLine(mode: GossipMode): Buffer {
    const { facts } = this.#broker;
    const { host, advertise, authorization, noAdvertise } = this.options;
    const address = { host: advertise?.host ?? host, port: advertise?.port || this.port };
    const json = JSON.stringify({
      server_id: facts.id,
      server_name: facts.name,
      version: facts.version,
      proto: 1,
      go: `node${process.versions.node}`,
      ...address,
      headers: this.headers,
      auth_required: authorization !== undefined || undefined,
      tls_required: this.#tls !== undefined || undefined,
      tls_verify: this.#tls !== undefined || undefined,
      max_payload: this.maxPayload,
      ip: advertise === undefined ? undefined : `nats-route://${formatHostPort(address)}/`,
      cluster: this.#name,
      cluster_dynamic: this.#isDynamic || undefined,
      connect_urls: noAdvertise ? undefined : facts.clientUrls,
      ldm: this.#isLeaving || undefined,
      gossip_mode: mode || undefined,
    });
    return Buffer.from(`INFO ${json}\r\n`);
  }
}

function clusterNameOf({ options, facts }: ClusterEnvironment): string {
  return options.cluster?.name ?? facts.id;
}

/** Of two routes to one server the registered one stays, with the better reason of both to connect again (route.go). */
function keepOther(known: RouteSession, route: RouteSession): void {
  if (
    route.url !== undefined &&
    (known.url === undefined || (route.type === 'explicit' && known.type !== 'explicit'))
  ) {
    known.url = route.url;
  }
  if (route.type === 'explicit') known.type = 'explicit';
  known.retries = true;
}

function sameSecret(expected: string, given: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)];
  return one.length === other.length && timingSafeEqual(one, other);
}
