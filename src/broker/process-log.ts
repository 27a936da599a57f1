// The log of a broker process: stderr or a file, as configured; a reload may switch it.
import { LineLogger, LogFile } from '../log.ts';
import type { LogOptions } from './options/options.ts';

export interface LogSettings {
  /** Writes a line to stderr if no log file is configured. */
  readonly writeLine?: (line: string) => void;
  /** Whether stderr supports colours. */
  readonly colors?: boolean;
}

export class ProcessLog {
  readonly logger: LineLogger;
  readonly #stderr: (line: string) => void;
  readonly #colors: boolean;
  #file: LogFile | undefined;

  /** Throws a NatspkiError if the log file cannot be opened. */
  constructor(options: LogOptions, { writeLine, colors = false }: LogSettings) {
    this.#stderr = writeLine ?? ((line) => process.stderr.write(line));
    this.#colors = colors;
    this.logger = new LineLogger((line) =>
      this.#file === undefined ? this.#stderr(line) : this.#file.write(line),
    );
    this.#use(options);
  }

  /** Applies reloaded options. If the new file cannot be opened, logs the error and keeps the current log. */
  apply(options: LogOptions): void {
    try {
      this.#use(options);
    } catch (error) {
      this.logger.error((error as Error).message);
    }
  }

  /** Reopens the log file after a log rotation has moved it. */
  reopen(): void {
    if (this.#file === undefined) {
      this.logger.info('File log re-open ignored, not a file logger');
      return;
    }
    try {
      this.#file.reopen();
      this.logger.info('File log re-opened');
    } catch (error) {
      this.logger.error(`File log not re-opened: ${(error as Error).message}`);
    }
  }

  close(): void {
    this.#file?.close();
  }

  #use({ debug, trace, timestamps, utc, file }: LogOptions): void {
    const { logger } = this;
    logger.debugging = debug;
    logger.tracing = trace;
    logger.timestamps = timestamps;
    logger.utc = utc;
    if (this.#file?.path !== file) {
      const opened = file === undefined ? undefined : new LogFile(file);
      this.#file?.close();
      this.#file = opened;
    }
    logger.colors = this.#colors && this.#file === undefined;
  }
}
