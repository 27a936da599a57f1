// How a connection carries the protocol inside frames, as a WebSocket does. A connection without frames has no framing.
import type { CloseReason } from '../../protocol/violations.ts';
import type { OutputQueue } from './output.ts';

/** The connection, as its framing sees it. */
export interface FramedConnection {
  readonly isOpen: boolean;
  /** Hands bytes of the protocol to the owner, valid only during the call. */
  deliver(bytes: Buffer): void;
  /** Prepares to queue `size` bytes; returns false if the connection accepts no more output. */
  mayQueue(size: number): boolean;
  /** Ends the connection because of bytes that the framing does not allow. */
  refuse(problem: string): void;
  /** Ends the connection after writing its pending bytes. */
  close(reason: CloseReason): void;
}

export interface Framing {
  /** Takes bytes of the protocol and returns frames. */
  readonly queue: OutputQueue;
  /** Maximum size in bytes of a message that must be read as a whole. */
  maxMessageSize: number;
  /** Unpacks a chunk from the socket, in place. */
  read(chunk: Buffer, connection: FramedConnection): void;
  /** Queues what ends the connection, behind all other output. */
  end(reason: CloseReason): void;
}
