// The session identity of one client: its user, its account and what it may publish.
import type { Publication } from '../../protocol/operations.ts';
import type { Account, Accounts } from '../accounts/account.ts';
import { Membership } from '../accounts/membership.ts';
import type { Identity } from '../auth/authenticator.ts';
import { isReservedSubject } from '../auth/reserved-subjects.ts';
import { Permit } from '../auth/session-permissions.ts';

export class Standing {
  readonly #membership: Membership;
  #identity: Identity | undefined;
  #permit: Permit | undefined;
  /** Whether the publish permissions alone allow the last subject, without a permitted response. */
  #mayRepeat = false;

  /** Starts without a user, in the global account. */
  constructor(accounts: Accounts) {
    this.#membership = new Membership(accounts);
  }

  get account(): Account {
    return this.#membership.account;
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Undefined if everything is permitted. */
  get permit(): Permit | undefined {
    return this.#permit;
  }

  /** Sets the user and its permissions; `enter` moves the client to the account. */
  become(identity: Identity): void {
    const { permissions } = identity;
    this.#identity = identity;
    this.#mayRepeat = false;
    this.#permit = permissions && new Permit(permissions);
  }

  /** Moves to another account; returns false if that account is full. */
  enter(account: string): boolean {
    return this.#membership.enter(account);
  }

  leave(): void {
    this.#membership.leave();
  }

  /** Evaluates the permissions once for consecutive messages to the same subject. */
  mayPublish(publication: Publication): boolean {
    if (publication.isNoted && this.#mayRepeat) return true;
    const { buffer, subjectStart, subjectEnd } = publication;
    this.#mayRepeat = false;
    if (isReservedSubject(buffer, subjectStart, subjectEnd)) return false;
    this.#mayRepeat = this.#permit === undefined || this.#permit.mayPublish(publication);
    return this.#mayRepeat || (this.#permit?.mayAnswer(publication) ?? false);
  }
}
