// Applies the cluster flags of nats-server's command line to the cluster block of the file (opts.go, ConfigureOptions
// and overrideCluster). No message repeats a URL, which may contain a password.
import { UsageError } from '../../errors.ts';
import { parseAdvertised, parseHostPort } from '../../net/host-port.ts';
import { type ClusterAuthorization, type ClusterOptions, defaultPoolSize } from './cluster-options.ts';
import { parseRouteUrl } from './route-url.ts';

export interface ClusterFlags {
  /** The URL to listen on; an empty one keeps the server out of any cluster. */
  readonly cluster?: string | undefined;
  readonly clusterName?: string | undefined;
  readonly clusterAdvertise?: string | undefined;
  readonly noAdvertise?: boolean | undefined;
  readonly connectRetries?: number | undefined;
  /** Comma-separated URLs; the empty string stands for none. */
  readonly routes?: string | undefined;
}

/** The defaults of a cluster without a cluster block. */
const defaultClusterOptions: ClusterOptions = {
  name: undefined,
  host: '0.0.0.0',
  port: 0,
  advertise: undefined,
  noAdvertise: false,
  connectRetries: 0,
  connectBackoff: false,
  routes: [],
  authorization: undefined,
  pool: { size: defaultPoolSize, accounts: [] },
  permissions: undefined,
  pingIntervalMs: undefined,
  pingMax: undefined,
  writeDeadlineMs: undefined,
  tls: undefined,
};

/** Returns the block with the flags applied; undefined without a cluster. Throws a UsageError for an invalid flag. */
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
      '--routes needs --cluster, the address that other servers connect to',
      '--cluster nats://0.0.0.0:6222',
    );
  }
  if (clusterName?.includes(' '))
    throw new UsageError('--cluster_name cannot contain spaces', '--cluster_name NAME');
  const base = block ?? defaultClusterOptions;
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

/** The URL replaces the authorization of the block: without a user in it, other servers need no password. */
function readListenUrl(text: string, configured: ClusterAuthorization | undefined): Partial<ClusterOptions> {
  if (text === '') return { port: 0 };
  // The URL class rejects a port of -1, which stands for any free port.
  const [, scheme, userinfo, address = ''] =
    /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/]*)@)?([^/]*)\/?$/i.exec(text.trim()) ?? [];
  const where = parseHostPort(address);
  if (scheme === undefined || where === undefined) {
    throw new UsageError(
      '--cluster is not a URL with a host and a port',
      '--cluster nats://0.0.0.0:6222, or port -1 for any free port',
    );
  }
  const listen = { host: where.host || defaultClusterOptions.host, port: where.port };
  if (userinfo === undefined) return { ...listen, authorization: undefined };
  const [user = '', password] = userinfo.split(/:(.*)/s).map(decode);
  if (password === undefined || user === '') {
    throw new UsageError(
      '--cluster has a user without a password, or a password without a user',
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
    throw new UsageError('--cluster has a user or a password that is not percent-encoded', 'write % as %25');
  }
}
