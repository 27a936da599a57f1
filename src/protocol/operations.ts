// The operations of the protocols as values: what the parsers hand on, one method an operation.
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
  /** Set by whoever takes it and keeps what it found out about the subject; the parser clears it with each other subject. */
  isNoted: boolean;
}

/** A publication that says nothing yet, for a parser to write over. */
export function noPublication(): Publication {
  return {
    buffer: Buffer.alloc(0),
    subjectStart: 0,
    subjectEnd: 0,
    replyStart: 0,
    replyEnd: 0,
    headerSize: 0,
    payloadStart: 0,
    payloadEnd: 0,
    end: 0,
    isNoted: false,
  };
}

export interface ParserLimits {
  /** Bytes between the keyword and the end of the line. */
  maxControlLine: number;
  /** Bytes, headers included. */
  maxPayload: number;
}

/** What the parser of every protocol calls. Buffers are views into what was read: copy what must outlive the call. */
export interface PeerHandler {
  connect(json: Buffer): void;
  ping(): void;
  pong(): void;
  info(json: Buffer): void;
  /** The peer sent `-ERR`. */
  peerError(text: Buffer): void;
  /** The parser met something it cannot go on from and has stopped. @param detail for the log, quoted already */
  violation(violation: Violation, detail: string): void;
}

/** What the parser of the client protocol calls. */
export interface OperationHandler extends PeerHandler {
  publish(publication: Publication): void;
  subscribe(subject: Buffer, queue: Buffer | undefined, sid: Buffer): void;
  /** @param max undefined where none was given; -1 where it was not a number of at most nine digits */
  unsubscribe(sid: Buffer, max: number | undefined): void;
  /** Something other than CONNECT came while `connectFirst` was set; true lets it pass, and clears `connectFirst`. */
  beforeConnect(): boolean;
}

/** One RMSG, HMSG or LMSG of a route: the publication, and whom it is for. */
export interface RoutedPublication extends Publication {
  account: string;
  /** The queue groups that the sender has chosen this server for, in Latin-1. */
  queues: readonly string[];
}

/** What the parser of the route protocol calls. */
export interface RouteOperationHandler extends PeerHandler {
  publish(publication: RoutedPublication): void;
  /**
   * RS+ and LS+: the peer's clients listen.
   * @param weight the members of the queue group; 1 without a queue group
   * @param leaf the cluster of leaf nodes that listens behind the peer; undefined for the peer's own clients
   */
  interest(
    account: Buffer,
    subject: Buffer,
    queue: Buffer | undefined,
    weight: number,
    leaf: Buffer | undefined,
  ): void;
  /** RS- and LS-: they do not any more. */
  noInterest(account: Buffer, subject: Buffer, queue: Buffer | undefined, leaf: Buffer | undefined): void;
}
