// Which server of the cluster is reached by which route. Of two routes to one server one stays, and both ends must agree
// which: a server takes a route for good when it gets the INFO of the other one, so that here INFO is sent only along the
// route that stays. Who waits for it, and in which order, is decided here; sends nothing itself.
import type { RouteSession } from './route.ts';
import type { RouteInfo } from './route-info.ts';

/** What is to become of routes. */
export interface RouteDecisions {
  /** Send INFO, for the route may stay. */
  greet(route: RouteSession): void;
  /** The route stays: send INFO if that was not done. */
  keep(route: RouteSession, remote: RouteInfo): void;
  /** There is another one to the same server. @param kept the other one */
  dismiss(route: RouteSession, kept: RouteSession): void;
}

export class RouteTable {
  readonly #id: string;
  readonly #decisions: RouteDecisions;
  /** By the id of the server at the other end, as below. */
  readonly #kept = new Map<string, RouteSession>();
  /** Of those that stay, the ones that the other side has taken too. */
  readonly #confirmed = new WeakSet<RouteSession>();
  /** Accepted routes that have our INFO and have not said all about themselves. */
  readonly #claims = new Map<string, RouteSession>();
  /** Accepted routes that wait what becomes of another one. */
  readonly #waiting = new Map<string, RouteSession[]>();

  /** @param id that of this server */
  constructor(id: string, decisions: RouteDecisions) {
    this.#id = id;
    this.#decisions = decisions;
  }

  /** The routes that stay. */
  get all(): RouteSession[] {
    return [...this.#kept.values()];
  }

  get size(): number {
    return this.#kept.size;
  }

  /** Whether the server with this id is reached. */
  has(id: string): boolean {
    return this.#kept.has(id);
  }

  /** Whether this is the route that stays to its server. */
  keeps(route: RouteSession): boolean {
    return this.#kept.get(route.remoteId) === route;
  }

  /** The other side has connected and said its id. */
  accepted(route: RouteSession): void {
    const id = route.remoteId;
    const kept = this.#kept.get(id);
    if (kept !== undefined && this.#confirmed.has(kept)) {
      this.#decisions.dismiss(route, kept);
    } else if (kept !== undefined || this.#claims.has(id)) {
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), route]);
    } else {
      this.#claims.set(id, route);
      this.#decisions.greet(route);
    }
  }

  /** The other side has said all about itself. */
  introduced(route: RouteSession, remote: RouteInfo): void {
    const id = remote.server_id;
    const kept = this.#kept.get(id);
    const claim = this.#claims.get(id);
    if (claim === route || (route.isDialled && kept === undefined && this.#beats(claim, remote))) {
      this.#keep(route, remote);
    } else if (route.isDialled) {
      this.#decisions.dismiss(route, (kept ?? claim) as RouteSession);
    }
  }

  /** The other side has answered after it got our INFO, so that it has taken the route as well. */
  confirmed(route: RouteSession): void {
    if (!this.keeps(route) || this.#confirmed.has(route)) return;
    this.#confirmed.add(route);
    const waiting = this.#waiting.get(route.remoteId) ?? [];
    this.#waiting.delete(route.remoteId);
    // INFO along these, had it overtaken the one along the route that stays, would have made the other side take them.
    for (const other of waiting) this.#decisions.dismiss(other, route);
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
    if (next.remote === undefined) this.#decisions.greet(next);
    else this.#keep(next, next.remote);
  }

  /**
   * Whether a route that was dialled here beats one that was accepted. A nats-server has taken that one already, as it has
   * our INFO; a server that holds its INFO back as this one does comes to the same answer by comparing the ids.
   */
  #beats(claim: RouteSession | undefined, remote: RouteInfo): boolean {
    return claim === undefined || (remote.info_deferred && this.#id < remote.server_id);
  }

  #keep(route: RouteSession, remote: RouteInfo): void {
    const id = remote.server_id;
    const claim = this.#claims.get(id);
    this.#claims.delete(id);
    this.#kept.set(id, route);
    this.#decisions.keep(route, remote);
    if (claim !== undefined && claim !== route) this.#decisions.dismiss(claim, route);
    // Who has connected has our INFO, and has answered it.
    if (!route.isDialled) this.confirmed(route);
  }
}
