// The parts of the running broker that sessions, the cluster and monitoring share.
import type { Logger } from '../../log.ts';
import type { Accounts } from '../accounts/account.ts';
import type { DeliveryPolicy } from '../accounts/delivery.ts';
import type { TraceSender } from '../accounts/trace-start.ts';
import type { BrokerOptions } from '../options/options.ts';
import type { Transport } from '../transport/transport.ts';
import type { ServerFacts } from './info.ts';

/** Read each property on use: a reload may change it. */
export interface BrokerContext {
  readonly options: BrokerOptions;
  readonly facts: ServerFacts;
  readonly accounts: Accounts;
  readonly transport: Transport;
  readonly delivery: DeliveryPolicy;
  readonly logger: Logger;
  readonly now: () => Date;
  /** Publishes the events of traced messages. */
  readonly traces: TraceSender;
}
