// One subscription of one session, as delivery sees it.
import type { Publication } from '../protocol/operations.ts';
import type { Connection } from './connection.ts';
import type { Permit } from './permit.ts';
import type { ConnectionStatistics } from './statistics.ts';

/** Whoever subscribed. */
export interface Receiver {
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  /** Whether it gets what it publishes itself. */
  readonly echo: boolean;
  /** Whether it takes headers. */
  readonly headers: boolean;
  /** Undefined for one who may do everything. */
  readonly permit: Permit | undefined;
  /** Takes the subscription out of its account, after its last message. */
  drop(subscription: Subscription): void;
  /** Called with each message queued, while trace is on. */
  readonly traceDelivery: ((publication: Publication, subscription: Subscription) => void) | undefined;
}

export class Subscription {
  readonly receiver: Receiver;
  readonly subject: Buffer;
  readonly queue: string | undefined;
  /** The id that the client chose. */
  readonly sid: string;
  /** The id as it stands in messages, with a space behind it. */
  readonly sidBytes: Buffer;
  /** Messages so far. */
  delivered = 0;
  /** The number of messages after which the subscription ends; 0 for none. */
  max = 0;
  closed = false;
  /** Whether the permit of its receiver keeps some messages from it. */
  filtered = false;

  /** Copies the subject. */
  constructor(receiver: Receiver, subject: Buffer, queue: string | undefined, sid: string) {
    this.receiver = receiver;
    this.subject = Buffer.from(subject);
    this.queue = queue;
    this.sid = sid;
    this.sidBytes = Buffer.from(`${sid} `, 'latin1');
  }
}
