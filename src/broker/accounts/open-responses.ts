// Requests to services of other accounts that wait for answers: what leads back, by the reply subject that the service
// was given. Ends those that take too long.
import type { ResponseType } from '../options/account-options.ts';
import type { Account } from './account.ts';
import { randomName } from './random-name.ts';
import type { Measurement } from './service-latency.ts';

/** What is published in the account of the service under its reply subject goes to `to` in `target`. */
export interface ResponseWay {
  readonly target: Account;
  readonly to: Uint8Array;
  readonly export: string;
  readonly responseType: ResponseType;
  readonly thresholdMs: number;
  /** Undefined where the service is not measured. */
  readonly measurement?: Measurement | undefined;
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
  readonly #open = new Map<string, { readonly way: ResponseWay; readonly until: number }>();
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
    this.#enter(subject, way);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= maxOpen) break;
      this.#open.delete(oldest);
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
    this.#open.delete(subject);
    if (found !== undefined) this.#enter(subject, found.way);
  }

  end(subject: string): void {
    this.#open.delete(subject);
  }

  /** Ends all. */
  close(): void {
    for (const { way } of this.#open.values()) way.measurement?.close();
    this.#open.clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #enter(subject: string, way: ResponseWay): void {
    this.#open.set(subject, { way, until: this.#now() + way.thresholdMs });
  }

  #sweep(): void {
    const now = this.#now();
    for (const [subject, { until }] of this.#open) {
      if (until < now) this.#open.delete(subject);
    }
    if (this.#open.size === 0) this.close();
  }
}
