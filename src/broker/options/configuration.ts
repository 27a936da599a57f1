// From a configuration file and flags to options: what `natspki broker` starts from and what a reload reads again.
import { type ConfProblem, formatProblem, throwOnErrors } from '../../conf/error.ts';
import { loadConf, parseConf } from '../../conf/parser.ts';
import { NatspkiError } from '../../errors.ts';
import { type BrokerFlags, type BrokerOptions, readBrokerOptions } from './options.ts';

/** Where the options come from. */
export interface ConfigurationSource {
  /** The file; without one flags and defaults say everything. */
  readonly config?: string | undefined;
  readonly flags?: BrokerFlags;
  /** Warn of blocks that this broker has nothing for instead of refusing them. */
  readonly ignoreUnsupported?: boolean | undefined;
}

export interface BrokerConfiguration {
  readonly options: BrokerOptions;
  /** One line each, with its place. */
  readonly warnings: readonly string[];
  /** Every file that was read. */
  readonly files: readonly string[];
  /** Those of them in which nothing stands. */
  readonly silent: readonly string[];
}

/**
 * Reads anew what a running broker has been started from. Throws as loadBrokerConfiguration does, and for a file that
 * says nothing any more, an included one too: it has been emptied to be written, and without it everybody could come in.
 */
export function reloadBrokerConfiguration(
  source: ConfigurationSource,
  inUse: BrokerConfiguration,
): BrokerConfiguration {
  const configuration = loadBrokerConfiguration(source);
  const emptied = configuration.silent.find((file) => file === source.config || !inUse.silent.includes(file));
  if (emptied === undefined) return configuration;
  throw new NatspkiError('invalid-configuration', `${emptied} says nothing`, {
    hint: 'write it again; to do without it take its include out',
  });
}

/** Reads and checks everything; throws ConfErrors with all that is wrong. */
export function loadBrokerConfiguration(source: ConfigurationSource): BrokerConfiguration {
  const { config, flags = {}, ignoreUnsupported = false } = source;
  const { root, files, silent } =
    config === undefined
      ? { root: parseConf('', { file: 'flags' }), files: [], silent: [] }
      : loadConf(config);
  const problems: ConfProblem[] = [];
  const options = readBrokerOptions(root, problems, { flags, ignoreUnsupported });
  throwOnErrors(problems);
  return { options, warnings: problems.map(formatProblem), files, silent };
}
