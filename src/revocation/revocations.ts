// What one process knows about revoked certificates: shared by all its TLS listeners.
import type { FileWatcher } from '../files/watcher.ts';
import type { Logger } from '../log.ts';
import { AnswerCache, type AnswerCacheOptions } from './answer-cache.ts';
import { RevocationListSource } from './list-source.ts';
import { OcspChecker } from './ocsp-checker.ts';
import type { ResponderClient } from './ocsp-fetch.ts';
import type { OcspPolicy } from './ocsp-policy.ts';
import { readAnswers, saveAnswers } from './saved-answers.ts';

export interface RevocationsOptions {
  readonly log: Pick<Logger, 'info' | 'warn' | 'error' | 'debug'>;
  readonly watcher: FileWatcher;
  readonly now: () => Date;
  /** Called when certificates of open connections may have become revoked. */
  readonly onChange: () => void;
}

export class Revocations {
  readonly now: () => Date;
  readonly cache = new AnswerCache();
  readonly #options: RevocationsOptions;
  #lists: RevocationListSource | undefined;
  #client: ResponderClient | undefined;
  #ocsp: OcspChecker | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RevocationsOptions) {
    this.#options = options;
    this.now = options.now;
  }

  /** Loads the lists; throws a NatspkiError when a file is missing or invalid. @param files empty for no lists */
  async open(files: readonly string[]): Promise<void> {
    if (files.length === 0) return;
    const { onChange, ...options } = this.#options;
    this.#lists = await RevocationListSource.open(files, options);
    this.#lists.on('change', onChange);
  }

  /** Applies options; the checker is there before a listener with the policy needs it. */
  async configure(policy: OcspPolicy | undefined, cache: AnswerCacheOptions): Promise<void> {
    this.cache.options = cache;
    if (policy !== undefined) await this.useOcsp();
  }

  /** Makes the checker of OCSP answers, if there is none. */
  async useOcsp(): Promise<void> {
    if (this.#ocsp !== undefined) return;
    await this.#restoreAnswers();
    const { fetch } = await this.client();
    const { log, now, onChange: onRevoked } = this.#options;
    this.#ocsp = new OcspChecker({ cache: this.cache, fetch, log, now, onRevoked });
  }

  /** The connections to responders; loaded late, so that a broker that asks none loads no HTTP client. */
  async client(): Promise<ResponderClient> {
    const { ResponderClient } = await import('./ocsp-fetch.ts');
    this.#client ??= new ResponderClient();
    return this.#client;
  }

  /** Undefined without revocation lists. */
  get lists(): RevocationListSource | undefined {
    return this.#lists;
  }

  /** Undefined while no listener asks OCSP responders. */
  get ocsp(): OcspChecker | undefined {
    return this.#ocsp;
  }

  /** Reads all files again. */
  async reload(): Promise<void> {
    await this.#lists?.reload();
  }

  /** Stops watching files and asking responders, and saves the answers. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#lists?.close();
    this.#ocsp?.close();
    this.#client?.close();
    await this.#saveAnswers();
  }

  /** A file that cannot be read costs a question for each certificate, and no more. */
  async #restoreAnswers(): Promise<void> {
    const { type, folder } = this.cache.options;
    if (type === 'local') {
      await readAnswers(folder).then(
        (answers) => this.cache.restore(answers),
        (error: Error) => this.#options.log.warn(`ocsp_cache: cannot read "${folder}": ${error.message}`),
      );
    }
    this.#scheduleSave();
  }

  #scheduleSave(): void {
    const save = () => this.#saveAnswers().then(() => this.#scheduleSave());
    this.#timer = setTimeout(() => void save(), this.cache.options.saveIntervalMs).unref();
  }

  async #saveAnswers(): Promise<void> {
    const { isDirty, options, entries } = this.cache;
    if (!isDirty || options.type !== 'local') return;
    this.cache.isDirty = false;
    await saveAnswers(options.folder, entries).catch((error: Error) => {
      this.cache.isDirty = true;
      this.#options.log.warn(`ocsp_cache: cannot save "${options.folder}": ${error.message}`);
    });
  }
}
