// The replies that requesters in one account await. When the last subscriber of a reply subject is gone, the request is
// lost and its answer will not be delivered (accounts.go, checkForReverseEntry).
import { hasWildcard, matches } from '../../subjects/subject.ts';
import type { Account } from './account.ts';

/** A request that awaits its answer. */
export interface AwaitedReply {
  /** Called when the reply subject has no subscriber left. */
  interestLost(): void;
}

/** With more replies than this, the end of a wildcard subscription defers the check of all replies to a timer. */
const maxImmediateChecks = 64;

/** The delay of that check, in milliseconds. */
const sweepMs = 100;

export class AwaitedReplies {
  readonly #account: Account;
  /** By reply subject in Latin-1; several requests rarely share one. */
  readonly #waiting = new Map<string, AwaitedReply | Set<AwaitedReply>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(account: Account) {
    this.#account = account;
    account.onUnsubscribed = (subject) => {
      if (this.#waiting.size > 0) this.#unsubscribed(subject);
    };
  }

  add(reply: string, awaited: AwaitedReply): void {
    const known = this.#waiting.get(reply);
    if (known === undefined) this.#waiting.set(reply, awaited);
    else if (known instanceof Set) known.add(awaited);
    else this.#waiting.set(reply, new Set([known, awaited]));
  }

  remove(reply: string, awaited: AwaitedReply): void {
    const known = this.#waiting.get(reply);
    if (known instanceof Set) known.delete(awaited);
    if (known === awaited || (known instanceof Set && known.size === 0)) this.#waiting.delete(reply);
  }

  /** Forgets all replies. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
  }

  /** @param subject in Latin-1 */
  #unsubscribed(subject: string): void {
    const pattern = Buffer.from(subject, 'latin1');
    if (!hasWildcard(pattern)) {
      this.#check(subject, pattern);
    } else if (this.#waiting.size <= maxImmediateChecks) {
      this.#sweep(pattern);
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#sweep();
      }, sweepMs).unref();
    }
  }

  /** @param pattern matches the replies to check; undefined for all */
  #sweep(pattern?: Buffer): void {
    for (const reply of this.#waiting.keys()) {
      const bytes = Buffer.from(reply, 'latin1');
      if (pattern === undefined || matches(pattern, bytes, 0, bytes.length)) this.#check(reply, bytes);
    }
  }

  #check(reply: string, bytes: Buffer): void {
    const waiting = this.#waiting.get(reply);
    if (waiting === undefined || this.#account.hasInterest(bytes)) return;
    this.#waiting.delete(reply);
    for (const awaited of waiting instanceof Set ? waiting : [waiting]) awaited.interestLost();
  }
}
