// What is counted where messages pass: plain numbers, added to and nothing else. What they add up to is worked out when
// somebody asks.
import type { CloseReason } from '../../protocol/violations.ts';

/** Messages and bytes, each way; bytes are those of headers and payload. */
export interface Traffic {
  inMsgs: number;
  inBytes: number;
  outMsgs: number;
  outBytes: number;
}

/** What one connection has sent and received, and when, in milliseconds since 1970. */
export class ConnectionStatistics implements Traffic {
  inMsgs = 0;
  inBytes = 0;
  outMsgs = 0;
  outBytes = 0;
  readonly start: number;
  /** When bytes came last. */
  readAt: number;
  /** When it last had a part in messages or in subscriptions (client.go, readLoop and flushClients). */
  lastActivity: number;

  constructor(start: number) {
    this.start = start;
    this.readAt = start;
    this.lastActivity = start;
  }
}

/** What is left of connections that have ended. */
export class EndedConnections implements Traffic {
  inMsgs = 0;
  inBytes = 0;
  outMsgs = 0;
  outBytes = 0;
  slowConsumers = 0;
  staleConnections = 0;
  /** Times that one of them had to wait for a consumer. */
  stalls = 0;
  /** How many ended why. */
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
