// Which account one client is in, and that each account has no more clients than it may.

import { globalAccountName } from '../options/account-name.ts';
import type { Account, Accounts } from './account.ts';

export class Membership {
  readonly #accounts: Accounts;
  #account: Account;
  #counts = false;

  /** Begins in the global account, without being one of its clients. */
  constructor(accounts: Accounts) {
    this.#accounts = accounts;
    this.#account = accounts.get(globalAccountName);
  }

  get account(): Account {
    return this.#account;
  }

  /** Goes from one account to another; false where that one is full. */
  enter(name: string): boolean {
    this.leave();
    this.#account = this.#accounts.get(name);
    if (this.#account.isFull) return false;
    this.#account.clients++;
    this.#counts = true;
    return true;
  }

  /** Is one of its clients no more. */
  leave(): void {
    if (this.#counts) this.#account.clients--;
    this.#counts = false;
  }
}
