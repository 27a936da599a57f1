// Reads and validates the cluster block, so that one configuration serves this broker and nats-server alike; routes are
// not served yet, and whoever starts a broker with such a block is told.
import type { ConfProblem } from '../conf/error.ts';
import { MapReader } from '../conf/reader.ts';
import type { MapValue } from '../conf/value.ts';
import { readTlsBlock, type TlsBlock } from '../tls/block.ts';
import { readListen } from './host-port.ts';

export interface ClusterOptions {
  readonly name: string | undefined;
  readonly host: string;
  /** 0 where the block names no port. */
  readonly port: number;
  readonly routes: readonly string[];
  readonly tls: TlsBlock | undefined;
}

/** Read by nats-server, and nothing to a broker without routes. */
const forRoutes = [
  'authorization',
  'permissions',
  'cluster_advertise',
  'advertise',
  'no_advertise',
  'connect_retries',
  'connect_backoff',
  'pool_size',
  'accounts',
  'compression',
  'ping_interval',
  'ping_max',
  'write_deadline',
  'write_timeout',
];

/** Reads a cluster block (nats-server's opts.go, parseCluster). */
export function readClusterOptions(map: MapValue, problems: ConfProblem[]): ClusterOptions {
  const reader = new MapReader(map, problems, 'cluster');
  const name = reader.string('name');
  if (name?.includes(' ')) reader.error(reader.position('name'), 'cluster name cannot contain spaces');
  const listen = readListen(reader, 'listen');
  const tlsMap = reader.map('tls');
  for (const field of forRoutes) reader.value(field);
  const options = {
    name,
    host: (listen?.host || undefined) ?? reader.string('host', 'net') ?? '0.0.0.0',
    port: listen?.port ?? reader.integer('port') ?? 0,
    routes: readRoutes(reader),
    tls: tlsMap === undefined ? undefined : readTlsBlock(tlsMap, problems, 'cluster'),
  };
  reader.finish();
  return options;
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
