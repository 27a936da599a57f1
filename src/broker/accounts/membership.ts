// Tracks which account one client belongs to, and enforces the client limit of each account.

import { globalAccountName } from '../options/account-name.ts';
import type { Account, Accounts } from './account.ts';

export class Membership {
  readonly #accounts: Accounts;
  #account: Account;
  #counts = false;

  /** Starts in the global account without counting as one of its clients. */
  constructor(accounts: Accounts) {
    this.#accounts = accounts;
    this.#account = accounts.get(globalAccountName);
  }

  get account(): Account {
    return this.#account;
  }

  /** Moves to another account; false if that account is full. */
  enter(name: string): boolean {
    this.leave();
    this.#account = this.#accounts.get(name);
    if (this.#account.isFull) return false;
    this.#account.clients++;
    this.#counts = true;
    return true;
  }

  /** Stops counting as a client of the account. */
  leave(): void {
    if (this.#counts) this.#account.clients--;
    this.#counts = false;
  }
}
