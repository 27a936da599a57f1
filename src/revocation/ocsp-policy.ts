// What an `ocsp_peer` block asks for, with nats-server's defaults (server/certidp/certidp.go).
import type { OcspAnswer } from '../x509/ocsp-answer.ts';

export interface OcspPolicy {
  /** How long to wait for one responder, in milliseconds. */
  readonly timeoutMs: number;
  /** How much the clocks of this server and of a responder may differ, in milliseconds. */
  readonly clockSkewMs: number;
  /** Logs a warning and accepts the peer, whatever is found. */
  readonly warnOnly: boolean;
  readonly unknownIsGood: boolean;
  /** Accepts a peer when no responder answers, unless the last answer was `revoked`. */
  readonly allowWhenUnreachable: boolean;
  /** How long an answer without nextUpdate is valid from thisUpdate on, in milliseconds. */
  readonly ttlMs: number;
}

export const defaultOcspPolicy: OcspPolicy = {
  timeoutMs: 2000,
  clockSkewMs: 30_000,
  warnOnly: false,
  unknownIsGood: false,
  allowWhenUnreachable: false,
  ttlMs: 3_600_000,
};

/** Returns when an answer ends, in milliseconds since the epoch. */
export function endOf({ thisUpdate, nextUpdate }: OcspAnswer, { ttlMs }: OcspPolicy): number {
  return nextUpdate?.getTime() ?? thisUpdate.getTime() + ttlMs;
}

/** Returns whether an answer is valid at a time (OCSPResponseCurrent). */
export function isCurrent(answer: OcspAnswer, policy: OcspPolicy, now: Date): boolean {
  const skew = policy.clockSkewMs;
  return endOf(answer, policy) >= now.getTime() - skew && answer.thisUpdate.getTime() <= now.getTime() + skew;
}
