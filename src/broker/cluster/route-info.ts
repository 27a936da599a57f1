// The INFO and CONNECT of the route protocol, in which servers of a cluster describe themselves (nats-server,
// server.go, Info; client.go, ClientOpts). Parsing verifies the type of every member.

/** The INFO of a server. */
export interface RouteInfo {
  readonly server_id: string;
  readonly server_name: string;
  /** The version of the protocol between servers (server.go, RouteProtoV2). */
  readonly proto: number;
  readonly host: string;
  readonly port: number;
  readonly headers: boolean;
  readonly auth_required: boolean;
  readonly max_payload: number;
  /** `nats-route://host:port/` where other servers reach it; empty for the address that it connects from. */
  readonly ip: string;
  readonly cluster: string;
  readonly cluster_dynamic: boolean;
  /** `host:port` for its clients. */
  readonly connect_urls: readonly string[];
  /** `host:port` for its WebSocket clients. */
  readonly ws_connect_urls: readonly string[];
  readonly ldm: boolean;
  readonly gossip_mode: GossipMode;
  /** The number of routes in its pool; 0 without one. */
  readonly route_pool_size: number;
  /** Index of the route in the pool of the server that has dialled. */
  readonly route_pool_idx: number;
  /** The account that the route is dedicated to; empty for a route of the pool. */
  readonly route_account: string;
  /** Whether it deferred this INFO until the route may stay, as this broker does and nats-server does not. */
  readonly info_deferred: boolean;
  /** All members received, for forwarding. */
  readonly all: Readonly<Record<string, unknown>>;
}

/** How a server that is told about another one spreads what it then learns from that one (route.go). */
export const gossip = { byDefault: 0, disabled: 1, override: 2 } as const;

export type GossipMode = (typeof gossip)[keyof typeof gossip];

const noInfo: Omit<RouteInfo, 'all'> = {
  server_id: '',
  server_name: '',
  proto: 0,
  host: '',
  port: 0,
  headers: false,
  auth_required: false,
  max_payload: 0,
  ip: '',
  cluster: '',
  cluster_dynamic: false,
  connect_urls: [],
  ws_connect_urls: [],
  ldm: false,
  gossip_mode: gossip.byDefault,
  route_pool_size: 0,
  route_pool_idx: 0,
  route_account: '',
  info_deferred: false,
};

/** Parses an INFO; throws an Error that names the problem. */
export function parseRouteInfo(json: Buffer): RouteInfo {
  const all = parseObject(json);
  const info = fillIn(all, noInfo);
  if (info.server_id === '') throw new Error('"server_id" is missing');
  return { ...info, all };
}

/** The CONNECT of a server that dials. */
export interface RouteConnect {
  readonly user: string;
  readonly pass: string;
  /** The server id. */
  readonly name: string;
  readonly lang: string;
  readonly cluster: string;
  readonly cluster_dynamic: boolean;
  readonly headers: boolean;
}

const noConnect: RouteConnect = {
  user: '',
  pass: '',
  name: '',
  lang: '',
  cluster: '',
  cluster_dynamic: false,
  headers: false,
};

/** Parses a CONNECT; throws an Error whose message quotes no value. */
export function parseRouteConnect(json: Buffer): RouteConnect {
  return fillIn(parseObject(json), noConnect);
}

/** Builds a CONNECT line. */
export function routeConnectLine(connect: Omit<RouteConnect, 'lang'> & { readonly tls: boolean }): Buffer {
  const { user, pass, tls, name, headers, cluster, cluster_dynamic } = connect;
  const json = JSON.stringify({
    echo: true,
    verbose: false,
    pedantic: false,
    user: user === '' ? undefined : user,
    pass: pass === '' ? undefined : pass,
    tls_required: tls,
    name,
    cluster,
    cluster_dynamic: cluster_dynamic || undefined,
    headers,
    lnoc: true,
    ln: true,
  });
  return Buffer.from(`CONNECT ${json}\r\n`);
}

/** Reads the members that have defaults; each must have the type of its default, and null counts as absent. */
function fillIn<T extends object>(all: Readonly<Record<string, unknown>>, defaults: T): T {
  const read = { ...defaults } as Record<string, unknown>;
  for (const [name, byDefault] of Object.entries(defaults)) {
    const value = all[name];
    if (value === undefined || value === null) continue;
    const fits = Array.isArray(byDefault)
      ? Array.isArray(value) && value.every((item) => typeof item === 'string')
      : typeof value === typeof byDefault;
    if (!fits) throw new Error(`"${name}" has the wrong type`);
    read[name] = value;
  }
  return read as T;
}

function parseObject(json: Buffer): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json.toString());
  } catch {
    // JSON.parse quotes its input in the error, and the input may contain a password.
    throw new Error('invalid JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Error('expected a JSON object');
  }
  return parsed as Record<string, unknown>;
}
