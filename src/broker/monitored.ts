// What monitoring may look at in a broker, and how nats-server writes times. Changes nothing.

import type { Logger } from '../log.ts';
import type { Accounts } from './account.ts';
import type { Cluster } from './cluster.ts';
import type { ServerFacts } from './info.ts';
import type { BrokerOptions } from './options.ts';
import type { Sessions } from './sessions.ts';
import type { TlsEntrance } from './tls-entrance.ts';

export interface Monitored {
  readonly options: BrokerOptions;
  readonly facts: ServerFacts;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  /** The name of the system account; undefined without. */
  readonly systemAccount: string | undefined;
  /** Undefined without TLS. */
  readonly tls: TlsEntrance | undefined;
  /** Undefined for a server that stands alone. */
  readonly cluster: Cluster | undefined;
  /** That of routes. */
  readonly clusterTls: TlsEntrance | undefined;
  /** Whether clients can connect. */
  readonly isReady: boolean;
  readonly startedAt: Date;
  /** When the options in use were read. */
  readonly configuredAt: Date;
  readonly now: () => Date;
  readonly logger: Logger;
}

/** Prints a time as Go does in JSON: without zeros at its end. */
export function goTime(time: Date | number): string {
  return new Date(time).toISOString().replace(/\.?0*Z$/, 'Z');
}

/** Prints a span in whole seconds with years and days (monitor.go, myUptime). */
export function uptime(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const units: [number, string][] = [
    [Math.floor(seconds / 31_536_000), 'y'],
    [Math.floor(seconds / 86_400) % 365, 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = units.findIndex(([count]) => count > 0);
  return units
    .slice(first < 0 ? -1 : first)
    .map(([count, unit]) => `${count}${unit}`)
    .join('');
}
