// The TLS material in use for one tls block: loads it, watches its files, swaps it; the last good one survives.

import { EventEmitter } from 'node:events';
import type { TlsBlock } from './block.ts';
import type { TlsMaterial } from './material.ts';

/** What a source has to say to the people who run it; a broker's logger fits. */
export interface TlsLog {
  notice(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

export interface TlsSourceOptions {
  /** How log lines name the block: `tls`, `cluster.tls`. */
  readonly where: string;
  readonly log: TlsLog;
  readonly now?: () => Date;
  /** False keeps the files unwatched, for a one-shot use. Default true. */
  readonly watch?: boolean;
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
  /** False while the files on disk cannot be used and older material serves. */
  readonly current: boolean;
}

interface TlsSourceEvents {
  /** New material is in use; new handshakes get it at once. */
  swap: [material: TlsMaterial];
  /** The files changed and could not be used; what was in use still is. */
  refused: [reason: string];
}

export class TlsContextSource extends EventEmitter<TlsSourceEvents> {
  /** Loads and watches; throws a NatspkiError when the material cannot be used. */
  static async open(_block: TlsBlock, _options: TlsSourceOptions): Promise<TlsContextSource> {
    throw new Error('not yet');
  }

  get block(): TlsBlock {
    throw new Error('not yet');
  }

  get material(): TlsMaterial {
    throw new Error('not yet');
  }

  get status(): TlsSourceStatus {
    throw new Error('not yet');
  }

  /**
   * Loads the material of another block (a configuration reload) without using it yet; throws like open.
   * Prepare all blocks, then adopt all, and a reload is all or nothing.
   */
  async prepare(_block: TlsBlock): Promise<TlsMaterial> {
    throw new Error('not yet');
  }

  /** Puts prepared material in use and watches its files. */
  adopt(_material: TlsMaterial): void {
    throw new Error('not yet');
  }

  /** Looks at the files now, changed or not; resolves to false when they cannot be used (already logged and counted). */
  async reload(): Promise<boolean> {
    throw new Error('not yet');
  }

  async close(): Promise<void> {
    throw new Error('not yet');
  }
}
