// Replies that are waited for in one account: notices when nobody listens for one any more (accounts.go,
// checkForReverseEntry).
import { hasWildcard, matches } from '../../subjects/subject.ts';
import type { Account } from './account.ts';

export class AwaitedReplies {
  readonly #account: Account;
  /** By the reply subject in Latin-1. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(account: Account) {
    this.#account = account;
  }

  /** Calls when the last one who listens there has gone. @returns what ends the waiting */
  wait(reply: string, onLost: () => void): () => void {
    const waiting = this.#waiting.get(reply) ?? new Set();
    this.#waiting.set(reply, waiting.add(onLost));
    this.#account.onUnsubscribed = (subject) => this.#look(subject);
    return () => {
      waiting.delete(onLost);
      if (waiting.size === 0 && this.#waiting.get(reply) === waiting) this.#waiting.delete(reply);
      if (this.#waiting.size === 0) this.#account.onUnsubscribed = undefined;
    };
  }

  /** @param subject in Latin-1 */
  #look(subject: string): void {
    const pattern = Buffer.from(subject, 'latin1');
    if (!hasWildcard(pattern)) {
      this.#ask(subject, pattern);
      return;
    }
    for (const reply of this.#waiting.keys()) {
      const bytes = Buffer.from(reply, 'latin1');
      if (matches(pattern, bytes, 0, bytes.length)) this.#ask(reply, bytes);
    }
  }

  #ask(reply: string, bytes: Buffer): void {
    const waiting = this.#waiting.get(reply);
    if (waiting === undefined || this.#account.hasInterest(bytes)) return;
    for (const onLost of [...waiting]) onLost();
  }
}
