// The operations of the protocols as the parsers deliver them: one handler method per operation.
import type { Violation } from './violations.ts';

/**
 * One PUB or HPUB, as offsets into the bytes that were read. The object is reused for every message and valid only during
 * the call. Whatever the client sent, the bytes from `subjectStart` to `end` have the form
 * `subject [reply ][headerSize ]size\r\npayload\r\n` with single spaces, so that a delivery can copy them unchanged.
 */
export interface Publication {
  buffer: Buffer;
  subjectStart: number;
  subjectEnd: number;
  /** Equal to `replyEnd` if there is no reply subject. */
  replyStart: number;
  replyEnd: number;
  /** Bytes of the header block at the start of the payload; 0 for a message without headers. */
  headerSize: number;
  payloadStart: number;
  payloadEnd: number;
  /** Offset after the closing CRLF. */
  end: number;
  /** Set by a handler that has cached its result for the subject; the parser clears it when the subject changes. */
  isNoted: boolean;
}

/** Returns an empty publication, which a parser then overwrites. */
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
  /** Bytes of a payload, including headers. */
  maxPayload: number;
}

/** The handler for every protocol. Buffers are views into the bytes that were read: copy what must outlive the call. */
export interface PeerHandler {
  connect(json: Buffer): void;
  ping(): void;
  pong(): void;
  info(json: Buffer): void;
  /** The peer sent `-ERR`. */
  peerError(text: Buffer): void;
  /** The parser has stopped because of a violation. @param detail for the log, already quoted */
  violation(violation: Violation, detail: string): void;
}

/** The handler for the client protocol. */
export interface OperationHandler extends PeerHandler {
  publish(publication: Publication): void;
  subscribe(subject: Buffer, queue: Buffer | undefined, sid: Buffer): void;
  /**
   * A message that is rejected for its size, before `violation`.
   * @param size bytes of headers and payload
   * @param headers as far as they have arrived
   */
  tooLarge(subject: Buffer, size: number, headers: Buffer): void;
  /** @param max undefined if not given; -1 if it is not a number of at most nine digits */
  unsubscribe(sid: Buffer, max: number | undefined): void;
  /** Called for an operation other than CONNECT while `connectFirst` is set; true accepts it and clears `connectFirst`. */
  beforeConnect(): boolean;
}

/** One RMSG, HMSG or LMSG of a route: the publication and its recipients. */
export interface RoutedPublication extends Publication {
  account: string;
  /** The queue groups for which the sender has selected this server, in Latin-1. */
  queues: readonly string[];
}

/** The handler for the route protocol. */
export interface RouteOperationHandler extends PeerHandler {
  publish(publication: RoutedPublication): void;
  /**
   * RS+ and LS+: the peer has a subscriber.
   * @param weight number of members of the queue group; 1 without a queue group
   * @param leaf the cluster of leaf nodes of the peer that subscribes; undefined for clients of the peer itself
   */
  interest(
    account: Buffer,
    subject: Buffer,
    queue: Buffer | undefined,
    weight: number,
    leaf: Buffer | undefined,
  ): void;
  /** RS- and LS-: the peer no longer has such a subscriber. */
  noInterest(account: Buffer, subject: Buffer, queue: Buffer | undefined, leaf: Buffer | undefined): void;
}
