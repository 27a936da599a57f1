// Reads the limits of an account. The broker applies the lower of these and the server's limits.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue } from '../../conf/value.ts';

/** Infinity stands for no limit. */
export interface AccountLimits {
  /** On all servers of the cluster together. */
  readonly maxConnections: number;
  /** For each client. */
  readonly maxSubscriptions: number;
  /** Bytes, headers included. */
  readonly maxPayload: number;
}

export const unlimited: AccountLimits = {
  maxConnections: Number.POSITIVE_INFINITY,
  maxSubscriptions: Number.POSITIVE_INFINITY,
  maxPayload: Number.POSITIVE_INFINITY,
};

/** Reads a limits block; a negative value means no limit, and zero allows nothing (opts.go, parseAccountLimits). */
export function readAccountLimits(map: MapValue, problems: ConfProblem[], where: string): AccountLimits {
  const reader = new MapReader(map, problems, where);
  const limit = (name: string, alias: string) => {
    const value = reader.integer(name, alias) ?? -1;
    return value < 0 ? Number.POSITIVE_INFINITY : value;
  };
  const limits = {
    maxConnections: limit('max_connections', 'max_conn'),
    maxSubscriptions: limit('max_subscriptions', 'max_subs'),
    maxPayload: limit('max_payload', 'max_pay'),
  };
  // This broker has no leaf nodes: the limit is read and ignored.
  limit('max_leafnodes', 'max_leafs');
  reader.finish();
  return limits;
}
