// What servers of a cluster tell each other about third servers, until each has a route to every other (nats-server,
// route.go, forwardNewRouteInfoToKnownServers and processImplicitRoute). Sends nothing.
import { formatHostPort } from '../../net/host-port.ts';
import type { RouteSession } from './route.ts';
import { type GossipMode, gossip, type RouteInfo } from './route-info.ts';

/**
 * Whether to tell other servers about a new route: not about one that this server learnt by gossip, unless the gossip
 * mode overrides that.
 */
export function shouldGossip({ isDialled, destination }: RouteSession, remote: RouteInfo): boolean {
  if (remote.gossip_mode === gossip.disabled) return false;
  return !isDialled || destination?.type !== 'implicit' || destination.gossip === gossip.override;
}

/** Builds the INFO that tells `other` about the server at the end of a new route. */
export function gossipLine(route: RouteSession, remote: RouteInfo, other: RouteSession): Buffer {
  const { isDialled, destination } = route;
  const isConfigured = (isDialled ? destination : other.destination)?.type === 'explicit';
  const mode: GossipMode = isConfigured ? gossip.override : isDialled ? gossip.byDefault : gossip.disabled;
  const account = typeof route.slot === 'string' ? route.slot : undefined;
  const place = { route_pool_idx: undefined, route_account: account, nonce: undefined };
  const info = { ...remote.all, ...place, ip: remote.ip, gossip_mode: mode || undefined };
  return Buffer.from(`INFO ${JSON.stringify(info)}\r\n`);
}

/** The URL of a server: the one that it announces, or the address that it connects from. */
export function routeUrlOf(route: RouteSession, remote: RouteInfo): string {
  if (remote.ip !== '') return remote.ip;
  const address = formatHostPort({ host: route.connection.remoteAddress, port: remote.port });
  return `nats-route://${address}/`;
}

/** The URL of a gossiped server; undefined if the configuration names the server or the URL is invalid. */
export function implicitUrl(info: RouteInfo, routes: readonly string[]): URL | undefined {
  if (!URL.canParse(info.ip)) return undefined;
  const url = new URL(info.ip);
  if (url.hostname === '' || url.port === '') return undefined;
  const configured = routes.map((route) => new URL(route).host.toLowerCase());
  const known = [formatHostPort(info), `${url.hostname}:${info.port}`];
  return known.some((host) => configured.includes(host.toLowerCase())) ? undefined : url;
}
