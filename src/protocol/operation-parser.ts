// Bytes to operations, for any of the protocols that NATS servers speak: lines and messages are put together, wherever a
// chunk's end has split them, within limits that are enforced while reading. Knows no socket and no account; which
// operations there are, and what their arguments mean, is said by a parser made from this one.
import { quoteBytes } from '../log.ts';
import type { Grammar, Letter } from './keyword.ts';
import { LineArguments, lineLength } from './line-arguments.ts';
import type { ParserLimits, PeerHandler, Publication } from './operations.ts';
import { type LineComparison, RepeatedLine } from './repeated-line.ts';
import { SplitLine } from './split-line.ts';
import { type MessageBuffers, SplitMessage } from './split-message.ts';
import { type Violation, violations } from './violations.ts';

const LF = 0x0a;
export const CR = 0x0d;
const TAB = 0x09;
export const SPACE = 0x20;

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
  /** Between operations, until the handler has the reading go on. */
  | 'held'
  | 'stopped';

const nothing: Buffer = Buffer.alloc(0);

/** Reads one peer's byte stream; feed it chunks split anywhere. */
export abstract class OperationParser<Operation extends string, Message extends Publication> {
  maxControlLine: number;
  maxPayload: number;
  /** The arguments of the line at hand. */
  protected readonly given: LineArguments;
  /** Written over with each message that is handed on. */
  protected readonly message: Message;
  /** The line of the message before. */
  protected readonly before: RepeatedLine;
  readonly #grammar: Grammar<Operation>;
  readonly #peer: PeerHandler;
  #state: State = 'start';
  #letter: Letter<Operation>;
  #operation: Operation | undefined;
  #spaced = false;
  /** The beginning of a split line. */
  readonly #begun = new SplitLine();
  /** What came while nothing was read. */
  #unread: Buffer = nothing;
  /** A split message, from its subject to its last CRLF. */
  readonly #split: SplitMessage;

  /** @param maxArguments of one line; a line with more is malformed */
  constructor(
    grammar: Grammar<Operation>,
    peer: PeerHandler,
    message: Message,
    limits: ParserLimits,
    buffers: MessageBuffers,
    lines: LineComparison,
    maxArguments: number,
  ) {
    this.#grammar = grammar;
    this.#letter = grammar.alphabet;
    this.#peer = peer;
    this.#split = new SplitMessage(buffers);
    this.message = message;
    this.before = new RepeatedLine(lines);
    this.given = new LineArguments(maxArguments);
    this.maxControlLine = limits.maxControlLine;
    this.maxPayload = limits.maxPayload;
  }

  /** Takes an operation before its keyword is read letter by letter; returns the place behind it, or -1 to leave it. */
  protected abstract begin(chunk: Buffer, at: number): number;

  /**
   * Hands on the operation of a whole line and returns where in `chunk` to go on.
   * @param line holds the arguments in `given`; `chunk` goes on at `next`
   */
  protected abstract complete(operation: Operation, line: Buffer, chunk: Buffer, next: number): number;

  /** Hands on `message`. */
  protected abstract deliver(): void;

  /** Whether nothing more will be read: after a violation, or because the handler said so. */
  get stopped(): boolean {
    return this.#state === 'stopped';
  }

  /** Ends the reading; a `parse` under way returns after the operation at hand. */
  stop(): void {
    this.#state = 'stopped';
    this.#unread = nothing;
    this.#begun.drop();
    this.#split.drop();
  }

  /** Reads nothing behind the operation at hand; what comes is kept until `resume`. For a handler to call. */
  hold(): void {
    if (!this.stopped) this.#state = 'held';
  }

  /** Goes on after `hold`. */
  resume(): void {
    if (this.#state !== 'held') return;
    const unread = this.#unread;
    this.#unread = nothing;
    this.#state = 'start';
    this.parse(unread);
  }

  /** Calls the handler for each operation that `chunk` completes; keeps no view of `chunk` afterwards. */
  parse(chunk: Buffer): void {
    this.before.forget();
    this.#read(chunk);
    // A buffer that was given back and is not lent again would stay for as long as the peer says nothing.
    this.message.buffer = nothing;
  }

  #read(chunk: Buffer): void {
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
        case 'held':
          this.#unread = Buffer.concat([this.#unread, chunk.subarray(at)]);
          return;
        case 'stopped':
          return;
      }
    }
  }

  /** Goes on behind a keyword that was recognized in `begin`. */
  protected readLine(operation: Operation, chunk: Buffer, at: number): number {
    this.#operation = operation;
    this.#state = 'line';
    return this.#line(chunk, at);
  }

  /**
   * Reads the message behind a line that ends in its sizes, and hands it on when it is whole.
   * @param subject the place of the subject among the arguments
   * @param reply that of the reply subject; -1 where there is none
   * @param headers whether the size of the headers stands before that of the whole
   */
  protected readMessage(
    line: Buffer,
    chunk: Buffer,
    next: number,
    subject: number,
    reply: number,
    headers: boolean,
  ): number {
    const { given, message } = this;
    const { count } = given;
    const size = given.number(line, count - 1);
    const headerSize = headers ? given.number(line, count - 2) : 0;
    if (size < 0 || headerSize < 0 || headerSize > size) {
      return this.malformed(line, chunk);
    }
    if (size > this.maxPayload) {
      return this.refuse(violations.maxPayload, `${size} vs ${this.maxPayload}`, chunk.length);
    }
    const end = next + size + 2;
    const words = (reply < 0 ? 1 : 2) + (headers ? 2 : 1);
    if (
      line !== chunk ||
      (headers && headerSize === 0) ||
      subject + words !== count ||
      !given.areCanonical(line, subject, next)
    ) {
      return this.#setOut(line, chunk, next, subject, reply, headerSize, size);
    }
    const start = given.start(subject);
    const isWhole = end <= chunk.length;
    if (isWhole && (chunk[end - 2] !== CR || chunk[end - 1] !== LF)) return this.unknown(chunk, end - 2);
    // What is split is moved to the start of a buffer of its own.
    const moved = isWhole ? 0 : start;
    message.buffer = chunk;
    message.subjectStart = start - moved;
    message.subjectEnd = given.end(subject) - moved;
    message.replyStart = reply < 0 ? 0 : given.start(reply) - moved;
    message.replyEnd = reply < 0 ? 0 : given.end(reply) - moved;
    message.headerSize = headerSize;
    message.payloadStart = next - moved;
    message.payloadEnd = end - 2 - moved;
    message.end = end - moved;
    message.isNoted = false;
    if (isWhole) {
      this.before.note(this.#operation as Operation, given.start(0));
      this.deliver();
      return end;
    }
    this.before.forget();
    this.#split.begin(message.end);
    this.#state = 'message';
    return this.#fill(chunk, start);
  }

  /** Bytes of a line without its end. */
  #text(line: Buffer, from: number, newline: number): Buffer {
    return line.subarray(from, from + lineLength(line, from, newline));
  }

  /** Refuses the line at hand. */
  protected malformed(line: Buffer, chunk: Buffer): number {
    const snippet = quoteBytes(this.given.whole(line).subarray(0, 128));
    return this.refuse(violations.malformed, `${this.#operation} ${snippet}`, chunk.length);
  }

  protected unknown(chunk: Buffer, at: number): number {
    const near = chunk.subarray(at, at + 32);
    // Behind a misspelled CONNECT stands JSON with a password in it.
    const quotation = near.indexOf(0x22);
    const snippet = quoteBytes(quotation < 0 ? near : near.subarray(0, quotation));
    return this.refuse(violations.unknownOperation, `near ${snippet}`, chunk.length);
  }

  protected refuse(violation: Violation, detail: string, next: number): number {
    this.stop();
    this.#peer.violation(violation, detail);
    return next;
  }

  /** Sets out a message of its own, because a chunk's end splits it or its line is not in canonical form. */
  #setOut(
    line: Buffer,
    chunk: Buffer,
    next: number,
    subject: number,
    reply: number,
    headerSize: number,
    size: number,
  ): number {
    const { given } = this;
    const words = [given.bytes(line, subject)];
    if (reply >= 0) words.push(given.bytes(line, reply));
    // A message with an empty header block is one without headers (client.go, msgHeader).
    if (headerSize > 0) words.push(given.bytes(line, given.count - 2));
    words.push(given.bytes(line, given.count - 1));
    this.#split.setOut(this.message, words, reply >= 0, headerSize, size);
    this.before.forget();
    this.#state = 'message';
    return this.#fill(chunk, next);
  }

  #start(chunk: Buffer, at: number): number {
    const next = this.begin(chunk, at);
    if (next >= 0) return next;
    this.#letter = this.#grammar.alphabet;
    this.#state = 'keyword';
    return at;
  }

  #keyword(chunk: Buffer, at: number): number {
    for (; at < chunk.length; at++) {
      const letter = this.#letter.next.get(chunk[at] as number);
      if (letter === undefined) return this.unknown(chunk, at);
      this.#letter = letter;
      if (letter.operation !== undefined) {
        this.#operation = letter.operation;
        const shape = this.#grammar.shapes[letter.operation];
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
        return this.unknown(chunk, at);
      }
    }
    return at;
  }

  #ignored(chunk: Buffer, at: number): number {
    const newline = chunk.indexOf(LF, at);
    if (newline < 0) return chunk.length;
    this.#state = 'start';
    if (this.#operation === 'PING') this.#peer.ping();
    else if (this.#operation === 'PONG') this.#peer.pong();
    return newline + 1;
  }

  #line(chunk: Buffer, at: number): number {
    if (this.#begun.length > 0) return this.#goOn(chunk, at);
    const newline = this.given.split(chunk, at, chunk.length);
    if (newline < 0) {
      return this.#begun.add(chunk, at, chunk.length, this.maxControlLine)
        ? chunk.length
        : this.#overlong(chunk);
    }
    if (lineLength(chunk, at, newline) > this.maxControlLine) return this.#overlong(chunk);
    this.#state = 'start';
    return this.#finish(chunk, at, newline, chunk, newline + 1);
  }

  /** Goes on with a line whose beginning came in an earlier chunk. */
  #goOn(chunk: Buffer, at: number): number {
    const newline = chunk.indexOf(LF, at);
    const after = newline < 0 ? chunk.length : newline + 1;
    if (!this.#begun.add(chunk, at, after, this.maxControlLine)) return this.#overlong(chunk);
    if (newline < 0) return after;
    const line = this.#begun.bytes;
    const length = this.#begun.end();
    this.given.split(line, 0, length);
    this.#state = 'start';
    return this.#finish(line, 0, length - 1, chunk, after);
  }

  #finish(line: Buffer, from: number, newline: number, chunk: Buffer, next: number): number {
    switch (this.#operation) {
      case 'CONNECT':
        this.#peer.connect(this.#text(line, from, newline));
        return next;
      case 'INFO':
        this.#peer.info(this.#text(line, from, newline));
        return next;
      case '-ERR':
        this.#peer.peerError(this.#text(line, from, newline));
        return next;
      case undefined:
        return next;
      default:
        return this.complete(this.#operation, line, chunk, next);
    }
  }

  #fill(chunk: Buffer, at: number): number {
    const { message } = this;
    const split = this.#split;
    const next = at + split.add(chunk, at, message.end);
    const missing = message.end - split.length;
    if (missing < 2 && split.bytes[message.end - 2] !== CR) return this.unknown(chunk, at);
    if (missing > 0) return next;
    if (split.bytes[message.end - 1] !== LF) return this.unknown(chunk, at);
    // Whoever stops the parser meanwhile must not give back what is being handed on.
    const whole = split.take();
    message.buffer = whole;
    this.#state = 'start';
    this.deliver();
    split.finish(whole);
    return next;
  }

  #overlong(chunk: Buffer): number {
    const detail = `${this.#operation} line longer than ${this.maxControlLine} bytes`;
    return this.refuse(violations.maxControlLine, detail, chunk.length);
  }
}
