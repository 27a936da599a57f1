// Requests to services of other accounts that wait for answers: what leads back, by the reply subject that the service
// was given. Ends those that take too long.
import type { ResponseType } from '../options/account-options.ts';
import type { Account } from './account.ts';
import type { Awaited, AwaitedReplies } from './awaited-replies.ts';
import { randomName } from './random-name.ts';
import type { Measurement } from './service-latency.ts';

/** What is published in the account of the service under its reply subject goes to `to` in `target`. */
export interface ResponseWay {
  readonly target: Account;
  readonly to: Uint8Array;
  readonly export: string;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  /** Ends it when nobody listens to `to` any more; undefined for never. */
  readonly awaited?: AwaitedReplies | undefined;
  /** Undefined where the service is not measured. */
  readonly measurement?: Measurement | undefined;
}

/** One request. */
class OpenResponse implements Awaited {
  readonly way: ResponseWay;
  readonly subject: string;
  /** Where the answer is awaited, in Latin-1. */
  readonly reply: string;
  until = 0;
  readonly #responses: OpenResponses;

  constructor(way: ResponseWay, subject: string, responses: OpenResponses) {
    const { buffer, byteOffset, length } = way.to;
    this.way = way;
    this.subject = subject;
    this.reply = Buffer.from(buffer, byteOffset, length).toString('latin1');
    this.#responses = responses;
  }

  lost(): void {
    const { measurement } = this.way;
    // What the other server has measured may still come.
    if (measurement?.isAnswered) return;
    this.#responses.end(this.subject);
    measurement?.failed('lost');
  }
}

/** More requests than this are not remembered: the oldest will not be answered any more. */
const maxOpen = 65_536;

/** How often those that took too long are looked for. */
const sweepMs = 10_000;

/** Of the services of one account. */
export class OpenResponses {
  /** What every reply subject begins with; nobody can guess the rest (accounts.go, newServiceReply). */
  readonly prefix: string;
  readonly #now: () => number;
  readonly #draw: () => string;
  /** In the order in which they were asked or answered last. */
  readonly #open = new Map<string, OpenResponse>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param now milliseconds on a clock that is never put back
   * @param draw a token that nobody can guess
   */
  constructor(now: () => number, draw: () => string = () => randomName(6)) {
    this.#now = now;
    this.#draw = draw;
    this.prefix = `_R_.${draw()}.`;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Gives the reply subject that leads back. @param ending what the subject is to end with */
  open(way: ResponseWay, ending = ''): string {
    let subject = this.prefix + this.#draw() + ending;
    // Of as many as may be open, two are alike once in 26 times.
    while (this.#open.has(subject)) subject = this.prefix + this.#draw() + ending;
    const response = new OpenResponse(way, subject, this);
    this.#enter(response);
    way.awaited?.add(response.reply, response);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= maxOpen) break;
      this.end(oldest);
    }
    this.#timer ??= setInterval(() => this.#sweep(), sweepMs).unref();
    return subject;
  }

  find(subject: string): ResponseWay | undefined {
    const found = this.#open.get(subject);
    return found === undefined || found.until < this.#now() ? undefined : found.way;
  }

  /** Gives one that was answered, and may be again, its time anew. */
  extend(subject: string): void {
    const found = this.#open.get(subject);
    if (found === undefined) return;
    this.#open.delete(subject);
    this.#enter(found);
  }

  end(subject: string): void {
    const found = this.#open.get(subject);
    if (found === undefined) return;
    this.#open.delete(subject);
    found.way.awaited?.remove(found.reply, found);
  }

  /** Ends all. */
  close(): void {
    for (const { subject, way } of this.#open.values()) {
      way.measurement?.close();
      this.end(subject);
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #enter(response: OpenResponse): void {
    response.until = this.#now() + response.way.thresholdMs;
    this.#open.set(response.subject, response);
  }

  #sweep(): void {
    const now = this.#now();
    for (const [subject, { until }] of this.#open) {
      if (until < now) this.end(subject);
    }
    if (this.#open.size === 0) this.close();
  }
}
