// The identity of this server in its cluster: its INFO and CONNECT, the cluster name, and which servers it accepts as
// members. Opens no connection.
import { quote } from '../../log.ts';
import { formatHostPort } from '../../net/host-port.ts';
import { clientOnRoutePort, otherCluster, type Violation, violations } from '../../protocol/violations.ts';
import { mapPeer, type PeerCertificate } from '../../tls/peer.ts';
import type { ServerFacts } from '../clients/info.ts';
import type { ClusterOptions } from '../options/cluster-options.ts';
import { sameSecret } from '../options/password.ts';
import { hostOfRoute } from '../options/route-url.ts';
import type { Destination, Slot } from './destination.ts';
import { type GossipMode, gossip, type RouteConnect, routeConnectLine } from './route-info.ts';
import type { RoutePermissions } from './route-permissions.ts';

/** State of the server that changes while it runs. */
export interface ClusterState {
  readonly facts: ServerFacts;
  readonly options: ClusterOptions;
  readonly permissions: RoutePermissions | undefined;
  /** The port of the route listener. */
  readonly port: number;
  readonly headers: boolean;
  readonly maxPayload: number;
  readonly isLameDuck: boolean;
}

/** Why a server is rejected. @param detail for the log */
export interface RouteRejection {
  readonly violation: Violation;
  readonly detail?: string;
}

export class ClusterIdentity {
  readonly #state: ClusterState;
  #name: string;
  #isDynamic: boolean;

  constructor(state: ClusterState) {
    this.#state = state;
    this.#name = state.options.name ?? state.facts.id;
    this.#isDynamic = state.options.name === undefined;
  }

  get name(): string {
    return this.#name;
  }

  /** Whether the name is generated: it gives way to a configured name and to a greater generated one. */
  get isDynamic(): boolean {
    return this.#isDynamic;
  }

  /**
   * Whether a server with this cluster name is a member of the cluster. Adopts the name if ours gives way to it
   * (route.go, processRouteConnect). @returns `adopted` when servers with the previous name are no longer members
   */
  agreeOnName(name: string, isDynamic: boolean): boolean | 'adopted' {
    if (name === this.#name) return true;
    if (!this.#isDynamic || name === '' || (isDynamic && name < this.#name)) return false;
    this.#name = name;
    this.#isDynamic = isDynamic;
    return 'adopted';
  }

  /** Returns why this server rejects a server that dialled it, other than by cluster name; undefined to accept it. */
  checkConnect(connect: RouteConnect, peer: () => PeerCertificate | undefined): RouteRejection | undefined {
    if (connect.lang !== '') return { violation: clientOnRoutePort };
    if (connect.name === '')
      return { violation: violations.malformed, detail: 'CONNECT without a server id' };
    const detail = this.#checkCredentials(connect, peer);
    return detail === undefined ? undefined : { violation: violations.authorization, detail };
  }

  /** Returns the rejection of a server of another cluster. */
  nameMismatch(theirs: string): Violation {
    return otherCluster(quote(theirs), quote(this.#name));
  }

  /**
   * Builds the INFO for other servers.
   * @param isDeferred whether it announces that the route may stay; false for a server that is being rejected
   * @param slot of a route that this server has dialled; undefined for the only one to its server
   */
  infoLine(mode: GossipMode = gossip.byDefault, isDeferred = true, slot?: Slot): Buffer {
    const { facts, options, permissions, port, headers, maxPayload, isLameDuck } = this.#state;
    const { host, advertise, authorization, noAdvertise, tls } = options;
    const advertised = advertise && { host: advertise.host, port: advertise.port || port };
    const json = JSON.stringify({
      server_id: facts.id,
      server_name: facts.name,
      version: facts.version,
      // Accepts a later INFO, supports accounts, and traces messages (server.go, MsgTraceProto).
      proto: 3,
      go: `node${process.versions.node}`,
      ...(advertised ?? { host, port }),
      headers,
      auth_required: authorization !== undefined || undefined,
      tls_required: tls !== undefined || undefined,
      tls_verify: tls !== undefined || undefined,
      max_payload: maxPayload,
      ip: advertised && `nats-route://${formatHostPort(advertised)}/`,
      cluster: this.#name,
      cluster_dynamic: this.#isDynamic || undefined,
      connect_urls: noAdvertise ? undefined : facts.clientUrls,
      ws_connect_urls: noAdvertise || facts.websocketUrls.length === 0 ? undefined : facts.websocketUrls,
      ldm: isLameDuck || undefined,
      compression: 'off',
      ...leafNodes,
      ...permissions?.announced,
      gossip_mode: mode || undefined,
      route_pool_size: options.pool.size || undefined,
      route_pool_idx: typeof slot === 'number' && slot > 0 ? slot : undefined,
      route_account: typeof slot === 'string' ? slot : undefined,
      info_deferred: isDeferred,
    });
    return Buffer.from(`INFO ${json}\r\n`);
  }

  /** Builds the CONNECT for a server that this one dials. */
  connectLine({ url, type }: Destination): Buffer {
    const { facts, options, headers } = this.#state;
    // A gossiped URL has no password; all servers of a cluster share the configured one.
    const own = type === 'implicit' ? options.authorization : undefined;
    return routeConnectLine({
      user: decoded(url.username) || (own?.user ?? ''),
      pass: decoded(url.password) || (own?.password ?? ''),
      tls: options.tls !== undefined,
      name: facts.id,
      headers,
      cluster: this.#name,
      cluster_dynamic: this.#isDynamic,
    });
  }

  /** Returns why the credentials are rejected; undefined to accept them (nats-server, auth.go, isRouterAuthorized). */
  #checkCredentials(
    { user, pass }: RouteConnect,
    peer: () => PeerCertificate | undefined,
  ): string | undefined {
    const { authorization, tls, routes } = this.#state.options;
    if (tls?.verifyAndMap || tls?.verifyKnownUrls) {
      const certificate = peer();
      const known = tls.verifyKnownUrls && certificate?.dnsNames.some((name) => isKnown(name, routes));
      if (known) return undefined;
      if (!tls.verifyAndMap) return 'no DNS name of the certificate is the host of a configured route';
      const users = new Set(authorization === undefined ? [] : [authorization.user]);
      const mapped = mapPeer(certificate, users, false);
      return mapped.user === undefined ? mapped.reason : undefined;
    }
    if (authorization === undefined) return undefined;
    const right = sameSecret(authorization.user, user);
    return sameSecret(authorization.password, pass) && right
      ? undefined
      : `wrong user or password for user ${quote(user)}`;
  }
}

/** Decodes a part of a URL; returns it unchanged if it is not valid percent-encoding of UTF-8. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Announces support for LS+, LS- and LMSG, which set interest of a peer's leaf nodes apart from that of its clients.
 */
const leafNodes = { lnoc: true, lnocu: true, ln: true };

/** Whether a DNS name, possibly with a wildcard as its first label, matches the host of a route. */
function isKnown(dnsName: string, routes: readonly string[]): boolean {
  const wanted = dnsName.toLowerCase().split('.');
  return routes.some((route) => {
    const labels = hostOfRoute(route).toLowerCase().split('.');
    return (
      labels.length === wanted.length &&
      labels.every((label, index) => label === wanted[index] || (index === 0 && wanted[0] === '*'))
    );
  });
}
