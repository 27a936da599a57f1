// Which servers this one connects to, and when again after a loss: those that the configuration names for ever, those
// that others told of as often as connect_retries says (nats-server, route.go, connectToRoute and client.go, reconnect).
import { isIP, type Socket } from 'node:net';
import type { Logger } from '../../log.ts';
import type { ClusterOptions } from '../options/cluster-options.ts';
import { hostOfRoute } from '../options/route-url.ts';
import type { Destination } from './route.ts';
import { dialRoute } from './route-dialer.ts';
import { gossip } from './route-info.ts';

/** Before an explicit route is connected again (const.go, DEFAULT_ROUTE_RECONNECT), and what is added at random. */
const reconnectMs = 1000;
const reconnectSpreadMs = 100;

export interface ConnectorEnvironment {
  readonly options: ClusterOptions;
  readonly logger: Logger;
  /** In [0, 1). */
  readonly random: () => number;
  /** Whether a server is reached already. */
  isReached(id: string): boolean;
  /** Whether an address is this server's own. */
  isOwn(address: string, port: number): boolean;
  /** Goes on with a connection. */
  connected(socket: Socket, destination: Destination): void;
}

export class RouteConnector {
  readonly #environment: ConnectorEnvironment;
  readonly #closing = new AbortController();
  /** Those that turned out to be this server. */
  readonly #self = new Set<string>();
  /** Hosts that others told of: those tried right now, and how often each was lost before it was of use. */
  readonly #tried = new Set<string>();
  readonly #failures = new Map<string, number>();
  /** Ends the tries for each configured URL. */
  readonly #configured = new Map<string, AbortController>();
  /** The first name among the configured hosts: it stands in for one that is an address (client.go, doTLSHandshake). */
  #standIn: string | undefined;

  constructor(environment: ConnectorEnvironment) {
    this.#environment = environment;
  }

  /** Connects to what the configuration names, and gives up what it does not any more. @returns what is given up */
  follow(routes: readonly string[]): Set<string> {
    const removed = new Set<string>();
    for (const [route, tries] of this.#configured) {
      if (routes.includes(route)) continue;
      tries.abort();
      this.#configured.delete(route);
      removed.add(new URL(route).href);
    }
    const isName = (host: string) => isIP(host) === 0;
    this.#standIn ??= routes.map(hostOfRoute).find(isName);
    for (const route of routes) {
      if (this.#configured.has(route)) continue;
      this.#configured.set(route, new AbortController());
      this.connect({ url: new URL(route), type: 'explicit', gossip: gossip.byDefault });
    }
    return removed;
  }

  connect(destination: Destination, delayMs = 0): void {
    const { options, logger, random } = this.#environment;
    const { url, type } = destination;
    const isImplicit = type === 'implicit';
    const signal = this.#signalFor(destination);
    if (signal === undefined || (isImplicit && this.#tried.has(url.host))) return;
    if (isImplicit) this.#tried.add(url.host);
    const isOwn = (address: string, port: number) => this.#environment.isOwn(address, port);
    const retries = isImplicit ? options.connectRetries : Number.POSITIVE_INFINITY;
    dialRoute(url, { retries, backoff: options.connectBackoff, delayMs, random, isOwn }, logger, signal)
      .then((socket) => {
        if (isImplicit) this.#tried.delete(url.host);
        if (socket !== undefined) this.#environment.connected(socket, destination);
      })
      .catch((error: unknown) => {
        logger.error(`Internal error: ${error instanceof Error ? error.stack : error}`);
      });
  }

  /** A route has ended that this server is to connect again. @param wasKept whether it ever was in use */
  lost(destination: Destination, remoteId: string, wasKept: boolean): void {
    const { options, random } = this.#environment;
    const { url, type } = destination;
    if (this.#self.has(url.host) || (remoteId !== '' && this.#environment.isReached(remoteId))) return;
    if (type === 'implicit') {
      const failures = wasKept ? 0 : (this.#failures.get(url.host) ?? 0) + 1;
      this.#failures.set(url.host, failures);
      if (failures > options.connectRetries) return;
    }
    const pause = type === 'explicit' || !wasKept ? reconnectMs : 0;
    this.connect({ ...destination, gossip: gossip.byDefault }, pause + random() * reconnectSpreadMs);
  }

  /** A destination turned out to be this server. */
  isSelf({ url }: Destination): void {
    this.#self.add(url.host);
  }

  /** What the certificate of the other side must say. */
  nameOf({ url }: Destination): string {
    const host = hostOfRoute(url.href);
    return isIP(host) === 0 ? host : (this.#standIn ?? host);
  }

  /** The certificate did not have the name: an address is called by itself from now on. */
  misnamed({ url }: Destination): void {
    if (isIP(hostOfRoute(url.href)) !== 0) this.#standIn = undefined;
  }

  close(): void {
    this.#closing.abort();
  }

  /** Undefined for what the configuration names no more. */
  #signalFor({ url, type }: Destination): AbortSignal | undefined {
    const { signal } = this.#closing;
    if (type === 'implicit') return signal;
    for (const [route, tries] of this.#configured) {
      if (new URL(route).href === url.href) return AbortSignal.any([signal, tries.signal]);
    }
    return undefined;
  }
}
