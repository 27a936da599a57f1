// Keeps a running broker up to date with its configuration: reloads on request and when one of the files changes.
// Retries while the configuration is unusable, since the missing file may be one that is not watched yet.
import { isDeepStrictEqual } from 'node:util';
import { NatspkiError } from '../errors.ts';
import { type FileWatch, FileWatcher } from '../files/watcher.ts';
import type { Logger } from '../log.ts';
import type { Broker } from './running.ts';

const firstRetryMs = 500;
const lastRetryMs = 5000;

export class Reloader {
  readonly #started: Promise<Broker>;
  readonly #files: () => readonly string[];
  readonly #logger: Logger;
  readonly #watcher = new FileWatcher();
  #watched: readonly string[] | undefined;
  #watch: FileWatch | undefined;
  /** Serializes attempts. */
  #running: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;
  /** The failure logged last, which is not logged again. */
  #logged = '';
  #isClosed = false;

  /** @param files returns the files of the configuration in use; a reload may add some (include) */
  constructor(started: Promise<Broker>, files: () => readonly string[], logger: Logger) {
    this.#started = started;
    this.#files = files;
    this.#logger = logger;
  }

  /** Starts watching; resolves once no change can be missed. */
  async watch(): Promise<void> {
    const files = this.#files();
    if (isDeepStrictEqual(files, this.#watched)) return;
    this.#watched = files;
    this.#watch?.close();
    this.#watch = await this.#watcher.watch(files, () => void this.reload());
  }

  /** Reloads; logs an unusable configuration as an error and keeps the one in force. */
  reload(): Promise<void> {
    this.#retryMs = firstRetryMs;
    this.#logged = '';
    return this.#enqueue();
  }

  /** Stops watching and retrying. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    await this.#watcher.close();
  }

  #enqueue(): Promise<void> {
    this.#running = this.#running.then(() => this.#attempt());
    return this.#running;
  }

  async #attempt(): Promise<void> {
    clearTimeout(this.#retry);
    const broker = await this.#started;
    try {
      await broker.reload();
    } catch (error) {
      this.#fail(error instanceof NatspkiError ? withHint(error) : String(error));
    }
    if (!this.#isClosed) await this.watch();
  }

  #fail(message: string): void {
    if (this.#isClosed) return;
    if (message !== this.#logged) {
      for (const line of message.split('\n')) {
        this.#logger.error(`Failed to reload server configuration: ${line}`);
      }
    }
    this.#logged = message;
    this.#retry = setTimeout(() => void this.#enqueue(), this.#retryMs).unref();
    this.#retryMs = Math.min(2 * this.#retryMs, lastRetryMs);
  }
}

function withHint({ message, hint }: NatspkiError): string {
  return hint === undefined ? message : `${message} (${hint})`;
}
