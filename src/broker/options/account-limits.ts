// The limits of an account: beside those of the server, the lower one counts.
import type { ConfProblem } from '../../conf/error.ts';
import { MapReader } from '../../conf/reader.ts';
import type { MapValue } from '../../conf/value.ts';

/** Infinity where there is none. */
export interface AccountLimits {
  /** On all servers of a cluster together. */
  readonly maxConnections: number;
  /** Of one client. */
  readonly maxSubscriptions: number;
  /** Bytes, headers included. */
  readonly maxPayload: number;
}

export const unlimited: AccountLimits = {
  maxConnections: Number.POSITIVE_INFINITY,
  maxSubscriptions: Number.POSITIVE_INFINITY,
  maxPayload: Number.POSITIVE_INFINITY,
};

/** Reads a limits block; below zero is no limit, and zero is none at all (opts.go, parseAccountLimits). */
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
  // There are no leaf nodes here.
  limit('max_leafnodes', 'max_leafs');
  reader.finish();
  return limits;
}
