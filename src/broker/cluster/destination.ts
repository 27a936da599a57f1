// A server of the cluster that this server dials.
import type { GossipMode } from './route-info.ts';

/** The origin of a route: `explicit` from the configuration, `implicit` from gossip. */
export type RouteType = 'explicit' | 'implicit';

/** The place of a route among several to one server: its index in the pool, or the account that it is dedicated to. */
export type Slot = number | string;

/** A server to dial. */
export interface Destination {
  readonly url: URL;
  readonly type: RouteType;
  /** How the server that announced it wants what is learnt there to be spread. */
  readonly gossip: GossipMode;
  /** The account that the route is dedicated to; undefined for a route of the pool. */
  readonly account?: string | undefined;
}
