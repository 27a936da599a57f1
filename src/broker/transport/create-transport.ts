// Creates the transport that all connections of a broker share.
import { MessageWriter } from '../../protocol/message-writer.ts';
import { LineComparison } from '../../protocol/repeated-line.ts';

import { BufferPool } from './output.ts';
import { ReadBuffer } from './read-buffer.ts';
import { Flusher, type Transport } from './transport.ts';

/** Maximum bytes per read from a socket. */
const readSize = 128 * 1024;

/** A reload replaces its settings. */
export type MutableTransport = { -readonly [K in keyof Transport]: Transport[K] };

export function createTransport(
  { maxPending, writeDeadlineMs }: Pick<Transport, 'maxPending' | 'writeDeadlineMs'>,
  clock: Transport['clock'],
): MutableTransport {
  return {
    pool: new BufferPool(),
    flusher: new Flusher(),
    writer: new MessageWriter(),
    readBuffer: new ReadBuffer(readSize),
    lines: new LineComparison(),
    clock,
    maxPending,
    writeDeadlineMs,
  };
}
