// Parses the bytes of the route protocol into operations (nats-server, server/route.go and parser.go).
import { type RouteOperation, routeGrammar } from './keyword.ts';
import { OperationParser, SPACE } from './operation-parser.ts';
import {
  noPublication,
  type ParserLimits,
  type RoutedPublication,
  type RouteOperationHandler,
} from './operations.ts';
import { LineComparison } from './repeated-line.ts';
import type { MessageBuffers } from './split-message.ts';
import { violations } from './violations.ts';

/** A message has one argument per queue group. */
const maxArguments = 4096;

const PLUS = 0x2b;
const BAR = 0x7c;

/** Parses the byte stream of one route. */
export class RouteParser extends OperationParser<RouteOperation, RoutedPublication> {
  /** Index of the subject among the arguments, after the account; 0 on a route that is dedicated to an account. */
  #subject: 0 | 1 = 1;
  /** While set, any operation but CONNECT is an authorization violation, even before its arguments are read. */
  connectFirst = false;
  readonly #handler: RouteOperationHandler;
  /** The account of the previous message, which is usually also that of the next one. */
  #accountBytes: Buffer = Buffer.alloc(0);

  /** @param lines the comparison that all parsers of the broker share */
  constructor(
    handler: RouteOperationHandler,
    limits: ParserLimits,
    buffers: MessageBuffers,
    lines = new LineComparison(),
  ) {
    const message = { ...noPublication(), account: '', queues: none };
    super(routeGrammar, handler, message, limits, buffers, lines, maxArguments);
    this.#handler = handler;
  }

  /** From now on the operations concern this account, and do not name it (nats-server, route.go, accName). */
  dedicateTo(account: string): void {
    this.#subject = 0;
    this.#accountBytes = Buffer.from(account);
    this.message.account = account;
  }

  protected begin(chunk: Buffer, at: number): number {
    const first = chunk[at];
    if (this.connectFirst && first !== 0x43 && first !== 0x63) {
      return this.refuse(violations.authorization, 'CONNECT expected', chunk.length);
    }
    // The most frequent operations in their most frequent form; the others are read byte by byte.
    if (
      (first === 0x52 || first === 0x48) &&
      at + 5 < chunk.length &&
      chunk[at + 1] === 0x4d &&
      chunk[at + 2] === 0x53 &&
      chunk[at + 3] === 0x47 &&
      chunk[at + 4] === SPACE &&
      (chunk[at + 5] as number) > SPACE
    ) {
      const operation = first === 0x52 ? 'RMSG' : 'HMSG';
      if (!this.before.moveOn(this.message, operation, chunk, at + 5, this)) {
        return this.readLine(operation, chunk, at + 5);
      }
      const { end } = this.message;
      this.#handler.publish(this.message);
      return end;
    }
    return -1;
  }

  protected deliver(): void {
    this.#handler.publish(this.message);
  }

  protected complete(operation: RouteOperation, line: Buffer, chunk: Buffer, next: number): number {
    switch (operation) {
      case 'RMSG':
        return this.#publish(line, chunk, next, 0, false);
      case 'HMSG':
        return this.#publish(line, chunk, next, 0, true);
      case 'LMSG':
        return this.#publish(line, chunk, next, 1, true);
      case 'RS+':
        return this.#interest(line, chunk, next, 0);
      case 'LS+':
        return this.#interest(line, chunk, next, 1);
      case 'RS-':
        return this.#noInterest(line, chunk, next, 0);
      case 'LS-':
        return this.#noInterest(line, chunk, next, 1);
      default:
        // A+ and A-, the interest in a whole account, matter only to gateways.
        return next;
    }
  }

  /** `account subject [queue weight]`. @param first index of the account: 1 after the cluster of a leaf node, else 0 */
  #interest(line: Buffer, chunk: Buffer, next: number, first: 0 | 1): number {
    const { given } = this;
    const at = first + this.#subject;
    const words = given.count - at;
    if (words !== 1 && words !== 3) return this.malformed(line, chunk);
    const queue = words === 3 ? given.bytes(line, at + 1) : undefined;
    // An invalid weight counts as one member (route.go, processRemoteSub).
    const weight = words === 3 ? Math.max(1, given.number(line, at + 2)) : 1;
    const leaf = first === 1 ? given.bytes(line, 0) : undefined;
    this.#handler.interest(this.#accountAt(line, first), given.bytes(line, at), queue, weight, leaf);
    return next;
  }

  /** `account subject [queue]`. */
  #noInterest(line: Buffer, chunk: Buffer, next: number, first: 0 | 1): number {
    const { given } = this;
    const at = first + this.#subject;
    const words = given.count - at;
    if (words !== 1 && words !== 2) return this.malformed(line, chunk);
    const queue = words === 2 ? given.bytes(line, at + 1) : undefined;
    const leaf = first === 1 ? given.bytes(line, 0) : undefined;
    this.#handler.noInterest(this.#accountAt(line, first), given.bytes(line, at), queue, leaf);
    return next;
  }

  /** `account subject [reply] sizes`; with queue groups `account subject + reply groups sizes`, or `| groups sizes`. */
  #publish(line: Buffer, chunk: Buffer, next: number, first: 0 | 1, headers: boolean): number {
    const { given, message } = this;
    const { count } = given;
    const behind = count - (headers ? 2 : 1);
    const subject = first + this.#subject;
    const words = behind - subject;
    if (words < 1 || count > maxArguments) return this.malformed(line, chunk);
    if (this.#subject === 1) this.#readAccount(line, first);
    message.queues = none;
    const mayBeReply = subject + 1;
    if (words <= 2)
      return this.readMessage(line, chunk, next, subject, words === 2 ? mayBeReply : -1, headers);
    const mark = line[given.start(mayBeReply)];
    if (given.end(mayBeReply) - given.start(mayBeReply) !== 1 || (mark !== PLUS && mark !== BAR)) {
      return this.malformed(line, chunk);
    }
    const hasReply = mark === PLUS;
    const queues: string[] = [];
    for (let index = mayBeReply + (hasReply ? 2 : 1); index < behind; index++) {
      queues.push(given.bytes(line, index).toString('latin1'));
    }
    message.queues = queues;
    return this.readMessage(line, chunk, next, subject, hasReply ? mayBeReply + 1 : -1, headers);
  }

  #accountAt(line: Buffer, index: number): Buffer {
    return this.#subject === 0 ? this.#accountBytes : this.given.bytes(line, index);
  }

  #readAccount(line: Buffer, index: number): void {
    const known = this.#accountBytes;
    const start = this.given.start(index);
    const length = this.given.end(index) - start;
    let same = 0;
    if (length === known.length) while (same < length && line[start + same] === known[same]) same++;
    if (same === length && length > 0) return;
    this.#accountBytes = Buffer.from(this.given.bytes(line, index));
    this.message.account = this.#accountBytes.toString();
  }
}

const none: readonly string[] = [];
