// Who one client is by now, in which account, and what it may publish.
import type { Publication } from '../../protocol/operations.ts';
import type { Account, Accounts } from '../accounts/account.ts';
import { Membership } from '../accounts/membership.ts';
import type { Identity } from '../auth/auth.ts';
import { Permit } from '../auth/permit.ts';
import { isReservedSubject } from '../auth/reserved.ts';

export class Standing {
  readonly #membership: Membership;
  #identity: Identity | undefined;
  #permit: Permit | undefined;
  /** Whether the last subject may be published, whatever it answers. */
  #mayRepeat = false;

  /** Begins as nobody, in the global account. */
  constructor(accounts: Accounts) {
    this.#membership = new Membership(accounts);
  }

  get account(): Account {
    return this.#membership.account;
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  /** Undefined where everything is permitted. */
  get permit(): Permit | undefined {
    return this.#permit;
  }

  /** Takes over who it is; `enter` takes it to the account. */
  become(identity: Identity): void {
    const { permissions } = identity;
    this.#identity = identity;
    this.#mayRepeat = false;
    this.#permit = permissions && new Permit(permissions);
  }

  /** Goes to another account; false where that one is full. */
  enter(account: string): boolean {
    return this.#membership.enter(account);
  }

  leave(): void {
    this.#membership.leave();
  }

  /** Asks the permissions once for messages in a row that are to the same subject. */
  mayPublish(publication: Publication): boolean {
    if (publication.isNoted && this.#mayRepeat) return true;
    const { buffer, subjectStart, subjectEnd } = publication;
    this.#mayRepeat = false;
    if (isReservedSubject(buffer, subjectStart, subjectEnd)) return false;
    this.#mayRepeat = this.#permit === undefined || this.#permit.mayPublish(publication);
    return this.#mayRepeat || (this.#permit?.mayAnswer(publication) ?? false);
  }
}
