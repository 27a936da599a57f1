// Turns a configuration file and flags into options, when `natspki broker` starts and again at each reload.
import { type ConfProblem, formatProblem, throwOnErrors } from '../../conf/error.ts';
import { loadConf, parseConf } from '../../conf/parser.ts';
import { NatspkiError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { type BrokerFlags, type BrokerOptions, readBrokerOptions } from './options.ts';

/** Where the options come from. */
export interface ConfigurationSource {
  /** The configuration file; without one, only `text`, flags and defaults count. */
  readonly config?: string | undefined;
  /** The text of the configuration, where it is in no file; its includes are relative to the working directory. */
  readonly text?: string | undefined;
  readonly flags?: BrokerFlags;
  /** Warn of unsupported options instead of rejecting them. */
  readonly ignoreUnsupported?: boolean | undefined;
  /** Warnings about the flags, which precede those about the file. */
  readonly flagWarnings?: readonly string[];
}

export interface BrokerConfiguration {
  readonly options: BrokerOptions;
  /** One line each, with its position. */
  readonly warnings: readonly string[];
  /** Every file that was read. */
  readonly files: readonly string[];
  /** Those of `files` that contain no settings. */
  readonly emptyFiles: readonly string[];
}

/** The configuration of a running broker: what is in force, and how to read it again. */
export class CurrentConfiguration {
  readonly #source: ConfigurationSource;
  #current: BrokerConfiguration;
  #warned: readonly string[] = [];

  /** Reads the source; throws as loadBrokerConfiguration does. */
  constructor(source: ConfigurationSource) {
    this.#source = source;
    this.#current = loadBrokerConfiguration(source);
  }

  get options(): BrokerOptions {
    return this.#current.options;
  }

  /** Every file that was read. */
  get files(): readonly string[] {
    return this.#current.files;
  }

  /** Reads the source again; throws as reloadBrokerConfiguration does, and keeps what is in force. */
  readonly reread = (): BrokerOptions => {
    this.#current = reloadBrokerConfiguration(this.#source, this.#current);
    return this.options;
  };

  /** Logs the warnings that the previous call has not logged. */
  warn(logger: Logger): void {
    const { warnings } = this.#current;
    for (const warning of warnings) if (!this.#warned.includes(warning)) logger.warn(warning);
    this.#warned = warnings;
  }
}

/**
 * Reads the configuration of a running broker again. Throws as loadBrokerConfiguration does, and also if the file or an
 * included file has become empty: it was probably truncated to be rewritten, and without it every client could connect.
 */
export function reloadBrokerConfiguration(
  source: ConfigurationSource,
  inUse: BrokerConfiguration,
): BrokerConfiguration {
  const configuration = loadBrokerConfiguration(source);
  const emptied = configuration.emptyFiles.find(
    (file) => file === source.config || !inUse.emptyFiles.includes(file),
  );
  if (emptied === undefined) return configuration;
  throw new NatspkiError('invalid-configuration', `${emptied} has become empty`, {
    hint: 'write it again, or remove the include that names it',
  });
}

/** Reads and checks the whole configuration; throws ConfErrors with every problem. */
export function loadBrokerConfiguration(source: ConfigurationSource): BrokerConfiguration {
  const { config, text, flags = {}, ignoreUnsupported = false, flagWarnings = [] } = source;
  const { root, files, silent } =
    config === undefined
      ? {
          root: parseConf(text ?? '', { file: text === undefined ? 'flags' : 'configuration' }),
          files: [],
          silent: [],
        }
      : loadConf(config);
  const problems: ConfProblem[] = [];
  const options = readBrokerOptions(root, problems, { flags, ignoreUnsupported });
  throwOnErrors(problems);
  return { options, warnings: [...flagWarnings, ...problems.map(formatProblem)], files, emptyFiles: silent };
}
