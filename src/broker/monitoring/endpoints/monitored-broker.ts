// The broker as monitoring sees it, which reads it and changes nothing.

import type { Logger } from '../../../log.ts';
import type { Accounts } from '../../accounts/account.ts';
import type { ServerFacts } from '../../clients/info.ts';
import type { Sessions } from '../../clients/sessions.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { BrokerOptions } from '../../options/options.ts';
import type { ServerTls } from '../../transport/server-tls.ts';

export interface Monitored {
  readonly options: BrokerOptions;
  readonly facts: ServerFacts;
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  /** The name of the system account; undefined without. */
  readonly systemAccount: string | undefined;
  /** Undefined without TLS. */
  readonly tls: ServerTls | undefined;
  /** Undefined for a standalone server. */
  readonly cluster: Cluster | undefined;
  /** Whether clients can connect. */
  readonly isReady: boolean;
  readonly startedAt: Date;
  /** When the options in use were read. */
  readonly configuredAt: Date;
  readonly now: () => Date;
  readonly logger: Logger;
}
