// Tells the other servers of a cluster what local clients subscribe to, within the permissions of the cluster: each
// change, the complete interest to a new route, and the differences that a reload of the permissions makes.
import type { Account } from '../accounts/account.ts';
import type { Interest } from '../accounts/local-interest.ts';
import type { RouteOwner, RouteSession } from './route.ts';
import type { RoutePermissions } from './route-permissions.ts';

/** The cluster with its routes in use. */
type RoutedCluster = RouteOwner & {
  readonly routes: readonly RouteSession[];
  /** The routes that carry the interest of an account. */
  routesFor(account: string): readonly RouteSession[];
};

export class ClusterInterest {
  readonly #cluster: RoutedCluster;

  constructor(cluster: RoutedCluster) {
    this.#cluster = cluster;
  }

  /** Sends a change to all routes. */
  announce(account: Account, interest: Interest): void {
    const { permissions } = this.#cluster;
    if (permissions?.mayImport(bytesOf(interest)) === false) return;
    for (const route of this.#cluster.routesFor(account.name)) route.sendInterest(account, interest);
  }

  /** Sends the complete interest of the accounts that a route carries. */
  sendAll(route: RouteSession, carries: (account: string) => boolean): void {
    const { permissions } = this.#cluster;
    for (const [account, interest] of this.#all()) {
      if (!carries(account.name)) continue;
      if (permissions?.mayImport(bytesOf(interest)) !== false) route.sendInterest(account, interest);
    }
  }

  /**
   * Applies changed permissions: withdraws interest that is now denied, announces interest that is now permitted, and
   * drops the peers' interest that is now denied. @param before the previous permissions
   */
  applyPermissions(before: RoutePermissions | undefined): void {
    const { permissions, routes } = this.#cluster;
    for (const [account, interest] of this.#all()) {
      const was = before?.mayImport(bytesOf(interest)) ?? true;
      const is = permissions?.mayImport(bytesOf(interest)) ?? true;
      if (was === is) continue;
      for (const route of this.#cluster.routesFor(account.name))
        route.sendInterest(account, is ? interest : { ...interest, weight: 0 });
    }
    for (const route of routes) route.dropDeniedInterest();
  }

  *#all(): Iterable<[Account, Interest]> {
    for (const account of this.#cluster.accounts) {
      for (const interest of account.interest ?? []) yield [account, interest];
    }
  }
}

function bytesOf({ subject }: Interest): Buffer {
  return Buffer.from(subject, 'latin1');
}
