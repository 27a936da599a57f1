// What the other servers of a cluster are told of what clients here listen to, as far as the permissions of the cluster
// let it: changes as they come, all of it to a new route, and what a reload of the permissions adds and takes away.
import type { Account } from '../accounts/account.ts';
import type { Interest } from '../accounts/local-interest.ts';
import type { RouteSession } from './route.ts';
import type { RoutePermissions } from './route-permissions.ts';

export interface InterestEnvironment {
  readonly accounts: Iterable<Account>;
  /** Those in use. */
  readonly routes: readonly RouteSession[];
  /** Undefined where everything goes over routes. */
  readonly permissions: RoutePermissions | undefined;
}

export class ClusterInterest {
  readonly #environment: InterestEnvironment;

  constructor(environment: InterestEnvironment) {
    this.#environment = environment;
  }

  /** Tells all of a change. */
  announce(account: Account, interest: Interest): void {
    const { permissions, routes } = this.#environment;
    if (permissions?.mayImport(bytesOf(interest)) === false) return;
    for (const route of routes) route.tell(account, interest);
  }

  /** Tells one of everything. */
  tellAll(route: RouteSession): void {
    const { permissions } = this.#environment;
    for (const [account, interest] of this.#all()) {
      if (permissions?.mayImport(bytesOf(interest)) !== false) route.tell(account, interest);
    }
  }

  /** Takes back what may not be asked for and given out any more, and asks for what may be now. */
  review(before: RoutePermissions | undefined): void {
    const { permissions, routes } = this.#environment;
    for (const [account, interest] of this.#all()) {
      const was = before?.mayImport(bytesOf(interest)) ?? true;
      const is = permissions?.mayImport(bytesOf(interest)) ?? true;
      if (was === is) continue;
      for (const route of routes) route.tell(account, is ? interest : { ...interest, weight: 0 });
    }
    for (const route of routes) route.review();
  }

  *#all(): Iterable<[Account, Interest]> {
    for (const account of this.#environment.accounts) {
      for (const interest of account.interest ?? []) yield [account, interest];
    }
  }
}

function bytesOf({ subject }: Interest): Buffer {
  return Buffer.from(subject, 'latin1');
}
