// Accounts: each has its own subscriptions, and no message leaves it.
import { Sublist } from '../subjects/sublist.ts';
import type { Subscription } from './subscription.ts';

/** The account of everybody whom the configuration puts nowhere else (nats-server's const.go). */
export const globalAccountName = '$G';

export interface Account {
  readonly name: string;
  readonly subscriptions: Sublist<Subscription>;
}

/** The accounts of a broker by name, and one after the other. */
export class Accounts {
  readonly #byName = new Map<string, Account>();

  /** The account of this name; made on first use, and kept over reloads. */
  get(name: string): Account {
    let account = this.#byName.get(name);
    if (account === undefined) {
      account = { name, subscriptions: new Sublist() };
      this.#byName.set(name, account);
    }
    return account;
  }

  [Symbol.iterator](): Iterator<Account> {
    return this.#byName.values();
  }
}
