// The framing of a WebSocket connection: its reader and its queue.
import type { CloseReason } from '../../protocol/violations.ts';
import type { FramedConnection, Framing } from '../transport/framing.ts';
import type { BufferPool } from '../transport/output.ts';
import { closeFrame, closeStatusOf } from './frame.ts';
import type { HeaderSettings } from './frame-header.ts';
import { FrameQueue, type FrameSettings } from './frame-queue.ts';
import { FrameReader } from './frame-reader.ts';
import { Unmasker } from './mask.ts';

export class WebsocketFraming implements Framing {
  readonly queue: FrameQueue;
  readonly #reader: FrameReader;

  constructor(settings: HeaderSettings & FrameSettings, pool: BufferPool, unmasker: Unmasker) {
    this.queue = new FrameQueue(pool, settings);
    this.#reader = new FrameReader(settings, this.queue, unmasker);
  }

  get maxMessageSize(): number {
    return this.#reader.maxMessageSize;
  }

  set maxMessageSize(bytes: number) {
    this.#reader.maxMessageSize = bytes;
  }

  read(chunk: Buffer, connection: FramedConnection): void {
    this.#reader.read(chunk, connection);
  }

  end(reason: CloseReason): void {
    this.queue.addLast(closeFrame(closeStatusOf(reason), reason));
  }
}

/** Returns the function that creates the framing of a connection after its upgrade; the framings share their memory. */
export function framings(): (settings: HeaderSettings & FrameSettings, pool: BufferPool) => WebsocketFraming {
  const unmasker = new Unmasker();
  return (settings, pool) => new WebsocketFraming(settings, pool, unmasker);
}
