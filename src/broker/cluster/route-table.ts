// Decides which route serves each server of the cluster. Of two routes to one server one is kept, and both ends must
// agree which. A server commits to a route when it receives the peer's INFO, so this side sends INFO only along the
// route that it keeps. The table queues the other routes and sends nothing itself.
import type { RouteSession } from './route.ts';
import type { RouteInfo } from './route-info.ts';

/** Carries out the decisions of the table. */
export interface RouteDecisions {
  /** Sends INFO: the route may stay. */
  sendInfo(route: RouteSession): void;
  /** Keeps the route; sends INFO unless that was done. */
  keep(route: RouteSession, remote: RouteInfo): void;
  /** Closes a duplicate route. @param kept the other route to the same server */
  closeDuplicate(route: RouteSession, kept: RouteSession): void;
}

export class RouteTable {
  readonly #id: string;
  readonly #decisions: RouteDecisions;
  /** The kept routes by the id of the peer, as in the maps below. */
  readonly #kept = new Map<string, RouteSession>();
  /** The kept routes that the peer has committed to as well. */
  readonly #confirmed = new WeakSet<RouteSession>();
  /** Accepted routes that have received our INFO and have yet to send theirs. */
  readonly #claims = new Map<string, RouteSession>();
  /** Accepted routes that wait for the outcome of another one. */
  readonly #waiting = new Map<string, RouteSession[]>();

  /** @param id the id of this server */
  constructor(id: string, decisions: RouteDecisions) {
    this.#id = id;
    this.#decisions = decisions;
  }

  /** The kept routes. */
  get all(): RouteSession[] {
    return [...this.#kept.values()];
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Whether a kept route leads to the server with this id. */
  has(id: string): boolean {
    return this.#kept.has(id);
  }

  /** Whether this is the kept route to its server. */
  keeps(route: RouteSession): boolean {
    return this.#kept.get(route.remoteId) === route;
  }

  /** The peer has dialled and sent its id. */
  accepted(route: RouteSession): void {
    const id = route.remoteId;
    const kept = this.#kept.get(id);
    if (kept !== undefined && this.#confirmed.has(kept)) {
      this.#decisions.closeDuplicate(route, kept);
    } else if (kept !== undefined || this.#claims.has(id)) {
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), route]);
    } else {
      this.#claims.set(id, route);
      this.#decisions.sendInfo(route);
    }
  }

  /** The peer has sent its INFO. */
  infoReceived(route: RouteSession, remote: RouteInfo): void {
    const id = remote.server_id;
    const kept = this.#kept.get(id);
    const claim = this.#claims.get(id);
    if (claim === route || (route.isDialled && kept === undefined && this.#takesPrecedence(claim, remote))) {
      this.#keep(route, remote);
    } else if (route.isDialled) {
      this.#decisions.closeDuplicate(route, (kept ?? claim) as RouteSession);
    }
  }

  /** The peer has answered after our INFO, so it has committed to the route as well. */
  confirmed(route: RouteSession): void {
    if (!this.keeps(route) || this.#confirmed.has(route)) return;
    this.#confirmed.add(route);
    const waiting = this.#waiting.get(route.remoteId) ?? [];
    this.#waiting.delete(route.remoteId);
    // An INFO along these could have overtaken the one along the kept route and made the peer commit to them instead.
    for (const other of waiting) this.#decisions.closeDuplicate(other, route);
  }

  /** Forgets a route to a server that keeps several; returns the accepted routes that waited for an outcome. */
  release(route: RouteSession): RouteSession[] {
    const id = route.remoteId;
    if (this.#claims.get(id) === route) this.#claims.delete(id);
    const waiting = this.#waiting.get(id) ?? [];
    this.#waiting.delete(id);
    return waiting.filter((other) => other !== route);
  }

  /** The route has ended. */
  ended(route: RouteSession): void {
    const id = route.remoteId;
    const waiting = this.#waiting.get(id)?.filter((other) => other !== route) ?? [];
    if (waiting.length === 0) this.#waiting.delete(id);
    else this.#waiting.set(id, waiting);
    const wasFirst = this.#kept.get(id) === route || this.#claims.get(id) === route;
    if (!wasFirst) return;
    this.#kept.delete(id);
    this.#claims.delete(id);
    const [next] = waiting;
    if (next === undefined) return;
    this.#waiting.set(id, waiting.slice(1));
    this.#claims.set(id, next);
    if (next.remote === undefined) this.#decisions.sendInfo(next);
    else this.#keep(next, next.remote);
  }

  /**
   * Whether a dialled route beats an accepted one. A nats-server has already committed to the accepted one, since it
   * has our INFO. A server that defers its INFO as this one does reaches the same decision by comparing the ids.
   */
  #takesPrecedence(claim: RouteSession | undefined, remote: RouteInfo): boolean {
    return claim === undefined || (remote.info_deferred && this.#id < remote.server_id);
  }

  #keep(route: RouteSession, remote: RouteInfo): void {
    const id = remote.server_id;
    const claim = this.#claims.get(id);
    this.#claims.delete(id);
    this.#kept.set(id, route);
    this.#decisions.keep(route, remote);
    if (claim !== undefined && claim !== route) this.#decisions.closeDuplicate(claim, route);
    // A peer that dialled has received our INFO and answered it.
    if (!route.isDialled) this.confirmed(route);
  }
}
