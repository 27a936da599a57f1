// Bytes of the client protocol to operations. Knows no socket and no account; keeps no more than the one line or
// message that a chunk's end has split, and enforces the limits while it reads.
import { quoteBytes } from '../log.ts';
import { alphabet, type Letter, type Operation, shapes } from './keyword.ts';
import { LineArguments } from './line-arguments.ts';
import type { OperationHandler, Publication } from './operations.ts';
import { type Violation, violations } from './violations.ts';

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;

type State =
  /** Between operations. */
  | 'start'
  /** Inside a keyword. */
  | 'keyword'
  /** Behind a keyword, before the first byte of its arguments. */
  | 'gap'
  /** Behind a PING: anything goes until the end of the line. */
  | 'ignored'
  /** Inside arguments. */
  | 'line'
  /** Inside a message that a chunk's end has split. */
  | 'message'
  | 'stopped';

export interface ParserLimits {
  /** Bytes between the keyword and the end of the line. */
  maxControlLine: number;
  /** Bytes, headers included. */
  maxPayload: number;
}

/** Reads one client's byte stream; feed it chunks split anywhere. */
export class Parser {
  maxControlLine: number;
  maxPayload: number;
  /** While set, anything but CONNECT is an authorization violation, before its arguments are read. */
  connectFirst = false;
  /** Whether HPUB is allowed. */
  headers = false;

  readonly #handler: OperationHandler;
  #state: State = 'start';
  #letter: Letter = alphabet;
  #operation: Operation = 'PING';
  #spaced = false;
  /** The beginning of a split line. */
  #held: Buffer = Buffer.alloc(0);
  #heldLength = 0;
  /** A split message, from its subject to its last CRLF, and how much of it has come. */
  #message: Buffer = Buffer.alloc(0);
  #messageLength = 0;
  /** Of the line at hand. */
  readonly #arguments = new LineArguments();
  readonly #publication: Publication = {
    buffer: this.#message,
    subjectStart: 0,
    subjectEnd: 0,
    replyStart: 0,
    replyEnd: 0,
    headerSize: 0,
    payloadStart: 0,
    payloadEnd: 0,
    end: 0,
  };

  constructor(handler: OperationHandler, limits: ParserLimits) {
    this.#handler = handler;
    this.maxControlLine = limits.maxControlLine;
    this.maxPayload = limits.maxPayload;
  }

  /** Whether nothing more will be read: after a violation, or because the handler said so. */
  get stopped(): boolean {
    return this.#state === 'stopped';
  }

  /** Ends the reading; a `parse` under way returns after the operation at hand. */
  stop(): void {
    this.#state = 'stopped';
    this.#held = this.#message = Buffer.alloc(0);
  }

  /** Calls the handler for each operation that `chunk` completes; keeps nothing of `chunk` afterwards. */
  parse(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case 'start':
          at = this.#start(chunk, at);
          break;
        case 'keyword':
          at = this.#keyword(chunk, at);
          break;
        case 'gap':
          at = this.#gap(chunk, at);
          break;
        case 'ignored':
          at = this.#ignored(chunk, at);
          break;
        case 'line':
          at = this.#line(chunk, at);
          break;
        case 'message':
          at = this.#fill(chunk, at);
          break;
        case 'stopped':
          return;
      }
    }
  }

  #start(chunk: Buffer, at: number): number {
    const first = chunk[at];
    if (this.connectFirst && first !== 0x43 && first !== 0x63) {
      if (!this.#handler.beforeConnect()) {
        return this.#refuse(violations.authorization, 'CONNECT expected', chunk.length);
      }
      this.connectFirst = false;
      if (this.stopped) return chunk.length;
    }
    if (
      first === 0x50 &&
      at + 4 < chunk.length &&
      chunk[at + 1] === 0x55 &&
      chunk[at + 2] === 0x42 &&
      chunk[at + 3] === SPACE &&
      (chunk[at + 4] as number) > SPACE
    ) {
      const next = this.#plainPublication(chunk, at + 4);
      if (next > 0) return next;
      this.#operation = 'PUB';
      this.#state = 'line';
      return this.#line(chunk, at + 4);
    }
    this.#letter = alphabet;
    this.#state = 'keyword';
    return at;
  }

  /**
   * Hands on a `PUB subject size` that is whole, canonical and within the limits, in one pass; for anything else it
   * returns -1 and has done nothing.
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
    const publication = this.#publication;
    publication.buffer = chunk;
    publication.subjectStart = from;
    publication.subjectEnd = subjectEnd;
    publication.replyStart = publication.replyEnd = publication.headerSize = 0;
    publication.payloadStart = at + 2;
    publication.payloadEnd = end - 2;
    publication.end = end;
    this.#handler.publish(publication);
    return end;
  }

  #keyword(chunk: Buffer, at: number): number {
    for (; at < chunk.length; at++) {
      const letter = this.#letter.next.get(chunk[at] as number);
      if (letter === undefined) return this.#unknown(chunk, at);
      this.#letter = letter;
      if (letter.operation !== undefined) {
        this.#operation = letter.operation;
        const shape = shapes[letter.operation];
        this.#spaced = shape === 'json';
        this.#state = shape === 'ignored' ? 'ignored' : 'gap';
        return at + 1;
      }
    }
    return at;
  }

  #gap(chunk: Buffer, at: number): number {
    for (; at < chunk.length; at++) {
      const byte = chunk[at];
      if (byte === SPACE || byte === TAB) {
        this.#spaced = true;
      } else if (this.#spaced) {
        this.#state = 'line';
        return at;
      } else {
        return this.#unknown(chunk, at);
      }
    }
    return at;
  }

  #ignored(chunk: Buffer, at: number): number {
    const newline = chunk.indexOf(LF, at);
    if (newline < 0) return chunk.length;
    this.#state = 'start';
    if (this.#operation === 'PING') this.#handler.ping();
    else if (this.#operation === 'PONG') this.#handler.pong();
    return newline + 1;
  }

  #line(chunk: Buffer, at: number): number {
    if (this.#heldLength > 0) return this.#heldLine(chunk, at);
    const newline = this.#arguments.split(chunk, at, chunk.length);
    if (newline < 0) return this.#hold(chunk, at, chunk.length);
    if (lineLength(chunk, at, newline) > this.maxControlLine) return this.#overlong(chunk);
    this.#state = 'start';
    return this.#complete(chunk, at, newline, chunk, newline + 1);
  }

  /** Goes on with a line whose beginning came in an earlier chunk. */
  #heldLine(chunk: Buffer, at: number): number {
    const newline = chunk.indexOf(LF, at);
    const after = newline < 0 ? chunk.length : newline + 1;
    this.#hold(chunk, at, after);
    if (newline < 0 || this.stopped) return after;
    const held = this.#held;
    const length = this.#heldLength;
    this.#heldLength = 0;
    this.#arguments.split(held, 0, length);
    this.#state = 'start';
    return this.#complete(held, 0, length - 1, chunk, after);
  }

  #hold(chunk: Buffer, at: number, end: number): number {
    const length = this.#heldLength + end - at;
    // The CRLF does not count; whether there is one is looked at below.
    if (length > this.maxControlLine + 2) return this.#overlong(chunk);
    if (length > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(256, 2 * length));
      this.#held.copy(larger, 0, 0, this.#heldLength);
      this.#held = larger;
    }
    chunk.copy(this.#held, this.#heldLength, at, end);
    this.#heldLength = length;
    if (lineLength(this.#held, 0, chunk[end - 1] === LF ? length - 1 : length) > this.maxControlLine) {
      return this.#overlong(chunk);
    }
    return end;
  }

  /**
   * Hands on the operation of a whole line.
   * @param line holds the arguments from `from` to `newline`; `chunk` goes on at `next`
   */
  #complete(line: Buffer, from: number, newline: number, chunk: Buffer, next: number): number {
    const given = this.#arguments;
    switch (this.#operation) {
      case 'PUB':
        return this.#publish(line, chunk, next, false);
      case 'HPUB':
        if (!this.headers) return this.#refuse(violations.headersNotSupported, 'HPUB without headers', next);
        return this.#publish(line, chunk, next, true);
      case 'SUB':
        if (given.count !== 2 && given.count !== 3) return this.#malformed(line, from, newline, chunk);
        this.#handler.subscribe(
          given.bytes(line, 0),
          given.count === 3 ? given.bytes(line, 1) : undefined,
          given.bytes(line, given.count - 1),
        );
        return next;
      case 'UNSUB': {
        if (given.count !== 1 && given.count !== 2) return this.#malformed(line, from, newline, chunk);
        const max = given.count === 2 ? given.number(line, 1) : undefined;
        this.#handler.unsubscribe(given.bytes(line, 0), max);
        return next;
      }
      case 'CONNECT':
        this.#handler.connect(line.subarray(from, from + lineLength(line, from, newline)));
        return next;
      case 'INFO':
        this.#handler.info(line.subarray(from, from + lineLength(line, from, newline)));
        return next;
      default:
        this.#handler.peerError(line.subarray(from, from + lineLength(line, from, newline)));
        return next;
    }
  }

  #publish(line: Buffer, chunk: Buffer, next: number, headers: boolean): number {
    const given = this.#arguments;
    const { count } = given;
    const numbers = headers ? 2 : 1;
    const from = given.start(0);
    if (count !== numbers + 1 && count !== numbers + 2) return this.#malformed(line, from, next - 1, chunk);
    const size = given.number(line, count - 1);
    const headerSize = headers ? given.number(line, count - 2) : 0;
    if (size < 0 || headerSize < 0 || headerSize > size) return this.#malformed(line, from, next - 1, chunk);
    if (size > this.maxPayload) {
      return this.#refuse(violations.maxPayload, `${size} vs ${this.maxPayload}`, chunk.length);
    }
    const replies = count === numbers + 2;
    const end = next + size + 2;
    if (
      line !== chunk ||
      end > chunk.length ||
      (headers && headerSize === 0) ||
      !given.areCanonical(line, next)
    ) {
      return this.#begin(line, replies, headerSize, size, chunk, next);
    }
    if (chunk[end - 2] !== CR || chunk[end - 1] !== LF) return this.#unknown(chunk, end - 2);
    const publication = this.#publication;
    publication.buffer = chunk;
    publication.subjectStart = from;
    publication.subjectEnd = given.end(0);
    publication.replyStart = replies ? given.start(1) : 0;
    publication.replyEnd = replies ? given.end(1) : 0;
    publication.headerSize = headerSize;
    publication.payloadStart = next;
    publication.payloadEnd = end - 2;
    publication.end = end;
    this.#handler.publish(publication);
    return end;
  }

  /** Sets out a message of its own, because a chunk's end splits it or its line is not in canonical form. */
  #begin(
    line: Buffer,
    replies: boolean,
    headerSize: number,
    size: number,
    chunk: Buffer,
    next: number,
  ): number {
    const words = [this.#arguments.bytes(line, 0)];
    if (replies) words.push(this.#arguments.bytes(line, 1));
    // A message with an empty header block is one without headers (client.go, msgHeader).
    if (headerSize > 0) words.push(this.#arguments.bytes(line, this.#arguments.count - 2));
    words.push(this.#arguments.bytes(line, this.#arguments.count - 1));
    const lineSize = words.reduce((sum, word) => sum + word.length + 1, 1);
    const message = Buffer.allocUnsafe(lineSize + size + 2);
    let at = 0;
    for (const word of words) {
      at += word.copy(message, at);
      message[at++] = SPACE;
    }
    message[at - 1] = CR;
    message[at++] = LF;
    const publication = this.#publication;
    const subjectEnd = (words[0] as Buffer).length;
    publication.subjectStart = 0;
    publication.subjectEnd = subjectEnd;
    publication.replyStart = replies ? subjectEnd + 1 : 0;
    publication.replyEnd = replies ? subjectEnd + 1 + (words[1] as Buffer).length : 0;
    publication.headerSize = headerSize;
    publication.payloadStart = at;
    publication.payloadEnd = at + size;
    publication.end = at + size + 2;
    this.#message = message;
    this.#messageLength = at;
    this.#state = 'message';
    return this.#fill(chunk, next);
  }

  #fill(chunk: Buffer, at: number): number {
    const publication = this.#publication;
    const message = this.#message;
    const copied = Math.min(chunk.length - at, publication.end - this.#messageLength);
    chunk.copy(message, this.#messageLength, at, at + copied);
    this.#messageLength += copied;
    const missing = publication.end - this.#messageLength;
    if (missing < 2 && message[publication.end - 2] !== CR) return this.#unknown(chunk, at);
    if (missing > 0) return at + copied;
    if (message[publication.end - 1] !== LF) return this.#unknown(chunk, at);
    publication.buffer = message;
    this.#message = Buffer.alloc(0);
    this.#state = 'start';
    this.#handler.publish(publication);
    return at + copied;
  }

  #malformed(line: Buffer, from: number, newline: number, chunk: Buffer): number {
    const snippet = line.subarray(from, Math.min(newline, from + 128));
    return this.#refuse(violations.malformed, `${this.#operation} ${quoteBytes(snippet)}`, chunk.length);
  }

  #overlong(chunk: Buffer): number {
    const detail = `${this.#operation} line longer than ${this.maxControlLine} bytes`;
    return this.#refuse(violations.maxControlLine, detail, chunk.length);
  }

  #unknown(chunk: Buffer, at: number): number {
    const snippet = quoteBytes(chunk.subarray(at, at + 32));
    return this.#refuse(violations.unknownOperation, `near ${snippet}`, chunk.length);
  }

  #refuse(violation: Violation, detail: string, next: number): number {
    this.stop();
    this.#handler.violation(violation, detail);
    return next;
  }
}

/** Bytes from `from` to the end of the line, its CR left out. */
function lineLength(buffer: Buffer, from: number, newline: number): number {
  return newline - from - (newline > from && buffer[newline - 1] === CR ? 1 : 0);
}
