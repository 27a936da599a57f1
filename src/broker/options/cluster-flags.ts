// The cluster flags of nats-server's command line, on top of the cluster block of the file (opts.go, ConfigureOptions and
// overrideCluster). A message never repeats a URL: it may carry a password.
import { UsageError } from '../../errors.ts';
import type { ClusterAuthorization, ClusterOptions } from './cluster-options.ts';
import { parseAdvertised, parseHostPort } from './host-port.ts';
import { parseRouteUrl } from './route-url.ts';

export interface ClusterFlags {
  /** The URL to listen on; an empty one takes the server out of the cluster. */
  readonly cluster?: string | undefined;
  readonly clusterName?: string | undefined;
  readonly clusterAdvertise?: string | undefined;
  readonly noAdvertise?: boolean | undefined;
  readonly connectRetries?: number | undefined;
  /** URLs with commas between them; an empty text stands for none. */
  readonly routes?: string | undefined;
}

/** A cluster that nothing is said of but where it listens. */
const byFlagsAlone: ClusterOptions = {
  name: undefined,
  host: '0.0.0.0',
  port: 0,
  advertise: undefined,
  noAdvertise: false,
  connectRetries: 0,
  connectBackoff: false,
  routes: [],
  authorization: undefined,
  permissions: undefined,
  pingIntervalMs: undefined,
  pingMax: undefined,
  writeDeadlineMs: undefined,
  tls: undefined,
};

/** The options with the flags on top; undefined without a cluster. Throws a UsageError for what cannot be meant. */
export function readClusterFlags(
  flags: ClusterFlags,
  block: ClusterOptions | undefined,
): ClusterOptions | undefined {
  const { cluster, clusterName, noAdvertise, connectRetries, routes } = flags;
  const advertise = readAdvertise(flags.clusterAdvertise);
  const solicited = routes === undefined ? undefined : readRoutes(routes);
  if (cluster === undefined && block === undefined) {
    if (solicited === undefined || solicited.length === 0) return undefined;
    throw new UsageError(
      '--routes needs an address for other servers to connect to',
      '--cluster nats://0.0.0.0:6222',
    );
  }
  if (clusterName?.includes(' '))
    throw new UsageError('--cluster_name cannot contain spaces', '--cluster_name NAME');
  const base = block ?? byFlagsAlone;
  return {
    ...base,
    ...(cluster === undefined ? {} : readListenUrl(cluster, base.authorization)),
    name: clusterName || base.name,
    advertise: advertise ?? base.advertise,
    noAdvertise: noAdvertise ?? base.noAdvertise,
    connectRetries: connectRetries ?? base.connectRetries,
    routes: solicited ?? base.routes,
  };
}

/** The user and password that others must give come from the URL, and from nowhere else once there is one. */
function readListenUrl(text: string, configured: ClusterAuthorization | undefined): Partial<ClusterOptions> {
  if (text === '') return { port: 0 };
  // A port of -1, for any free one, is no part of a URL.
  const [, scheme, userinfo, address = ''] =
    /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/]*)@)?([^/]*)\/?$/i.exec(text.trim()) ?? [];
  const where = parseHostPort(address);
  if (scheme === undefined || where === undefined) {
    throw new UsageError(
      '--cluster is not a URL with a host and a port',
      '--cluster nats://0.0.0.0:6222, with a port of -1 for any free one',
    );
  }
  const listen = { host: where.host || byFlagsAlone.host, port: where.port };
  if (userinfo === undefined) return { ...listen, authorization: undefined };
  const [user = '', password] = userinfo.split(/:(.*)/s).map(decode);
  if (password === undefined || user === '') {
    throw new UsageError(
      '--cluster has a user or a password alone',
      '--cluster nats://user:password@0.0.0.0:6222',
    );
  }
  return { ...listen, authorization: { user, password, timeoutMs: configured?.timeoutMs } };
}

function readRoutes(text: string): string[] {
  if (text === '') return [];
  const routes = text.split(',').map(parseRouteUrl);
  if (routes.includes(undefined)) {
    throw new UsageError(
      '--routes has an entry that is not a URL with a host and a port',
      '--routes nats://host1:6222,nats://host2:6222',
    );
  }
  return [...new Set(routes as string[])];
}

function readAdvertise(text: string | undefined) {
  if (text === undefined || text === '') return undefined;
  const advertise = parseAdvertised(text);
  if (advertise === undefined) {
    throw new UsageError(
      '--cluster_advertise is neither a host nor a host with a port',
      '--cluster_advertise nats-1.example.com:6222',
    );
  }
  return advertise;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError(
      '--cluster has a user or a password that is not encoded as in URLs',
      'write % as %25',
    );
  }
}
