// The operations of the client protocol as values: what the parser hands on, one method an operation.
import type { Violation } from './violations.ts';

/**
 * One PUB or HPUB where it stands in the bytes that were read. Reused from message to message and valid only during
 * the call. Whatever the client wrote, the bytes from `subjectStart` to `end` read
 * `subject [reply ][headerSize ]size\r\npayload\r\n` with single spaces, so that a delivery copies them as they are.
 */
export interface Publication {
  buffer: Buffer;
  subjectStart: number;
  subjectEnd: number;
  /** Equal to `replyEnd` where there is no reply subject. */
  replyStart: number;
  replyEnd: number;
  /** Bytes of the header block at the start of the payload; 0 for a message without headers. */
  headerSize: number;
  payloadStart: number;
  payloadEnd: number;
  /** Behind the closing CRLF. */
  end: number;
}

/** What a parser calls. Buffers are views into what was read: copy what must outlive the call. */
export interface OperationHandler {
  connect(json: Buffer): void;
  publish(publication: Publication): void;
  subscribe(subject: Buffer, queue: Buffer | undefined, sid: Buffer): void;
  /** @param max undefined where none was given; -1 where it was not a number of at most nine digits */
  unsubscribe(sid: Buffer, max: number | undefined): void;
  ping(): void;
  pong(): void;
  info(json: Buffer): void;
  /** The peer sent `-ERR`. */
  peerError(text: Buffer): void;
  /** Something other than CONNECT came while `connectFirst` was set; true lets it pass, and clears `connectFirst`. */
  beforeConnect(): boolean;
  /** The parser met something it cannot go on from and has stopped. @param detail for the log, quoted already */
  violation(violation: Violation, detail: string): void;
}
