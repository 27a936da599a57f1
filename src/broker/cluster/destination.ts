// A server of the cluster that this server dials.
import type { GossipMode } from './route-info.ts';

/** The origin of a route: `explicit` from the configuration, `implicit` from gossip. */
export type RouteType = 'explicit' | 'implicit';

/** A server to dial. */
export interface Destination {
  readonly url: URL;
  readonly type: RouteType;
  /** How the server that announced it wants what is learnt there to be spread. */
  readonly gossip: GossipMode;
}
