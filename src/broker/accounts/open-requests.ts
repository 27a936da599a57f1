// Requests to services of other accounts that await answers: maps the reply subject that the service got to the
// requester. Expires requests whose answer takes too long.
import type { ResponseType } from '../options/account-options.ts';
import type { Account } from './account.ts';
import type { AwaitedReplies, AwaitedReply } from './awaited-replies.ts';
import { randomName } from './random-name.ts';
import type { Measurement } from './service-latency.ts';

/** A request that awaits its answer, which is published under `replyTo` in `account`. */
export interface OpenRequest {
  /** The account of the requester. */
  readonly account: Account;
  readonly replyTo: Uint8Array;
  readonly export: string;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  /** Ends the request when `replyTo` has no subscriber left; undefined for never. */
  readonly awaited?: AwaitedReplies | undefined;
  /** Undefined if the service is not measured. */
  readonly measurement?: Measurement | undefined;
}

/** An open request under the reply subject that the service got. */
class TrackedRequest implements AwaitedReply {
  readonly request: OpenRequest;
  readonly subject: string;
  /** The requester's reply subject, in Latin-1. */
  readonly reply: string;
  until = 0;
  readonly #requests: OpenRequests;

  constructor(request: OpenRequest, subject: string, requests: OpenRequests) {
    const { buffer, byteOffset, length } = request.replyTo;
    this.request = request;
    this.subject = subject;
    this.reply = Buffer.from(buffer, byteOffset, length).toString('latin1');
    this.#requests = requests;
  }

  interestLost(): void {
    const { measurement } = this.request;
    // The measurement of the other server may still arrive.
    if (measurement?.isAnswered) return;
    this.#requests.end(this.subject);
    measurement?.failed('interestLost');
  }
}

/** Above this number of open requests, the oldest is evicted and gets no answer. */
const maxOpen = 65_536;

/** How often expired requests are removed, in milliseconds. */
const sweepMs = 10_000;

/** The open requests to the services of one account. */
export class OpenRequests {
  /** The prefix of every reply subject; the rest cannot be guessed (accounts.go, newServiceReply). */
  readonly prefix: string;
  readonly #now: () => number;
  readonly #draw: () => string;
  /** By reply subject, in the order of their request or latest answer. */
  readonly #open = new Map<string, TrackedRequest>();
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

  /** Opens a request and returns the reply subject for the service. @param suffix suffix of the subject */
  open(request: OpenRequest, suffix = ''): string {
    let subject = this.prefix + this.#draw() + suffix;
    // With the maximum number of open requests, the chance that two tokens collide is 1 in 26.
    while (this.#open.has(subject)) subject = this.prefix + this.#draw() + suffix;
    const tracked = new TrackedRequest(request, subject, this);
    this.#track(tracked);
    request.awaited?.add(tracked.reply, tracked);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= maxOpen) break;
      this.end(oldest);
    }
    this.#timer ??= setInterval(() => this.#sweep(), sweepMs).unref();
    return subject;
  }

  find(subject: string): OpenRequest | undefined {
    const found = this.#open.get(subject);
    return found === undefined || found.until < this.#now() ? undefined : found.request;
  }

  /** Restarts the time limit of a request that was answered and may get more answers. */
  extend(subject: string): void {
    const found = this.#open.get(subject);
    if (found === undefined) return;
    this.#open.delete(subject);
    this.#track(found);
  }

  end(subject: string): void {
    const found = this.#open.get(subject);
    if (found === undefined) return;
    this.#open.delete(subject);
    found.request.awaited?.remove(found.reply, found);
  }

  /** Ends all open requests. */
  close(): void {
    for (const { subject, request } of this.#open.values()) {
      request.measurement?.close();
      this.end(subject);
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #track(tracked: TrackedRequest): void {
    tracked.until = this.#now() + tracked.request.thresholdMs;
    this.#open.set(tracked.subject, tracked);
  }

  #sweep(): void {
    const now = this.#now();
    for (const [subject, { until }] of this.#open) {
      if (until < now) this.end(subject);
    }
    if (this.#open.size === 0) this.close();
  }
}
