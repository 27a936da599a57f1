// What monitoring may look at in a broker. Changes nothing.

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
  /** Whether clients can connect. */
  readonly isReady: boolean;
  readonly startedAt: Date;
  /** When the options in use were read. */
  readonly configuredAt: Date;
  readonly now: () => Date;
  readonly logger: Logger;
}
