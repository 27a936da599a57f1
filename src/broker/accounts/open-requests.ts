// Requests to services of other accounts that await answers: maps the reply subject that the service got to the
// requester. Expires requests whose answer takes too long.
import type { ResponseType } from '../options/account-options.ts';
import type { Account } from './account.ts';
import type { Awaited, AwaitedReplies } from './awaited-replies.ts';
import { randomName } from './random-name.ts';
import type { Measurement } from './service-latency.ts';

/** How an answer gets back: a message to the service's reply subject is published under `to` in `target`. */
export interface ResponseWay {
  readonly target: Account;
  readonly to: Uint8Array;
  readonly export: string;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  /** Ends the request when `to` has no subscriber left; undefined for never. */
  readonly awaited?: AwaitedReplies | undefined;
  /** Undefined if the service is not measured. */
  readonly measurement?: Measurement | undefined;
}

class OpenResponse implements Awaited {
  readonly way: ResponseWay;
  readonly subject: string;
  /** The requester's reply subject, in Latin-1. */
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
    // The measurement of the other server may still arrive.
    if (measurement?.isAnswered) return;
    this.#responses.end(this.subject);
    measurement?.failed('lost');
  }
}

/** Above this number of open requests, the oldest is evicted and gets no answer. */
const maxOpen = 65_536;

/** How often expired requests are removed, in milliseconds. */
const sweepMs = 10_000;

/** The open requests to the services of one account. */
export class OpenResponses {
  /** The prefix of every reply subject; the rest cannot be guessed (accounts.go, newServiceReply). */
  readonly prefix: string;
  readonly #now: () => number;
  readonly #draw: () => string;
  /** By reply subject, in the order of their request or latest answer. */
  readonly #open = new Map<string, OpenResponse>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param now milliseconds on a monotonic clock
   * @param draw returns a token that cannot be guessed
   */
  constructor(now: () => number, draw: () => string = () => randomName(6)) {
    this.#now = now;
    this.#draw = draw;
    this.prefix = `_R_.${draw()}.`;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Opens a request and returns the reply subject for the service. @param ending suffix of the subject */
  open(way: ResponseWay, ending = ''): string {
    let subject = this.prefix + this.#draw() + ending;
    // With the maximum number of open requests, the chance that two tokens collide is 1 in 26.
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

  /** Restarts the time limit of a request that was answered and may get more answers. */
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

  /** Ends all open requests. */
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
