// Parses the bytes of the client protocol into operations.
import { type ClientOperation, clientGrammar } from './keyword.ts';
import { CR, OperationParser, SPACE } from './operation-parser.ts';
import { noPublication, type OperationHandler, type ParserLimits, type Publication } from './operations.ts';
import { LineComparison } from './repeated-line.ts';
import type { MessageBuffers } from './split-message.ts';
import { violations } from './violations.ts';

const LF = 0x0a;

/** The maximum of all client operations. */
const maxArguments = 4;

/** Parses the byte stream of one client. */
export class Parser extends OperationParser<ClientOperation, Publication> {
  /** While set, any operation but CONNECT is an authorization violation, even before its arguments are read. */
  connectFirst = false;
  /** Whether HPUB is allowed. */
  headers = false;
  readonly #handler: OperationHandler;

  /** @param lines the comparison that all parsers of the broker share */
  constructor(
    handler: OperationHandler,
    limits: ParserLimits,
    buffers: MessageBuffers,
    lines = new LineComparison(),
  ) {
    super(clientGrammar, handler, noPublication(), limits, buffers, lines, maxArguments);
    this.#handler = handler;
  }

  protected deliver(): void {
    this.#handler.publish(this.message);
  }

  protected override tooLarge(subject: Buffer, size: number, headers: Buffer): void {
    this.#handler.tooLarge(subject, size, headers);
  }

  protected begin(chunk: Buffer, at: number): number {
    const first = chunk[at];
    if (this.connectFirst && first !== 0x43 && first !== 0x63) {
      if (!this.#handler.beforeConnect()) {
        return this.refuse(violations.authorization, 'CONNECT expected', chunk.length);
      }
      this.connectFirst = false;
      if (this.stopped) return chunk.length;
    }
    if (
      first !== 0x50 ||
      at + 4 >= chunk.length ||
      chunk[at + 1] !== 0x55 ||
      chunk[at + 2] !== 0x42 ||
      chunk[at + 3] !== SPACE ||
      (chunk[at + 4] as number) <= SPACE
    ) {
      return -1;
    }
    if (this.before.moveOn(this.message, 'PUB', chunk, at + 4, this)) {
      const { end } = this.message;
      this.#handler.publish(this.message);
      return end;
    }
    const next = this.#plainPublication(chunk, at + 4);
    return next > 0 ? next : this.readLine('PUB', chunk, at + 4);
  }

  /**
   * Handles a `PUB subject size` in one pass if it is complete, canonical and within the limits; returns the offset after
   * it. For anything else returns -1 without side effects.
   */
  #plainPublication(chunk: Buffer, from: number): number {
    const { length } = chunk;
    let at = from;
    while (at < length && (chunk[at] as number) > SPACE) at++;
    const subjectEnd = at;
    if (chunk[at++] !== SPACE) return -1;
    const digits = at;
    let size = 0;
    for (; at < length; at++) {
      const digit = (chunk[at] as number) - 0x30;
      if (digit < 0 || digit > 9) break;
      size = size * 10 + digit;
    }
    if (at === digits || at - digits > 9 || at - from > this.maxControlLine || size > this.maxPayload)
      return -1;
    const end = at + 2 + size + 2;
    if (end > length || chunk[at] !== CR || chunk[at + 1] !== LF) return -1;
    if (chunk[end - 2] !== CR || chunk[end - 1] !== LF) return -1;
    const { message } = this;
    message.buffer = chunk;
    message.subjectStart = from;
    message.subjectEnd = subjectEnd;
    message.replyStart = message.replyEnd = message.headerSize = 0;
    message.payloadStart = at + 2;
    message.payloadEnd = end - 2;
    message.end = end;
    message.isNoted = false;
    this.before.note('PUB', from);
    this.#handler.publish(message);
    return end;
  }

  protected complete(operation: ClientOperation, line: Buffer, chunk: Buffer, next: number): number {
    const { given } = this;
    // A carriage return separates arguments here, but not in PUB and HPUB (client.go, splitArg and processPub).
    if (given.hasReturn && (operation === 'SUB' || operation === 'UNSUB')) given.splitAtReturns(line);
    switch (operation) {
      case 'PUB':
        return this.#publish(line, chunk, next, false);
      case 'HPUB':
        if (!this.headers) return this.refuse(violations.headersNotSupported, 'HPUB without headers', next);
        return this.#publish(line, chunk, next, true);
      case 'SUB':
        if (given.count !== 2 && given.count !== 3) return this.malformed(line, chunk);
        this.#handler.subscribe(
          given.bytes(line, 0),
          given.count === 3 ? given.bytes(line, 1) : undefined,
          given.bytes(line, given.count - 1),
        );
        return next;
      default: {
        if (given.count !== 1 && given.count !== 2) return this.malformed(line, chunk);
        const max = given.count === 2 ? given.number(line, 1) : undefined;
        this.#handler.unsubscribe(given.bytes(line, 0), max);
        return next;
      }
    }
  }

  #publish(line: Buffer, chunk: Buffer, next: number, headers: boolean): number {
    const { given } = this;
    const { count } = given;
    const numbers = headers ? 2 : 1;
    if (count !== numbers + 1 && count !== numbers + 2) {
      return this.malformed(line, chunk);
    }
    const hasReply = count === numbers + 2;
    return this.readMessage(line, chunk, next, 0, hasReply ? 1 : -1, headers);
  }
}
