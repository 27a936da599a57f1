// Parses bytes into operations, for all protocols of a NATS server: assembles lines and messages across chunks, and
// enforces limits while reading. It handles neither sockets nor accounts. A subclass defines the operations and the
// meaning of their arguments.
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
  /** After a keyword, before the first byte of its arguments. */
  | 'gap'
  /** After a PING: ignores everything up to the end of the line. */
  | 'ignored'
  /** Inside arguments. */
  | 'line'
  /** Inside a message that extends beyond the chunk. */
  | 'message'
  /** Between operations, until the handler resumes the parser. */
  | 'held'
  | 'stopped';

const nothing: Buffer = Buffer.alloc(0);

/** Parses the byte stream of one peer, in chunks of any size. */
export abstract class OperationParser<Operation extends string, Message extends Publication> {
  maxControlLine: number;
  maxPayload: number;
  /** The arguments of the current line. */
  protected readonly given: LineArguments;
  /** Overwritten for each message that is delivered. */
  protected readonly message: Message;
  /** The line of the previous message. */
  protected readonly before: RepeatedLine;
  readonly #grammar: Grammar<Operation>;
  readonly #peer: PeerHandler;
  #state: State = 'start';
  #letter: Letter<Operation>;
  #operation: Operation | undefined;
  #spaced = false;
  /** The beginning of a split line. */
  readonly #begun = new SplitLine();
  /** Bytes that arrived while the parser was held. */
  #unread: Buffer = nothing;
  /** A message across chunks, from its subject to its last CRLF. */
  readonly #split: SplitMessage;

  /** @param maxArguments maximum arguments of a line; a line with more is malformed */
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

  /** May handle an operation before its keyword is read byte by byte; returns the offset after it, or -1 otherwise. */
  protected abstract begin(chunk: Buffer, at: number): number;

  /**
   * Handles the operation of a complete line; returns the offset in `chunk` at which to continue.
   * @param line contains the arguments in `given`; `chunk` continues at `next`
   */
  protected abstract complete(operation: Operation, line: Buffer, chunk: Buffer, next: number): number;

  /** Passes `message` to the handler. */
  protected abstract deliver(): void;

  /** Whether the parser reads no more bytes: after a violation, or a call of `stop`. */
  get stopped(): boolean {
    return this.#state === 'stopped';
  }

  /** Stops the parser; a `parse` in progress returns after the current operation. */
  stop(): void {
    this.#state = 'stopped';
    this.#unread = nothing;
    this.#begun.drop();
    this.#split.drop();
  }

  /** Pauses the parser after the current operation, and keeps further bytes until `resume`. Called by handlers. */
  hold(): void {
    if (!this.stopped) this.#state = 'held';
  }

  /** Continues after `hold`. */
  resume(): void {
    if (this.#state !== 'held') return;
    const unread = this.#unread;
    this.#unread = nothing;
    this.#state = 'start';
    this.parse(unread);
  }

  /** Calls the handler for each operation that `chunk` completes; keeps no reference to `chunk` afterwards. */
  parse(chunk: Buffer): void {
    this.before.forget();
    this.#read(chunk);
    // Otherwise the reference would keep a returned buffer in memory for as long as the peer is idle.
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

  /** Continues after a keyword that `begin` has recognized. */
  protected readLine(operation: Operation, chunk: Buffer, at: number): number {
    this.#operation = operation;
    this.#state = 'line';
    return this.#line(chunk, at);
  }

  /**
   * Reads the message after a line that ends with its sizes, and delivers it when it is complete.
   * @param subject index of the subject among the arguments
   * @param reply index of the reply subject; -1 if there is none
   * @param headers whether the header size precedes the total size
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
      if (headerSize > 0)
        this.tooLarge(given.bytes(line, subject), size, chunk.subarray(next, next + headerSize));
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
    // An incomplete message is moved to the start of a separate buffer.
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

  /** Called before a message with headers is rejected for its size. @param headers as far as they have arrived */
  protected tooLarge(_subject: Buffer, _size: number, _headers: Buffer): void {}

  /** Returns the bytes of a line without its line ending. */
  #text(line: Buffer, from: number, newline: number): Buffer {
    return line.subarray(from, from + lineLength(line, from, newline));
  }

  /** Rejects the current line. */
  protected malformed(line: Buffer, chunk: Buffer): number {
    const snippet = quoteBytes(this.given.whole(line).subarray(0, 128));
    return this.refuse(violations.malformed, `${this.#operation} ${snippet}`, chunk.length);
  }

  protected unknown(chunk: Buffer, at: number): number {
    const near = chunk.subarray(at, at + 32);
    // After a misspelled CONNECT follows JSON, which may contain a password.
    const quotation = near.indexOf(0x22);
    const snippet = quoteBytes(quotation < 0 ? near : near.subarray(0, quotation));
    return this.refuse(violations.unknownOperation, `near ${snippet}`, chunk.length);
  }

  protected refuse(violation: Violation, detail: string, next: number): number {
    this.stop();
    this.#peer.violation(violation, detail);
    return next;
  }

  /** Assembles the message in a separate buffer, because it is split across chunks or its line is not canonical. */
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
    // A message with an empty header block is treated as one without headers (client.go, msgHeader).
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

  /** Continues a line that started in an earlier chunk. */
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
    // Taken out first: stopping the parser during delivery must not return the buffer that is being delivered.
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
