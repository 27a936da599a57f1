// The broker as monitoring sees it, which reads it and changes nothing.

import type { Revocations } from '../../../revocation/revocations.ts';
import type { BrokerContext } from '../../clients/broker-context.ts';
import type { Sessions } from '../../clients/sessions.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { ServerTls } from '../../transport/server-tls.ts';

export interface MonitoredBroker extends BrokerContext {
  readonly sessions: Sessions;
  /** The name of the system account; undefined without. */
  readonly systemAccount: string | undefined;
  /** Undefined without TLS. */
  readonly tls: ServerTls | undefined;
  readonly revocations: Revocations;
  /** The listener for WebSocket clients; undefined without one. */
  readonly websocket: { readonly port: number; readonly tls: ServerTls | undefined } | undefined;
  /** Undefined for a standalone server. */
  readonly cluster: Cluster | undefined;
  /** Whether clients can connect. */
  readonly isReady: boolean;
  readonly startedAt: Date;
  /** When the options in use were read. */
  readonly configuredAt: Date;
}
