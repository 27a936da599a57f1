// Reads and validates the cluster block (nats-server's opts.go, parseCluster). Opens no file and no connection.
import type { ConfProblem } from '../conf/error.ts';
import { MapReader } from '../conf/reader.ts';
import type { MapValue } from '../conf/value.ts';
import { readTlsBlock, type TlsBlock } from '../tls/block.ts';
import { type HostPort, parseHostPort, readListen } from './host-port.ts';

export interface ClusterOptions {
  /** Undefined for a name of the moment, which gives way to any other. */
  readonly name: string | undefined;
  readonly host: string;
  /** -1 for any free port; 0 where the block names none. */
  readonly port: number;
  /** What other servers are told instead of host and port. */
  readonly advertise: HostPort | undefined;
  /** Clients are not told of the other servers. */
  readonly noAdvertise: boolean;
  /** How often a server that another one told of is tried again. */
  readonly connectRetries: number;
  /** Wait longer from try to try. */
  readonly connectBackoff: boolean;
  /** URLs; they may carry user and password. */
  readonly routes: readonly string[];
  /** What those who connect must know; undefined for nothing. */
  readonly authorization: ClusterAuthorization | undefined;
  /** Undefined for that of clients. */
  readonly pingIntervalMs: number | undefined;
  readonly pingMax: number | undefined;
  readonly tls: TlsBlock | undefined;
}

export interface ClusterAuthorization {
  readonly user: string;
  readonly password: string;
  readonly timeoutMs: number | undefined;
}

/** Read by nats-server, and of no effect here. */
const withoutEffect = [
  'permissions',
  'pool_size',
  'accounts',
  'compression',
  'write_deadline',
  'write_timeout',
];

/** Reads a cluster block. */
export function readClusterOptions(map: MapValue, problems: ConfProblem[]): ClusterOptions {
  const reader = new MapReader(map, problems, 'cluster');
  const name = reader.string('name');
  if (name?.includes(' ')) reader.error(reader.position('name'), 'cluster name cannot contain spaces');
  const listen = readListen(reader, 'listen');
  const tlsMap = reader.map('tls');
  const authorization = reader.map('authorization');
  for (const field of withoutEffect) reader.value(field);
  const options = {
    name,
    host: (listen?.host || undefined) ?? reader.string('host', 'net') ?? '0.0.0.0',
    port: listen?.port ?? reader.integer('port') ?? 0,
    advertise: readAdvertise(reader),
    noAdvertise: reader.boolean('no_advertise') ?? false,
    connectRetries: reader.integer('connect_retries') ?? 0,
    connectBackoff: reader.boolean('connect_backoff') ?? false,
    routes: readRoutes(reader),
    authorization: authorization && readAuthorization(authorization, problems),
    pingIntervalMs: reader.durationMs('ping_interval'),
    pingMax: reader.integer('ping_max'),
    tls: tlsMap === undefined ? undefined : readTlsBlock(tlsMap, problems, 'cluster'),
  };
  reader.finish();
  return options;
}

function readAdvertise(reader: MapReader): HostPort | undefined {
  const text = reader.string('cluster_advertise', 'advertise');
  if (text === undefined || text === '') return undefined;
  const parsed = parseHostPort(text);
  if (parsed === undefined) {
    reader.error(reader.position('cluster_advertise', 'advertise'), '"advertise" is not a host with a port');
  }
  return parsed;
}

function readAuthorization(map: MapValue, problems: ConfProblem[]): ClusterAuthorization | undefined {
  const reader = new MapReader(map, problems, 'cluster.authorization');
  if (reader.has('users')) {
    reader.error(reader.position('users'), 'cluster authorization does not allow multiple users');
  }
  if (reader.has('token')) {
    reader.error(reader.position('token'), 'cluster authorization does not support tokens');
  }
  for (const field of ['users', 'token', 'permissions', 'default_permissions']) reader.value(field);
  const user = reader.string('user', 'username') ?? '';
  const password = reader.string('pass', 'password') ?? '';
  const timeoutMs = reader.durationMs('timeout');
  reader.finish();
  return user === '' ? undefined : { user, password, timeoutMs };
}

function readRoutes(reader: MapReader): string[] {
  const routes = reader.strings('routes') ?? [];
  for (const route of routes) {
    // The URL may carry a password: it stays out of the message.
    if (!URL.canParse(route) || new URL(route).hostname === '') {
      reader.error(reader.position('routes'), 'a route in cluster is not a URL such as nats://host:6222');
    }
  }
  return routes;
}
