// Replies that are waited for in one account: notices when nobody listens for one any more, and what was asked for in
// between comes no more (accounts.go, checkForReverseEntry).
import { hasWildcard, matches } from '../../subjects/subject.ts';
import type { Account } from './account.ts';

/** A request whose answer is waited for. */
export interface Awaited {
  /** Called when nobody waits any more. */
  lost(): void;
}

/** With more replies than this, who ends a subscription with a wildcard does not wait until all are looked at. */
const maxAtOnce = 64;

/** How often all are looked at then. */
const sweepMs = 100;

export class AwaitedReplies {
  readonly #account: Account;
  /** By the reply subject in Latin-1; hardly ever are there several. */
  readonly #waiting = new Map<string, Awaited | Set<Awaited>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(account: Account) {
    this.#account = account;
    account.onUnsubscribed = (subject) => {
      if (this.#waiting.size > 0) this.#look(subject);
    };
  }

  add(reply: string, awaited: Awaited): void {
    const known = this.#waiting.get(reply);
    if (known === undefined) this.#waiting.set(reply, awaited);
    else if (known instanceof Set) known.add(awaited);
    else this.#waiting.set(reply, new Set([known, awaited]));
  }

  remove(reply: string, awaited: Awaited): void {
    const known = this.#waiting.get(reply);
    if (known instanceof Set) known.delete(awaited);
    if (known === awaited || (known instanceof Set && known.size === 0)) this.#waiting.delete(reply);
  }

  /** Looks at nothing any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
  }

  /** @param subject in Latin-1 */
  #look(subject: string): void {
    const pattern = Buffer.from(subject, 'latin1');
    if (!hasWildcard(pattern)) {
      this.#ask(subject, pattern);
    } else if (this.#waiting.size <= maxAtOnce) {
      this.#sweep(pattern);
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#sweep();
      }, sweepMs).unref();
    }
  }

  /** @param pattern that of the replies to look at; undefined for all */
  #sweep(pattern?: Buffer): void {
    for (const reply of this.#waiting.keys()) {
      const bytes = Buffer.from(reply, 'latin1');
      if (pattern === undefined || matches(pattern, bytes, 0, bytes.length)) this.#ask(reply, bytes);
    }
  }

  #ask(reply: string, bytes: Buffer): void {
    const waiting = this.#waiting.get(reply);
    if (waiting === undefined || this.#account.hasInterest(bytes)) return;
    this.#waiting.delete(reply);
    for (const awaited of waiting instanceof Set ? waiting : [waiting]) awaited.lost();
  }
}
