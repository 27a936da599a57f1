// Decides which pending connection makes room when a listener has too many. It closes nothing itself.
import { addressPrefix } from '../tls/handshake-limits.ts';

export interface Pending<T> {
  readonly connection: T;
  /** The remote address. */
  readonly address: string;
  /** Whether the peer has yet to show that it deserves its connection. */
  readonly isUnproved: boolean;
}

/**
 * Returns the connection to close: of the address with the most connections the oldest unproved one, or the oldest one.
 * So the connections of one address cannot keep another address out. Undefined if there is none.
 * @param pending the oldest first
 */
export function mostCrowding<T>(pending: Iterable<Pending<T>>): T | undefined {
  const addresses = new Map<string, { count: number; unproved: T | undefined; oldest: T }>();
  for (const { connection, address, isUnproved } of pending) {
    const place = addressPrefix(address);
    const found = addresses.get(place) ?? { count: 0, unproved: undefined, oldest: connection };
    found.count++;
    if (isUnproved) found.unproved ??= connection;
    addresses.set(place, found);
  }
  let worst: { count: number; unproved: T | undefined; oldest: T } | undefined;
  for (const found of addresses.values()) {
    const isWorse =
      worst === undefined ||
      found.count > worst.count ||
      (found.count === worst.count && worst.unproved === undefined && found.unproved !== undefined);
    if (isWorse) worst = found;
  }
  return worst?.unproved ?? worst?.oldest;
}
