// The identity of one client's session: its user and permissions, and the account that counts it as a client. Enforces
// the client limit of each account.
import type { Publication } from '../../protocol/operations.ts';
import type { Account, Accounts } from '../accounts/account.ts';
import type { AuthenticatedUser } from '../auth/authenticator.ts';
import { isReservedSubject } from '../auth/reserved-subjects.ts';
import { SessionPermissions } from '../auth/session-permissions.ts';
import { globalAccountName } from '../options/account-name.ts';

export class SessionIdentity {
  readonly #accounts: Accounts;
  #account: Account;
  /** Whether the account counts the session as one of its clients. */
  #isCounted = false;
  #user: AuthenticatedUser | undefined;
  #permissions: SessionPermissions | undefined;
  /** Whether the publish permissions alone allow the last subject, without a permitted response. */
  #mayRepeat = false;
  #isResponding = false;

  /** Starts without a user, in the global account, which does not count the session. */
  constructor(accounts: Accounts) {
    this.#accounts = accounts;
    this.#account = accounts.get(globalAccountName);
  }

  get account(): Account {
    return this.#account;
  }

  get user(): AuthenticatedUser | undefined {
    return this.#user;
  }

  /** Undefined if everything is permitted. */
  get permissions(): SessionPermissions | undefined {
    return this.#permissions;
  }

  /** Whether only a permitted response allows the last message. */
  get isResponding(): boolean {
    return this.#isResponding;
  }

  /** Sets the user and its permissions; `joinAccount` moves the session to the account. */
  setUser(user: AuthenticatedUser): void {
    const { permissions } = user;
    this.#user = user;
    this.#mayRepeat = false;
    this.#permissions = permissions && new SessionPermissions(permissions);
  }

  /** Moves to another account; returns false if that account is full. */
  joinAccount(name: string): boolean {
    this.leaveAccount();
    this.#account = this.#accounts.get(name);
    if (this.#account.isFull) return false;
    this.#account.clients++;
    this.#isCounted = true;
    return true;
  }

  /** Stops counting as a client of the account. */
  leaveAccount(): void {
    if (this.#isCounted) this.#account.clients--;
    this.#isCounted = false;
  }

  /** Evaluates the permissions once for consecutive messages to the same subject. */
  mayPublish(publication: Publication): boolean {
    if (publication.isNoted && this.#mayRepeat) return true;
    const { buffer, subjectStart, subjectEnd } = publication;
    this.#mayRepeat = this.#isResponding = false;
    if (isReservedSubject(buffer, subjectStart, subjectEnd)) return false;
    this.#mayRepeat = this.#permissions === undefined || this.#permissions.mayPublish(publication);
    if (this.#mayRepeat) return true;
    this.#isResponding = this.#permissions?.mayRespond(publication) ?? false;
    return this.#isResponding;
  }
}
