// The routes to servers that keep several of them, as nats-server 2.10 and later do: one for each index of a pool, and one
// for each pinned account (nats-server, route.go, addRoute). The peer that dialled a route names its slot in its INFO.
import type { Destination, Slot } from './destination.ts';
import type { RouteSession } from './route.ts';
import type { RouteInfo } from './route-info.ts';

/** Carries out the decisions of the pools. */
export interface PoolDecisions {
  /** Keeps the route, whose slot is set; sends INFO if this server has dialled. */
  keep(route: RouteSession, remote: RouteInfo): void;
  /** Closes a duplicate route. @param kept another route to the same server */
  closeDuplicate(route: RouteSession, kept: RouteSession): void;
  /** Closes a route whose INFO names a slot that this server does not have. */
  refuseSlot(route: RouteSession, slot: Slot): void;
  /** Dials the same server for another route. */
  dialAgain(destination: Destination): void;
}

/** The settings of this server. */
export interface PoolSettings {
  /** 0 without pools. */
  readonly size: number;
  /** The accounts that have a route of their own. */
  readonly accounts: readonly string[];
}

interface Peer {
  /** The greater size of both servers, for which routes are dialled: a rolling update changes one after the other. */
  readonly size: number;
  readonly slots: Map<Slot, RouteSession>;
  hasDialledAccounts: boolean;
}

export class RoutePools {
  readonly settings: PoolSettings;
  readonly #decisions: PoolDecisions;
  /** By the id of the server. */
  readonly #peers = new Map<string, Peer>();
  /** The routes that the peer has committed to as well. */
  readonly #confirmed = new WeakSet<RouteSession>();

  constructor(settings: PoolSettings, decisions: PoolDecisions) {
    this.settings = settings;
    this.#decisions = decisions;
  }

  /** Whether a server keeps several routes to this one. A broker of natspki keeps one to each other broker. */
  suits({ route_pool_size: size, all }: RouteInfo): boolean {
    return this.settings.size > 0 && size > 0 && !('info_deferred' in all);
  }

  /** All kept routes. */
  get all(): RouteSession[] {
    return [...this.#peers.values()].flatMap(({ slots }) => [...slots.values()]);
  }

  /** One route to each server, dedicated to the account where there is such a route. */
  oneEach(account?: string): RouteSession[] {
    return [...this.#peers.values()].flatMap(
      ({ slots }) => slots.get(account ?? 0) ?? [...slots.values()][0] ?? [],
    );
  }

  /** Whether the pool of a server has only one route yet. */
  isFirst(id: string): boolean {
    const peer = this.#peers.get(id);
    return peer !== undefined && poolRoutes(peer) === 1;
  }

  /** The route to each server that carries the interest of an account. */
  routesFor(account: string): RouteSession[] {
    const slot = this.#slotOf(account);
    return [...this.#peers.values()].flatMap(({ slots }) => slots.get(slot) ?? []);
  }

  /** Whether a route carries the interest of an account. */
  carries({ slot }: RouteSession, account: string): boolean {
    return slot === this.#slotOf(account);
  }

  /** Whether there are routes to the server. */
  has(id: string): boolean {
    return this.#peers.has(id);
  }

  /** Whether this is a kept route. */
  keeps(route: RouteSession): boolean {
    const { remoteId, slot } = route;
    return slot !== undefined && this.#peers.get(remoteId)?.slots.get(slot) === route;
  }

  /** Whether there is no need to dial the server again for a destination. */
  serves(id: string, { account }: Destination): boolean {
    const peer = this.#peers.get(id);
    if (peer === undefined) return false;
    return account === undefined ? poolRoutes(peer) >= peer.size : peer.slots.has(account);
  }

  /** The peer has sent its INFO. */
  infoReceived(route: RouteSession, remote: RouteInfo): void {
    const id = remote.server_id;
    const size = Math.max(this.settings.size, remote.route_pool_size);
    const peer = this.#peers.get(id) ?? {
      size,
      slots: new Map<Slot, RouteSession>(),
      hasDialledAccounts: false,
    };
    const slot = route.isDialled ? freeSlot(route, peer) : remote.route_account || remote.route_pool_idx;
    if (slot === undefined) {
      this.#decisions.closeDuplicate(route, [...peer.slots.values()][0] as RouteSession);
      return;
    }
    const isKnown = typeof slot === 'string' ? this.settings.accounts.includes(slot) : isIndex(slot, size);
    if (!isKnown) {
      this.#decisions.refuseSlot(route, slot);
      return;
    }
    const held = peer.slots.get(slot);
    // A peer that has sent INFO has committed to its own route, and rejects the one that this server has dialled.
    if (held !== undefined && (route.isDialled || !held.isDialled || this.#confirmed.has(held))) {
      this.#decisions.closeDuplicate(route, held);
      return;
    }
    this.#peers.set(id, peer);
    peer.slots.set(slot, route);
    route.slot = slot;
    this.#decisions.keep(route, remote);
    if (held !== undefined) this.#decisions.closeDuplicate(held, route);
  }

  /** The peer has answered after our INFO: dials the routes that are missing. */
  confirmed(route: RouteSession): void {
    const peer = this.#peers.get(route.remoteId);
    if (peer === undefined || this.#confirmed.has(route)) return;
    this.#confirmed.add(route);
    const { destination } = route;
    if (!route.isDialled || destination === undefined || typeof route.slot !== 'number') return;
    if (poolRoutes(peer) < peer.size) this.#decisions.dialAgain(destination);
    if (peer.hasDialledAccounts) return;
    peer.hasDialledAccounts = true;
    for (const account of this.settings.accounts) {
      if (!peer.slots.has(account)) this.#decisions.dialAgain({ ...destination, account });
    }
  }

  /** The route has ended. @returns whether it was the last one to its server */
  ended(route: RouteSession): boolean {
    const { remoteId, slot } = route;
    const peer = this.#peers.get(remoteId);
    if (peer === undefined || slot === undefined || peer.slots.get(slot) !== route) return false;
    peer.slots.delete(slot);
    if (peer.slots.size > 0) return false;
    this.#peers.delete(remoteId);
    return true;
  }

  #slotOf(account: string): Slot {
    const { size, accounts } = this.settings;
    return accounts.includes(account) ? account : poolIndex(account, size);
  }
}

/** The slot for a route that this server has dialled; undefined if there is none left. */
function freeSlot({ destination }: RouteSession, { size, slots }: Peer): Slot | undefined {
  if (destination?.account !== undefined) return destination.account;
  for (let index = 0; index < size; index++) if (!slots.has(index)) return index;
  return undefined;
}

function poolRoutes({ slots }: Peer): number {
  return [...slots.keys()].filter((slot) => typeof slot === 'number').length;
}

function isIndex(slot: number, size: number): boolean {
  return Number.isSafeInteger(slot) && slot >= 0 && slot < size;
}

/** The index of the route that carries an account: FNV-1a over its name (route.go, computeRoutePoolIdx). */
export function poolIndex(account: string, size: number): number {
  if (size <= 1) return 0;
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(account)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % size;
}
