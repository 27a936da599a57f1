// Provides the TLS material in use for one tls block: loads it, watches its files, and replaces it as a whole. When the
// files become invalid, the last valid material stays in use and each problem is logged once.

import { EventEmitter } from 'node:events';
import { formatDay } from '../duration.ts';
import { NatspkiError } from '../errors.ts';
import type { FileWatch, FileWatcher } from '../files/watcher.ts';
import type { Logger } from '../log.ts';
import type { TlsBlock } from './block.ts';
import { filesOf, loadMaterial, type MaterialCache, type TlsMaterial } from './material.ts';
import { describeChanges, type SwapEvent, SwapHistory } from './swap-history.ts';

export interface TlsSourceOptions {
  /** The block as log lines name it: `tls`, `cluster.tls`. */
  readonly where: string;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Shared by all sources of a process; without one, only `reload` checks the files. */
  readonly watcher?: FileWatcher;
  readonly now?: () => Date;
  /** Material that sources share, for a process that opens many with equal files. */
  readonly cache?: MaterialCache | undefined;
}

/** The state of a source, counted since it was opened. */
export interface TlsSourceStatus {
  /** 1 for the initial material, incremented by each swap. */
  readonly generation: number;
  readonly swaps: number;
  /** How often changed files were rejected. */
  readonly refused: number;
  readonly lastSwap: Date | undefined;
  readonly lastRefusal: { readonly at: Date; readonly reason: string } | undefined;
  /** False while the files are invalid and earlier material is in use. */
  readonly current: boolean;
  /** The most recent events, the oldest first. */
  readonly history: readonly SwapEvent[];
}

interface TlsSourceEvents {
  /** New material is in use; new handshakes use it immediately. */
  swap: [material: TlsMaterial];
  /** The changed files are invalid; the previous material stays in use. */
  refused: [reason: string];
}

/** A shorter failure, in milliseconds, is not logged: files that are replaced one by one do not match in between. */
const graceMs = 250;
const firstRetryMs = 25;
const lastRetryMs = 5000;

/** Provides the material for one tls block. */
export class CertificateSource extends EventEmitter<TlsSourceEvents> {
  readonly #options: TlsSourceOptions;
  readonly #now: () => Date;
  #material: TlsMaterial;
  #watch: FileWatch | undefined;
  /** The load in progress, and the one queued behind it. */
  #running: Promise<boolean> = Promise.resolve(true);
  #next: Promise<boolean> | undefined;
  #failure: Failure | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** A caller of `reload` waits for the result, so a failure is logged without the grace period, and logged again. */
  #isAsked = false;
  #isClosed = false;
  #swaps = 0;
  #refused = 0;
  #lastSwap: Date | undefined;
  #lastRefusal: TlsSourceStatus['lastRefusal'];
  readonly #history = new SwapHistory();

  private constructor(material: TlsMaterial, options: TlsSourceOptions) {
    super();
    this.#material = material;
    this.#options = options;
    this.#now = options.now ?? (() => new Date());
    this.#remember('opened', describeChanges(undefined, material));
  }

  /** Loads the files and watches them; throws a NatspkiError when the material is invalid. */
  static async open(block: TlsBlock, options: TlsSourceOptions): Promise<CertificateSource> {
    let source: CertificateSource | undefined;
    let hasChanged = false;
    // Before they are read, so that no change is missed.
    const watch = await options.watcher?.watch(filesOf(block), () => {
      hasChanged = true;
      if (source !== undefined) void source.#enqueue();
    });
    try {
      const material = await loadMaterial(block, (options.now ?? (() => new Date()))(), options);
      source = new CertificateSource(material, options);
      source.#watch = watch;
      source.#warn(material);
      if (hasChanged) await source.#enqueue();
      return source;
    } catch (error) {
      watch?.close();
      throw error;
    }
  }

  get block(): TlsBlock {
    return this.#material.block;
  }

  get material(): TlsMaterial {
    return this.#material;
  }

  get status(): TlsSourceStatus {
    return {
      generation: 1 + this.#swaps,
      swaps: this.#swaps,
      refused: this.#refused,
      lastSwap: this.#lastSwap,
      lastRefusal: this.#lastRefusal,
      current: this.#failure === undefined,
      history: this.#history.events,
    };
  }

  /**
   * Loads the material of another block (a configuration reload) without using it yet; throws like open.
   * To reload all or nothing, prepare all blocks and then adopt all of them.
   */
  async prepare(block: TlsBlock): Promise<TlsMaterial> {
    return loadMaterial(block, this.#now(), this.#options);
  }

  /** Puts prepared material into use, and watches its files instead. */
  async adopt(material: TlsMaterial): Promise<void> {
    this.#recover();
    this.#swap(material);
    await this.#watchFiles();
  }

  /** Checks the files now; resolves to false when they are invalid, which is also logged and counted. */
  reload(): Promise<boolean> {
    this.#isAsked = true;
    return this.#enqueue();
  }

  /** Stops watching. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    this.#watch?.close();
  }

  async #watchFiles(): Promise<void> {
    this.#watch?.close();
    this.#watch = undefined;
    const { watcher } = this.#options;
    const files = filesOf(this.block);
    if (watcher === undefined || files.length === 0) return;
    const watch = await watcher.watch(files, () => void this.#enqueue());
    if (this.#isClosed) watch.close();
    else this.#watch = watch;
    // The files may have changed between the load and the watch.
    await this.#enqueue();
  }

  /** Queues a load behind the one in progress; a load that is already queued will see the current files anyway. */
  #enqueue(): Promise<boolean> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      this.#running = this.#load();
      return this.#running;
    });
    return this.#next;
  }

  async #load(): Promise<boolean> {
    clearTimeout(this.#retry);
    const { block } = this;
    try {
      const material = await loadMaterial(block, this.#now(), {
        inUse: this.#material,
        cache: this.#options.cache,
      });
      // The source was closed, or a configuration reload replaced its block.
      if (this.#isClosed || block !== this.block) return true;
      this.#recover();
      if (material !== this.#material) this.#swap(material);
      return true;
    } catch (error) {
      if (this.#isClosed || block !== this.block) return true;
      this.#fail(error);
      return false;
    } finally {
      this.#isAsked = false;
    }
  }

  #swap(material: TlsMaterial): void {
    const changes = describeChanges(this.#material, material);
    this.#material = material;
    this.#swaps++;
    this.#lastSwap = this.#remember('swapped', changes).at;
    this.#options.log.info(`Reloaded: ${this.#options.where} serves ${describe(material)}`);
    this.#warn(material);
    this.emit('swap', material);
  }

  #remember(outcome: SwapEvent['outcome'], changes: readonly string[], reason?: string): SwapEvent {
    const event = { at: this.#now(), outcome, generation: 1 + this.#swaps, changes, reason };
    this.#history.add(event);
    return event;
  }

  #warn(material: TlsMaterial): void {
    const { where, log } = this.#options;
    for (const { message } of material.warnings) log.warn(`${where}: ${message}`);
  }

  /** Keeps the material in use, logs the reason once and on request, and retries until the files are valid. */
  #fail(error: unknown): void {
    this.#failure ??= { since: performance.now(), retryMs: firstRetryMs, reason: undefined };
    const failure = this.#failure;
    const reason = error instanceof NatspkiError ? error.message : String(error);
    const isNew = reason !== failure.reason;
    // An operator who asks for a reload looks for the result after the request, even if the log has it already.
    if (this.#isAsked || (isNew && performance.now() - failure.since >= graceMs)) {
      this.#options.log.error(`${this.#options.where}: ${reason}; still serving ${describe(this.#material)}`);
      if (isNew) {
        failure.reason = reason;
        this.#refused++;
        this.#lastRefusal = { at: this.#remember('refused', [], reason).at, reason };
        this.emit('refused', reason);
      }
    }
    this.#retry = setTimeout(() => void this.#enqueue(), failure.retryMs).unref();
    failure.retryMs = Math.min(failure.retryMs * 2, lastRetryMs);
  }

  #recover(): void {
    if (this.#failure?.reason !== undefined) {
      this.#options.log.info(`${this.#options.where}: the files are valid again`);
    }
    this.#failure = undefined;
    clearTimeout(this.#retry);
  }
}

/** A period in which the files are invalid. */
interface Failure {
  readonly since: number;
  retryMs: number;
  /** The reason that was logged last; undefined while none was. */
  reason: string | undefined;
}

function describe(material: TlsMaterial): string {
  if (material.certificates.length === 0) return 'no certificate';
  return material.certificates
    .map(
      ({ subject, serial, notAfter, certFile }) =>
        `${subject} from "${certFile}" (serial ${serial}, valid until ${formatDay(notAfter)})`,
    )
    .join(' and ');
}
