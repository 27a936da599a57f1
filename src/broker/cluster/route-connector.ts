// Decides which servers this one dials, and when it redials a lost route: configured servers without limit, gossiped
// ones up to connect_retries times (nats-server, route.go, connectToRoute; client.go, reconnect).
import { setMaxListeners } from 'node:events';
import { isIP, type Socket } from 'node:net';
import type { Logger } from '../../log.ts';
import type { ClusterOptions } from '../options/cluster-options.ts';
import { hostOfRoute } from '../options/route-url.ts';
import { logDefect } from '../transport/defects.ts';
import type { Destination } from './destination.ts';
import { dialRoute } from './route-dialer.ts';
import { gossip } from './route-info.ts';

/**
 * Milliseconds before a configured route is redialled (const.go, DEFAULT_ROUTE_RECONNECT), and the maximum added at
 * random.
 */
const reconnectMs = 1000;
const reconnectSpreadMs = 100;

/** Maximum number of gossiped servers that are dialled at a time. */
const maxImplicit = 256;

/** Maximum number of destinations remembered as lost before use, or as this server. */
const maxRemembered = 1000;

export interface ConnectorOwner {
  readonly options: ClusterOptions;
  readonly logger: Logger;
  /** In [0, 1). */
  readonly random: () => number;
  /** Whether there is no need to dial a server for a destination. */
  isServed(id: string, destination: Destination): boolean;
  /** Whether an address is this server's own. */
  isOwnAddress(address: string, port: number): boolean;
  /** Takes over an established connection. */
  dialled(socket: Socket, destination: Destination): void;
}

export class RouteConnector {
  readonly #cluster: ConnectorOwner;
  readonly #closing = new AbortController();
  /** `host:port` of destinations that turned out to be this server. */
  readonly #self = new Set<string>();
  /** Gossiped `host:port`: those being dialled, with their account, and how often the route of each was lost before it was in use. */
  readonly #tried = new Set<string>();
  readonly #failures = new Map<string, number>();
  /** Aborts the dialling of each configured URL. */
  readonly #configured = new Map<string, AbortController>();
  /**
   * The first DNS name among the configured hosts: stands in for a host that is an address (client.go, doTLSHandshake).
   */
  #routeTlsName: string | undefined;

  constructor(cluster: ConnectorOwner) {
    this.#cluster = cluster;
    // Each dial listens, and a server may have hundreds of peers.
    setMaxListeners(0, this.#closing.signal);
  }

  /** Dials newly configured routes and abandons removed ones. @returns the URLs of the removed ones */
  setConfigured(routes: readonly string[]): Set<string> {
    const removed = new Set<string>();
    for (const [route, tries] of this.#configured) {
      if (routes.includes(route)) continue;
      tries.abort();
      this.#configured.delete(route);
      removed.add(new URL(route).href);
    }
    const isName = (host: string) => isIP(host) === 0;
    this.#routeTlsName ??= routes.map(hostOfRoute).find(isName);
    for (const route of routes) {
      if (this.#configured.has(route)) continue;
      this.#configured.set(route, new AbortController());
      this.connect({ url: new URL(route), type: 'explicit', gossip: gossip.byDefault });
    }
    return removed;
  }

  connect(destination: Destination, delayMs = 0): void {
    const { options, logger, random } = this.#cluster;
    const { url, type } = destination;
    const isImplicit = type === 'implicit';
    const signal = this.#signalFor(destination);
    const key = `${url.host} ${destination.account ?? ''}`;
    if (signal === undefined || (isImplicit && this.#tried.has(key))) return;
    if (isImplicit && this.#tried.size >= maxImplicit) {
      logger.debug(`Ignoring gossiped route ${url.host}: ${maxImplicit} others are being dialled`);
      return;
    }
    if (isImplicit) this.#tried.add(key);
    const isOwnAddress = (address: string, port: number) => this.#cluster.isOwnAddress(address, port);
    const retries = isImplicit ? options.connectRetries : Number.POSITIVE_INFINITY;
    dialRoute(
      url,
      { retries, backoff: options.connectBackoff, delayMs, random, isOwnAddress },
      logger,
      signal,
    )
      .finally(() => {
        if (isImplicit) this.#tried.delete(key);
      })
      .then((socket) => {
        if (socket !== undefined) this.#cluster.dialled(socket, destination);
      })
      .catch((error: unknown) => logDefect(logger, error));
  }

  /** Redials a destination whose route has ended. @param wasKept whether the route was ever in use */
  routeEnded(destination: Destination, remoteId: string, wasKept: boolean): void {
    const { options, random } = this.#cluster;
    const { url, type } = destination;
    if (this.#self.has(url.host) || (remoteId !== '' && this.#cluster.isServed(remoteId, destination)))
      return;
    if (type === 'implicit') {
      const failures = wasKept ? 0 : (this.#failures.get(url.host) ?? 0) + 1;
      this.#failures.delete(url.host);
      this.#failures.set(url.host, failures);
      forgetOldest(this.#failures);
      if (failures > options.connectRetries) return;
    }
    const pause = type === 'explicit' || !wasKept ? reconnectMs : 0;
    this.connect({ ...destination, gossip: gossip.byDefault }, pause + random() * reconnectSpreadMs);
  }

  /** Records that a destination is this server. */
  markSelf({ url }: Destination): void {
    this.#self.add(url.host);
    forgetOldest(this.#self);
  }

  /** The name that the peer's certificate must contain. */
  certificateName({ url }: Destination): string {
    const host = hostOfRoute(url.href);
    return isIP(host) === 0 ? host : (this.#routeTlsName ?? host);
  }

  /** Called when the certificate lacks that name: from now on an address must be in the certificate itself. */
  certificateNameMissing({ url }: Destination): void {
    if (isIP(hostOfRoute(url.href)) !== 0) this.#routeTlsName = undefined;
  }

  close(): void {
    this.#closing.abort();
  }

  /** Returns undefined for a URL that is no longer configured. */
  #signalFor({ url, type }: Destination): AbortSignal | undefined {
    const { signal } = this.#closing;
    if (type === 'implicit') return signal;
    for (const [route, tries] of this.#configured) {
      if (new URL(route).href === url.href) return AbortSignal.any([signal, tries.signal]);
    }
    return undefined;
  }
}

/** Removes the oldest element of a collection that has become too large. */
function forgetOldest(collection: Set<string> | Map<string, unknown>): void {
  const [oldest] = collection.keys();
  if (collection.size > maxRemembered && oldest !== undefined) collection.delete(oldest);
}
