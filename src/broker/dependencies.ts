// What a broker gets from the program that runs it.
import type { Logger } from '../log.ts';
import type { MaterialCache } from '../tls/material.ts';
import type { BrokerOptions } from './options/options.ts';

export interface BrokerDependencies {
  readonly logger: Logger;
  /** Returns a number in [0, 1). */
  readonly random?: () => number;
  readonly now?: () => Date;
  /** The version in the log and in monitoring; by default that of a development build. */
  readonly version?: string;
  /** TLS material that brokers of this process share. */
  readonly materials?: MaterialCache;
  /** Reads the configuration again, for `reload`; throws if it is unusable. */
  readonly reread?: () => BrokerOptions;
  /** Called with the options that a reload has put in force. */
  readonly onReload?: (options: BrokerOptions) => void;
}
