// What the broker tells all clients and servers about itself, from its options and its run-time state.

import { parseAdvertised } from '../net/host-port.ts';
import type { Authenticator } from './auth/authenticator.ts';
import type { ServerFacts } from './clients/info.ts';
import { clientUrlsOf } from './cluster/client-urls.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { BrokerOptions } from './options/options.ts';

/** Run-time state that the options do not contain. */
export interface ServerState {
  readonly id: string;
  readonly version: string;
  /** The port of the client listener; 0 before it listens. */
  readonly port: number;
  /** The port of the listener for WebSocket clients; 0 before it listens, and without one. */
  readonly websocketPort: number;
  readonly authenticator: Authenticator;
  /** Undefined for a standalone server, and before the cluster listens. */
  readonly cluster: Cluster | undefined;
}

export function describeServer(options: BrokerOptions, state: ServerState): ServerFacts {
  const { id, version, authenticator, cluster } = state;
  const { tls, allowNonTls, clientAdvertise } = options;
  const host = clientAdvertise?.host ?? options.host;
  const port = clientAdvertise?.port || state.port || options.port;
  const clientUrls = clientUrlsOf({ host, port });
  const websocketUrls = websocketUrlsOf(options, state.websocketPort);
  return {
    id,
    version,
    host,
    port,
    clientUrls,
    websocketUrls,
    name: options.serverName ?? id,
    headers: options.headers,
    authRequired: authenticator.isRequired && !authenticator.hasDefaultUser,
    tlsRequired: tls !== undefined && !allowNonTls,
    tlsVerify: tls?.verify ?? false,
    tlsAvailable: tls !== undefined && allowNonTls,
    maxPayload: options.maxPayload,
    cluster: cluster?.name ?? options.cluster?.name,
    connectUrls: cluster?.connectUrls(clientUrls, 'connect_urls') ?? [],
    websocketConnectUrls: cluster?.connectUrls(websocketUrls, 'ws_connect_urls') ?? [],
  };
}

function websocketUrlsOf({ websocket }: BrokerOptions, port: number): string[] {
  if (websocket === undefined || port === 0) return [];
  const advertised = parseAdvertised(websocket.advertise);
  return clientUrlsOf({ host: advertised?.host || websocket.host, port: advertised?.port || port });
}
