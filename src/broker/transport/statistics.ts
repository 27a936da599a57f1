// Counters on the message path: plain numbers that are only incremented. Totals are computed when monitoring requests
// them.
import type { CloseReason } from '../../protocol/violations.ts';

/** Messages and bytes in each direction; bytes count headers and payload. */
export interface Traffic {
  inMsgs: number;
  inBytes: number;
  outMsgs: number;
  outBytes: number;
}

/** Counters of one connection, and its times in milliseconds since 1970. */
export class ConnectionStatistics implements Traffic {
  inMsgs = 0;
  inBytes = 0;
  outMsgs = 0;
  outBytes = 0;
  readonly start: number;
  /** When bytes last arrived. */
  readAt: number;
  /** When it last handled a message or changed a subscription (client.go, readLoop and flushClients). */
  lastActivity: number;

  constructor(start: number) {
    this.start = start;
    this.readAt = start;
    this.lastActivity = start;
  }
}

/** Totals of connections that have ended. */
export class EndedConnections implements Traffic {
  inMsgs = 0;
  inBytes = 0;
  outMsgs = 0;
  outBytes = 0;
  slowConsumers = 0;
  staleConnections = 0;
  /** Number of times that a consumer stalled one of them. */
  stalls = 0;
  /** Number of ended connections by reason. */
  readonly reasons = new Map<CloseReason, number>();

  add(connection: Traffic, stalls: number, reason: CloseReason): void {
    addTraffic(this, connection);
    this.stalls += stalls;
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
    if (reason.startsWith('Slow Consumer')) this.slowConsumers++;
    if (reason === 'Stale Connection') this.staleConnections++;
  }
}

/** Adds `more` to `sum`. */
export function addTraffic(sum: Traffic, more: Traffic): void {
  sum.inMsgs += more.inMsgs;
  sum.inBytes += more.inBytes;
  sum.outMsgs += more.outMsgs;
  sum.outBytes += more.outBytes;
}
