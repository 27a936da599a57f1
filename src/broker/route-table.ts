// Which server of the cluster is reached by which route. Of two routes to one server one stays, and both ends must agree
// which: a server takes a route for good when it gets the INFO of the other one, so that here INFO is sent only along the
// route that stays. Who waits for it, and in which order, is decided here; sends nothing itself.
import type { RouteSession } from './route.ts';
import type { RouteInfo } from './route-info.ts';

/** What is to become of routes. */
export interface RouteDecisions {
  /** Send INFO, for the route may stay. */
  greet(route: RouteSession): void;
  /** The route stays. */
  keep(route: RouteSession, remote: RouteInfo): void;
  /** There is another one to the same server. @param kept the other one */
  dismiss(route: RouteSession, kept: RouteSession): void;
}

export class RouteTable {
  readonly #id: string;
  readonly #decisions: RouteDecisions;
  /** By the id of the server at the other end. */
  readonly #kept = new Map<string, RouteSession>();
  /** Accepted routes of servers that have said their id: the first has our INFO, the others wait what becomes of it. */
  readonly #accepted = new Map<string, RouteSession[]>();

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
    const kept = this.#kept.get(route.remoteId);
    if (kept !== undefined) {
      this.#decisions.dismiss(route, kept);
      return;
    }
    const waiting = this.#accepted.get(route.remoteId) ?? [];
    this.#accepted.set(route.remoteId, [...waiting, route]);
    if (waiting.length === 0) this.#decisions.greet(route);
  }

  /** The other side has said all about itself. */
  introduced(route: RouteSession, remote: RouteInfo): void {
    const kept = this.#kept.get(remote.server_id);
    const [first] = this.#accepted.get(remote.server_id) ?? [];
    if (kept !== undefined) {
      this.#decisions.dismiss(route, kept);
    } else if (first === undefined || first === route || this.#isPreferred(route, remote)) {
      this.#keep(route, remote);
    } else if (route.isDialled) {
      this.#decisions.dismiss(route, first);
    }
  }

  /** The route has ended. */
  ended(route: RouteSession): void {
    const id = route.remoteId;
    if (this.#kept.get(id) === route) this.#kept.delete(id);
    const accepted = this.#accepted.get(id);
    if (!accepted?.includes(route)) return;
    const rest = accepted.filter((other) => other !== route);
    if (rest.length === 0) this.#accepted.delete(id);
    else this.#accepted.set(id, rest);
    const [next] = rest;
    if (next === undefined || accepted[0] !== route) return;
    if (next.remote === undefined) this.#decisions.greet(next);
    else this.#keep(next, next.remote);
  }

  /**
   * Whether a route that was dialled here beats one that was accepted. A nats-server has taken that one already, as it has
   * our INFO; a server that holds its INFO back as this one does comes to the same answer by comparing the ids.
   */
  #isPreferred(route: RouteSession, remote: RouteInfo): boolean {
    return route.isDialled && remote.info_deferred && this.#id < remote.server_id;
  }

  #keep(route: RouteSession, remote: RouteInfo): void {
    const accepted = this.#accepted.get(remote.server_id) ?? [];
    this.#accepted.delete(remote.server_id);
    this.#kept.set(remote.server_id, route);
    this.#decisions.keep(route, remote);
    for (const other of accepted) {
      if (other !== route) this.#decisions.dismiss(other, route);
    }
  }
}
