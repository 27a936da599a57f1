// What all connections of a broker share: buffers, settings, and the flusher that writes their output.
import type { MessageWriter } from '../../protocol/message-writer.ts';
import type { LineComparison } from '../../protocol/repeated-line.ts';
import type { BufferPool } from './output.ts';
import type { ReadBuffer } from './read-buffer.ts';

/** Resources and settings that all connections of a broker share. */
export interface Transport {
  readonly pool: BufferPool;
  readonly flusher: Flusher;
  readonly writer: MessageWriter;
  /** The buffer that every socket is read into. */
  readonly readBuffer: ReadBuffer;
  /** Compares protocol lines within `readBuffer`. */
  readonly lines: LineComparison;
  /** Maximum bytes of pending output per connection. */
  readonly maxPending: number;
  /** Returns milliseconds since 1970. */
  readonly clock: () => number;
  /** Maximum duration of one write, in milliseconds. */
  readonly writeDeadlineMs: number;
}

interface Flushable {
  flush(): void;
}

/** Collects the connections with new output and flushes them after the current round of reads. */
export class Flusher {
  #waiting: Flushable[] = [];

  add(connection: Flushable): void {
    if (this.#waiting.push(connection) === 1) setImmediate(this.#run);
  }

  readonly #run = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const connection of waiting) connection.flush();
  };
}
