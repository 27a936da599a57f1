// Keeps a running broker to its configuration: reloads when told and whenever one of the files changes, and goes on
// trying while it cannot be used, since what it lacks may be a file that nobody watches yet.
import { isDeepStrictEqual } from 'node:util';
import { NatspkiError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type FileWatch, FileWatcher } from '../tls/watcher.ts';
import type { Broker } from './broker.ts';

const firstRetryMs = 500;
const lastRetryMs = 5000;

export class Reloader {
  readonly #started: Promise<Broker>;
  readonly #files: () => readonly string[];
  readonly #logger: Logger;
  readonly #watcher = new FileWatcher();
  #watched: readonly string[] | undefined;
  #watch: FileWatch | undefined;
  /** Attempts take turns. */
  #running: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;
  /** The failure that the log tells of already. */
  #said = '';
  #isClosed = false;

  /** @param files those of the configuration in use; a reload may bring others (include) */
  constructor(started: Promise<Broker>, files: () => readonly string[], logger: Logger) {
    this.#started = started;
    this.#files = files;
    this.#logger = logger;
  }

  /** Begins to watch; resolves once no change can be missed any more. */
  async watch(): Promise<void> {
    const files = this.#files();
    if (isDeepStrictEqual(files, this.#watched)) return;
    this.#watched = files;
    this.#watch?.close();
    this.#watch = await this.#watcher.watch(files, () => void this.reload());
  }

  /** Reloads; a configuration that cannot be used is an error in the log and changes nothing. */
  reload(): Promise<void> {
    this.#retryMs = firstRetryMs;
    this.#said = '';
    return this.#enqueue();
  }

  /** Watches and tries no more. */
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
    if (message !== this.#said) {
      for (const line of message.split('\n')) {
        this.#logger.error(`Failed to reload server configuration: ${line}`);
      }
    }
    this.#said = message;
    this.#retry = setTimeout(() => void this.#enqueue(), this.#retryMs).unref();
    this.#retryMs = Math.min(2 * this.#retryMs, lastRetryMs);
  }
}

function withHint({ message, hint }: NatspkiError): string {
  return hint === undefined ? message : `${message} (${hint})`;
}
