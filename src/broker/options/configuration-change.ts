// Plans what a configuration reload changes in a running broker, and which options only a restart can change.
import { isDeepStrictEqual } from 'node:util';
import { planClusterChange } from './cluster-change.ts';
import type { BrokerOptions } from './options.ts';
import { planWebsocketChange } from './websocket-change.ts';

/** Options that only a restart can change. */
const fixed: readonly (keyof BrokerOptions)[] = [
  'serverName',
  'host',
  'port',
  'systemAccount',
  'crl',
  'monitor',
  'pidFile',
  'portsFileDir',
];

/** The name of each option in the configuration. */
const names: Record<keyof BrokerOptions, string> = {
  serverName: 'server_name',
  host: 'host',
  port: 'port',
  clientAdvertise: 'client_advertise',
  maxConnections: 'max_connections',
  maxSubscriptions: 'max_subscriptions',
  maxSubscriptionTokens: 'max_subscription_tokens',
  maxControlLine: 'max_control_line',
  maxPayload: 'max_payload',
  maxPending: 'max_pending',
  pingIntervalMs: 'ping_interval',
  pingMax: 'ping_max',
  writeDeadlineMs: 'write_deadline',
  lameDuckDurationMs: 'lame_duck_duration',
  lameDuckGraceMs: 'lame_duck_grace_period',
  headers: 'no_header_support',
  noFastProducerStall: 'no_fast_producer_stall',
  tls: 'tls',
  allowNonTls: 'allow_non_tls',
  stapling: 'ocsp',
  ocspCache: 'ocsp_cache',
  crl: 'crl',
  auth: 'authorization',
  mapsCommonNames: 'no-common-name',
  systemAccount: 'system_account',
  cluster: 'cluster',
  websocket: 'websocket',
  monitor: 'monitoring',
  log: 'logging',
  pidFile: 'pid_file',
  portsFileDir: 'ports_file_dir',
};

export interface ConfigurationChange {
  /** The options to use from now on. */
  readonly options: BrokerOptions;
  /** The names of the options that change. */
  readonly changed: readonly string[];
  /** The names of the options that differ in the file but keep their value until a restart. */
  readonly kept: readonly string[];
}

/** Compares the options in use with those of the reloaded configuration. */
export function planConfigurationChange(current: BrokerOptions, next: BrokerOptions): ConfigurationChange {
  const cluster = planClusterChange(current.cluster, next.cluster);
  const websocket = planWebsocketChange(current.websocket, next.websocket);
  const different = (Object.keys(names) as (keyof BrokerOptions)[]).filter(
    (key) => !['cluster', 'websocket'].includes(key) && !isDeepStrictEqual(current[key], next[key]),
  );
  const kept = different.filter((key) => fixed.includes(key));
  const inUse = Object.fromEntries(kept.map((key) => [key, current[key]]));
  return {
    options: { ...next, ...inUse, cluster: cluster.options, websocket: websocket.options },
    changed: [
      ...different.filter((key) => !fixed.includes(key)).map((key) => names[key]),
      ...cluster.changed,
      ...websocket.changed,
    ],
    kept: [...kept.map((key) => names[key]), ...cluster.kept, ...websocket.kept],
  };
}
