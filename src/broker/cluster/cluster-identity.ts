// What this server says of itself to the others of its cluster, whom it takes for one of them, and the name that they have
// in common. Opens no connection.
import { quote } from '../../log.ts';
import { clientOnRoutePort, otherCluster, violations } from '../../protocol/violations.ts';
import { mapPeer, type PeerCertificate } from '../../tls/peer.ts';
import type { ServerFacts } from '../clients/info.ts';
import type { ClusterOptions } from '../options/cluster-options.ts';
import { formatHostPort } from '../options/host-port.ts';
import { sameSecret } from '../options/password.ts';
import { hostOfRoute } from '../options/route-url.ts';
import type { Destination, Refusal } from './route.ts';
import { type GossipMode, gossip, type RouteConnect, routeConnectLine } from './route-info.ts';
import type { RoutePermissions } from './route-permissions.ts';

/** What changes while a server runs. */
export interface ClusterState {
  readonly facts: ServerFacts;
  readonly options: ClusterOptions;
  readonly permissions: RoutePermissions | undefined;
  /** The port that other servers connect to. */
  readonly port: number;
  readonly headers: boolean;
  readonly maxPayload: number;
  readonly isLeaving: boolean;
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

  /** Whether the name is one of the moment, which gives way to any other. */
  get isDynamic(): boolean {
    return this.#isDynamic;
  }

  /**
   * Whether a server with this cluster name is one of ours, be it that we take over its name (route.go,
   * processRouteConnect). @returns `adopted` where all others are strangers from now on
   */
  agree(name: string, isDynamic: boolean): boolean | 'adopted' {
    if (name === this.#name) return true;
    if (!this.#isDynamic || name === '' || (isDynamic && name < this.#name)) return false;
    this.#name = name;
    this.#isDynamic = isDynamic;
    return 'adopted';
  }

  /** Why a server that has connected is not one of ours, apart from its cluster's name. */
  judge(connect: RouteConnect, peer: () => PeerCertificate | undefined): Refusal | undefined {
    if (connect.lang !== '') return { violation: clientOnRoutePort };
    if (connect.name === '')
      return { violation: violations.malformed, detail: 'CONNECT without a server id' };
    const detail = this.#stranger(connect, peer);
    return detail === undefined ? undefined : { violation: violations.authorization, detail };
  }

  /** Answers a server of another cluster. */
  refuseCluster(theirs: string): Refusal['violation'] {
    return otherCluster(quote(theirs), quote(this.#name));
  }

  /**
   * Makes the INFO for other servers.
   * @param isDeferred whether it says that the route may stay: it says so to everybody but to those who are turned away
   */
  infoLine(mode: GossipMode = gossip.byDefault, isDeferred = true): Buffer {
    const { facts, options, permissions, port, headers, maxPayload, isLeaving } = this.#state;
    const { host, advertise, authorization, noAdvertise, tls } = options;
    const advertised = advertise && { host: advertise.host, port: advertise.port || port };
    const json = JSON.stringify({
      server_id: facts.id,
      server_name: facts.name,
      version: facts.version,
      // Takes INFO in the middle of things, and knows of accounts (server.go, RouteProtoV2).
      proto: 2,
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
      ldm: isLeaving || undefined,
      compression: 'off',
      ...leafNodes,
      ...permissions?.announced,
      gossip_mode: mode || undefined,
      info_deferred: isDeferred || undefined,
    });
    return Buffer.from(`INFO ${json}\r\n`);
  }

  /** Makes the CONNECT for a server that this one has connected to. */
  connectLine({ url, type }: Destination): Buffer {
    const { facts, options, headers } = this.#state;
    // Who was only told of comes without a password; the cluster's own is that of all.
    const own = type === 'implicit' ? options.authorization : undefined;
    return routeConnectLine({
      user: decodeURIComponent(url.username) || (own?.user ?? ''),
      pass: decodeURIComponent(url.password) || (own?.password ?? ''),
      tls: options.tls !== undefined,
      name: facts.id,
      headers,
      cluster: this.#name,
      cluster_dynamic: this.#isDynamic,
    });
  }

  /** Why somebody is not let in; undefined where they are (nats-server's auth.go, isRouterAuthorized). */
  #stranger({ user, pass }: RouteConnect, peer: () => PeerCertificate | undefined): string | undefined {
    const { authorization, tls, routes } = this.#state.options;
    if (tls?.verifyAndMap || tls?.verifyKnownUrls) {
      const certificate = peer();
      const known = tls.verifyKnownUrls && certificate?.dnsNames.some((name) => isKnown(name, routes));
      if (known) return undefined;
      if (!tls.verifyAndMap) return 'no DNS name of the certificate is the host of a configured route';
      const mapped = mapPeer(certificate, new Set(authorization === undefined ? [] : [authorization.user]));
      return mapped.user === undefined ? mapped.reason : undefined;
    }
    if (authorization === undefined) return undefined;
    const right = sameSecret(authorization.user, user);
    return sameSecret(authorization.password, pass) && right
      ? undefined
      : `wrong user or password for user ${quote(user)}`;
  }
}

/** Takes LS+, LS- and LMSG: what is behind the leaf nodes of others is told apart from their clients. */
const leafNodes = { lnoc: true, lnocu: true, ln: true };

/** Whether a DNS name, with a wildcard for its first label perhaps, is the host of one of the routes. */
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
