// The subscriptions of one session by the ids that it chose, each entered in its account. Sends nothing.

import type { Permit } from '../auth/permit.ts';
import type { Account } from './account.ts';
import type { Subscription } from './subscription.ts';

export class SessionSubscriptions {
  readonly #account: () => Account;
  readonly #bySid = new Map<string, Subscription>();

  /** @param account the one that the session is in; it changes only while there are no subscriptions */
  constructor(account: () => Account) {
    this.#account = account;
  }

  get size(): number {
    return this.#bySid.size;
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#bySid.values();
  }

  has(sid: string): boolean {
    return this.#bySid.has(sid);
  }

  /** False where the subject is not valid. */
  add(subscription: Subscription): boolean {
    if (!this.#account().subscribe(subscription)) return false;
    this.#bySid.set(subscription.sid, subscription);
    return true;
  }

  /** Ends a subscription, or has it end by itself when it has had that many messages. */
  end(sid: string, max: number | undefined): void {
    const subscription = this.#bySid.get(sid);
    if (subscription === undefined) return;
    if (max !== undefined && max > subscription.delivered) subscription.max = max;
    else this.drop(subscription);
  }

  drop(subscription: Subscription): void {
    this.#bySid.delete(subscription.sid);
    this.#account().unsubscribe(subscription);
  }

  clear(): void {
    for (const subscription of this.#bySid.values()) this.drop(subscription);
  }

  /** Has another permit count from now on; drops and returns what it does not admit. */
  review(permit: Permit | undefined): Subscription[] {
    const removed: Subscription[] = [];
    for (const subscription of this.#bySid.values()) {
      if (permit === undefined) subscription.filtered = false;
      else if (!permit.admits(subscription)) removed.push(subscription);
    }
    for (const subscription of removed) this.drop(subscription);
    return removed;
  }
}
