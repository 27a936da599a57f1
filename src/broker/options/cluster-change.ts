// Plans what a configuration reload changes in the cluster block, and which options only a restart can change.
import { isDeepStrictEqual } from 'node:util';
import type { BlockChange } from './block-change.ts';
import type { ClusterOptions } from './cluster-options.ts';

/** The name of each option in the configuration, and whether only a restart can change it. */
const names: Record<keyof ClusterOptions, { readonly name: string; readonly isFixed?: true }> = {
  name: { name: 'name', isFixed: true },
  host: { name: 'host', isFixed: true },
  port: { name: 'port', isFixed: true },
  advertise: { name: 'advertise' },
  noAdvertise: { name: 'no_advertise' },
  connectRetries: { name: 'connect_retries' },
  connectBackoff: { name: 'connect_backoff' },
  routes: { name: 'routes' },
  authorization: { name: 'authorization' },
  pool: { name: 'pool_size and accounts', isFixed: true },
  permissions: { name: 'permissions' },
  pingIntervalMs: { name: 'ping_interval' },
  pingMax: { name: 'ping_max' },
  writeDeadlineMs: { name: 'write_deadline' },
  tls: { name: 'tls' },
};

/** Compares the block in use with the block in the reloaded configuration. */
export function planClusterChange(
  current: ClusterOptions | undefined,
  next: ClusterOptions | undefined,
): BlockChange<ClusterOptions> {
  if (current === undefined || next === undefined) {
    return { options: current, changed: [], kept: current === next ? [] : ['cluster'] };
  }
  const changed: string[] = [];
  const kept: string[] = [];
  const options: Record<string, unknown> = { ...next };
  for (const key of Object.keys(names) as (keyof ClusterOptions)[]) {
    if (isDeepStrictEqual(current[key], next[key])) continue;
    const { name, isFixed } = names[key];
    // Routes cannot change between plain text and TLS while they are connected.
    const stays = isFixed ?? (key === 'tls' && (current.tls === undefined) !== (next.tls === undefined));
    if (stays) options[key] = current[key];
    (stays ? kept : changed).push(`cluster ${name}`);
  }
  return { options: options as unknown as ClusterOptions, changed, kept };
}
