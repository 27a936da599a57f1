// The TLS material in use for one tls block: loads it, watches its files, swaps it whole. Whatever becomes of the files,
// the last good material stays in use, and what is wrong is said once.

import { EventEmitter } from 'node:events';
import { NatspkiError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { TlsBlock } from './block.ts';
import { filesOf, loadMaterial, type TlsMaterial } from './material.ts';
import { describeChanges, type SwapEvent, SwapHistory } from './swap-history.ts';
import type { FileWatch, FileWatcher } from './watcher.ts';

export interface TlsSourceOptions {
  /** How log lines name the block: `tls`, `cluster.tls`. */
  readonly where: string;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Shared by all sources of a process; without one, only `reload` looks at the files. */
  readonly watcher?: FileWatcher;
  readonly now?: () => Date;
}

/** What happened with a source since it was opened. */
export interface TlsSourceStatus {
  /** 1 for the material it was opened with, one more with each swap. */
  readonly generation: number;
  readonly swaps: number;
  /** Times that changed files were not taken. */
  readonly refused: number;
  readonly lastSwap: Date | undefined;
  readonly lastRefusal: { readonly at: Date; readonly reason: string } | undefined;
  /** False while the files cannot be used and older material serves. */
  readonly current: boolean;
  /** The latest events, the oldest first. */
  readonly history: readonly SwapEvent[];
}

interface TlsSourceEvents {
  /** Other material is in use; new handshakes get it at once. */
  swap: [material: TlsMaterial];
  /** The files changed and cannot be used; what was in use still is. */
  refused: [reason: string];
}

/** Files that are replaced one after the other do not fit each other in between: nothing is said of less than this. */
const graceMs = 250;
const firstRetryMs = 25;
const lastRetryMs = 5000;

/** Gives the material for one tls block. */
export class TlsContextSource extends EventEmitter<TlsSourceEvents> {
  readonly #options: TlsSourceOptions;
  readonly #now: () => Date;
  #material: TlsMaterial;
  #watch: FileWatch | undefined;
  /** The load under way, and the one that waits for it. */
  #running: Promise<boolean> = Promise.resolve(true);
  #next: Promise<boolean> | undefined;
  #failure: Failure | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** Somebody waits for the answer: no grace. */
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

  /** Loads and watches; throws a NatspkiError when the material cannot be used. */
  static async open(block: TlsBlock, options: TlsSourceOptions): Promise<TlsContextSource> {
    const material = await loadMaterial(block, (options.now ?? (() => new Date()))());
    const source = new TlsContextSource(material, options);
    source.#warn(material);
    await source.#watchFiles();
    return source;
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
   * Loads the material of another block (a configuration reload) without using it yet; throws as open does.
   * Prepare all blocks, then adopt all, and a reload is all or nothing.
   */
  async prepare(block: TlsBlock): Promise<TlsMaterial> {
    return loadMaterial(block, this.#now());
  }

  /** Puts prepared material in use, and watches its files instead. */
  async adopt(material: TlsMaterial): Promise<void> {
    this.#recover();
    this.#swap(material);
    await this.#watchFiles();
  }

  /** Looks at the files now; resolves to false when they cannot be used, which is logged and counted then. */
  reload(): Promise<boolean> {
    this.#isAsked = true;
    return this.#enqueue();
  }

  /** Watches no more. */
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
    // What changed between the load and the watch.
    await this.#enqueue();
  }

  /** Loads after the load under way; a load that has not begun will see what the files are then. */
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
      const material = await loadMaterial(block, this.#now());
      // Closed, or a reload of the configuration brought another block.
      if (this.#isClosed || block !== this.block) return true;
      this.#recover();
      if (material.digest !== this.#material.digest) this.#swap(material);
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

  /** Keeps what is in use, says why once, and tries again until the files are right. */
  #fail(error: unknown): void {
    this.#failure ??= { since: performance.now(), retryMs: firstRetryMs, reason: undefined };
    const failure = this.#failure;
    const reason = error instanceof NatspkiError ? error.message : String(error);
    if ((this.#isAsked || performance.now() - failure.since >= graceMs) && reason !== failure.reason) {
      failure.reason = reason;
      this.#refused++;
      this.#lastRefusal = { at: this.#remember('refused', [], reason).at, reason };
      this.#options.log.error(`${this.#options.where}: ${reason}; still serving ${describe(this.#material)}`);
      this.emit('refused', reason);
    }
    this.#retry = setTimeout(() => void this.#enqueue(), failure.retryMs).unref();
    failure.retryMs = Math.min(failure.retryMs * 2, lastRetryMs);
  }

  #recover(): void {
    if (this.#failure?.reason !== undefined) {
      this.#options.log.info(`${this.#options.where}: the files can be used again`);
    }
    this.#failure = undefined;
    clearTimeout(this.#retry);
  }
}

/** A time in which the files cannot be used. */
interface Failure {
  readonly since: number;
  retryMs: number;
  /** The last that was said of it; undefined while nothing was. */
  reason: string | undefined;
}

function describe(material: TlsMaterial): string {
  if (material.certificates.length === 0) return 'no certificate';
  return material.certificates
    .map(
      ({ subject, serial, notAfter, certFile }) =>
        `${subject} from "${certFile}" (serial ${serial}, valid until ${notAfter.toISOString().slice(0, 10)})`,
    )
    .join(' and ');
}
