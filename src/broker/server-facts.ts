// What the broker says of itself to everybody, from its options and from what has become of them.
import type { Authenticator } from './auth/auth.ts';
import type { ServerFacts } from './clients/info.ts';
import { clientUrlsOf } from './cluster/client-urls.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { BrokerOptions } from './options/options.ts';

/** What the options do not say. */
export interface Circumstances {
  readonly id: string;
  readonly version: string;
  /** The port that clients connect to; 0 while there is none. */
  readonly port: number;
  readonly authenticator: Authenticator;
  /** Undefined for a server that stands alone, and before its cluster is there. */
  readonly cluster: Cluster | undefined;
}

/** Puts the facts together. */
export function describeServer(options: BrokerOptions, circumstances: Circumstances): ServerFacts {
  const { id, version, authenticator, cluster } = circumstances;
  const { tls, allowNonTls, clientAdvertise } = options;
  const host = clientAdvertise?.host ?? options.host;
  const port = clientAdvertise?.port || circumstances.port || options.port;
  const clientUrls = clientUrlsOf({ host, port });
  return {
    ...{ id, version, host, port, clientUrls },
    name: options.serverName ?? id,
    headers: options.headers,
    authRequired: authenticator.isRequired && !authenticator.hasDefaultUser,
    tlsRequired: tls !== undefined && !allowNonTls,
    tlsVerify: tls?.verify ?? false,
    tlsAvailable: tls !== undefined && allowNonTls,
    maxPayload: options.maxPayload,
    cluster: cluster?.name ?? options.cluster?.name,
    connectUrls: cluster?.connectUrls(clientUrls) ?? [],
  };
}
