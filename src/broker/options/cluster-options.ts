// Reads and validates the cluster block (nats-server's opts.go, parseCluster). Opens no file and no connection. No
// message repeats a URL, which may contain a password.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue } from '../../conf/value.ts';
import { type HostPort, parseAdvertised } from '../../net/host-port.ts';
import { readTlsBlock, type TlsBlock } from '../../tls/block.ts';
import { readCompression } from './cluster-compression.ts';
import { readDurationOption } from './duration-option.ts';
import { readListen } from './listen-option.ts';
import { type ClusterPermissions, readClusterPermissions } from './permission-options.ts';
import { parseRouteUrl } from './route-url.ts';
import { reportUnsupported } from './unsupported.ts';

export interface ClusterOptions {
  /** Undefined for a generated name, which yields to the name of any peer. */
  readonly name: string | undefined;
  readonly host: string;
  /** -1 for any free port; 0 keeps this server out of any cluster. */
  readonly port: number;
  /** Advertised to other servers instead of host and port; port 0 stands for that of the listener. */
  readonly advertise: HostPort | undefined;
  /** Do not advertise the other servers to clients, nor the client port here to the other servers. */
  readonly noAdvertise: boolean;
  /** How many times to retry a connection to a server that a peer has announced. */
  readonly connectRetries: number;
  /** Wait longer after each failed attempt. */
  readonly connectBackoff: boolean;
  /** URLs with a host and a port; they may contain a user and a password. */
  readonly routes: readonly string[];
  /** What peers must send here, and what this server sends to servers that a peer announced; undefined for none. */
  readonly authorization: ClusterAuthorization | undefined;
  /** The routes to each server that keeps several of them. */
  readonly pool: RoutePoolOptions;
  /** Undefined if routes carry every subject. */
  readonly permissions: ClusterPermissions | undefined;
  /** Undefined for the value of the client port, as are the next two. */
  readonly pingIntervalMs: number | undefined;
  readonly pingMax: number | undefined;
  readonly writeDeadlineMs: number | undefined;
  readonly tls: TlsBlock | undefined;
}

export interface RoutePoolOptions {
  /** 0 for one route to each server. */
  readonly size: number;
  /** The accounts with a route of their own; with a pool, the system account is one of them. */
  readonly accounts: readonly string[];
}

export interface ClusterAuthorization {
  readonly user: string;
  readonly password: string;
  /** Time limit for CONNECT, in milliseconds; undefined for the default. */
  readonly timeoutMs: number | undefined;
}

/** The longest time between two PINGs on a route, in milliseconds (const.go, routeMaxPingInterval). */
export const maxRoutePingMs = 30_000;

/** Reserved by nats-server (route.go, leafNoOriginCluster). */
const reservedName = '_';

const authorizationFeatures = {
  auth_callout: 'the authorization callout',
  auth_hook: 'the authorization callout',
  proxy_required: 'proxies',
};

/** Reads a cluster block. */
export function readClusterOptions(map: MapValue, problems: ConfProblem[]): ClusterOptions {
  const reader = new MapReader(map, problems, 'cluster');
  const listen = readListen(reader, 'listen');
  const port = readPort(reader, listen);
  const tlsMap = reader.map('tls');
  const login = readAuthorization(reader, problems);
  const options: ClusterOptions = {
    name: readName(reader),
    host: (listen?.host || undefined) ?? reader.string('host', 'net') ?? '0.0.0.0',
    port,
    advertise: readAdvertise(reader),
    noAdvertise: reader.boolean('no_advertise') ?? false,
    connectRetries: Math.max(0, reader.integer('connect_retries') ?? 0),
    connectBackoff: reader.boolean('connect_backoff') ?? false,
    routes: readRoutes(reader),
    authorization: login.authorization,
    pool: readPool(reader),
    permissions: readPermissions(reader, problems) ?? login.permissions,
    ...readTimes(reader),
    tls: tlsMap === undefined ? undefined : readTlsBlock(tlsMap, problems, 'cluster'),
  };
  readCompression(reader, problems);
  reader.finish();
  return options;
}

function readName(reader: MapReader): string | undefined {
  const name = reader.string('name');
  if (name?.includes(' ')) reader.error(reader.position('name'), 'cluster name cannot contain spaces');
  if (name === reservedName) reader.error(reader.position('name'), `cluster name "${name}" is reserved`);
  return name === '' ? undefined : name;
}

function readPort(reader: MapReader, listen: HostPort | undefined): number {
  const port = listen?.port ?? reader.integer('port') ?? 0;
  const position = reader.position('port', 'listen');
  if (port < -1 || port > 65_535) reader.error(position, `port ${port} is not between -1 and 65535`);
  if (port === 0) {
    reader.warning(
      position,
      'cluster has no port: this server neither accepts nor opens routes',
      'add listen: "0.0.0.0:6222"',
      'cluster-without-port',
    );
  }
  return port;
}

function readAdvertise(reader: MapReader): HostPort | undefined {
  const names = ['cluster_advertise', 'advertise'] as const;
  const text = reader.string(...names);
  if (text === undefined || text === '') return undefined;
  const parsed = parseAdvertised(text);
  if (parsed === undefined) {
    reader.error(
      reader.position(...names),
      '"advertise" in cluster is neither a host nor a host with a port',
      'for example "nats-1.example.com:6222"',
    );
  }
  return parsed;
}

function readRoutes(reader: MapReader): string[] {
  const routes = new Set<string>();
  for (const item of reader.array('routes')?.items ?? []) {
    if (item.kind !== 'string') {
      reader.error(item.position, 'an entry of "routes" in cluster must be a string');
      continue;
    }
    const url = parseRouteUrl(item.value);
    if (url === undefined) {
      // The message leaves the URL out: it may contain a password.
      reader.error(item.position, 'a route in cluster is not a URL such as nats://host:6222');
    } else if (routes.has(url)) {
      reader.warning(
        item.position,
        'a route in cluster is listed twice',
        'remove one of them',
        'route-twice',
      );
    } else routes.add(url);
  }
  return [...routes];
}

function readAuthorization(
  cluster: MapReader,
  problems: ConfProblem[],
): Pick<ClusterOptions, 'authorization' | 'permissions'> {
  const block = cluster.map('authorization');
  if (block === undefined) return { authorization: undefined, permissions: undefined };
  const where = 'cluster.authorization';
  const reader = new MapReader(block, problems, where);
  reportUnsupported(reader, authorizationFeatures);
  if (reader.has('users')) {
    reader.error(reader.position('users'), 'cluster authorization does not allow multiple users');
  }
  if (reader.string('token')) {
    reader.error(reader.position('token'), 'cluster authorization does not support tokens');
  }
  const user = reader.string('user', 'username') ?? '';
  const password = readPassword(reader);
  const timeoutMs = reader.durationMs('timeout') || undefined;
  if (timeoutMs !== undefined && timeoutMs < 0) {
    reader.error(reader.position('timeout'), `"timeout" in ${where} cannot be negative`);
  }
  if (user === '' && password !== '') {
    reader.error(reader.position('password', 'pass'), `"password" in ${where} needs "user"`);
  }
  const names = ['permissions', 'default_permissions', 'default_permission'] as const;
  const permissions = reader.map(...names);
  if (permissions !== undefined) {
    const position = reader.position(...names);
    const message = `"permissions" in ${where} is deprecated`;
    reader.warning(position, message, 'move them to the cluster block itself', 'deprecated');
  }
  reader.finish();
  return {
    authorization: user === '' ? undefined : { user, password, timeoutMs },
    permissions: permissions && readClusterPermissions(permissions, problems, `${where}.permissions`),
  };
}

/** The server sends this password to servers that a peer announces: it would send a hash verbatim, as the password. */
function readPassword(reader: MapReader): string {
  const password = reader.string('password', 'pass') ?? '';
  if (/^\$2[abxy]\$\d{2}\$/.test(password)) {
    reader.error(
      reader.position('password', 'pass'),
      '"password" in cluster.authorization is a bcrypt hash: servers that a peer announces would reject it',
      'write the password itself, or remove it and authenticate servers by their route certificates',
    );
  }
  return password;
}

function readPermissions(reader: MapReader, problems: ConfProblem[]): ClusterPermissions | undefined {
  const block = reader.map('permissions');
  return block && readClusterPermissions(block, problems, 'cluster.permissions');
}

function readTimes(reader: MapReader) {
  const pingIntervalMs = readDurationOption(reader, 'ping_interval');
  if (pingIntervalMs !== undefined && pingIntervalMs > maxRoutePingMs) {
    reader.warning(
      reader.position('ping_interval'),
      '"ping_interval" in cluster is reduced to 30s, the maximum for routes',
      undefined,
      'route-ping-interval',
    );
  }
  const policy = reader.string('write_timeout');
  if (policy !== undefined && !['default', 'close', 'retry'].includes(policy)) {
    reader.error(
      reader.position('write_timeout'),
      '"write_timeout" in cluster must be "default", "close" or "retry"',
    );
  }
  const pingMax = reader.integer('ping_max') ?? 0;
  return {
    pingIntervalMs,
    pingMax: pingMax > 0 ? pingMax : undefined,
    writeDeadlineMs: readDurationOption(reader, 'write_deadline'),
  };
}

/** The size of a pool by default (const.go, DEFAULT_ROUTE_POOL_SIZE). */
export const defaultPoolSize = 3;

function readPool(reader: MapReader): RoutePoolOptions {
  const size = reader.integer('pool_size') || defaultPoolSize;
  const accounts = reader.strings('accounts') ?? [];
  if (size < 0 && accounts.length > 0) {
    reader.error(reader.position('pool_size'), '"pool_size" in cluster cannot be negative beside "accounts"');
  }
  if (new Set(accounts).size < accounts.length) {
    reader.error(reader.position('accounts'), 'an account in cluster.accounts is listed twice');
  }
  return { size: Math.max(0, size), accounts };
}

/** Gives the system account a route of its own, as nats-server does (opts.go, setBaselineOptions). */
export function pinSystemAccount(
  options: ClusterOptions | undefined,
  systemAccount: string | undefined,
): ClusterOptions | undefined {
  if (options === undefined) return undefined;
  const { size, accounts } = options.pool;
  if (size === 0 || systemAccount === undefined || accounts.includes(systemAccount)) return options;
  return { ...options, pool: { size, accounts: [...accounts, systemAccount] } };
}
