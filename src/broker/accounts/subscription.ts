// One subscription as delivery sees it: a session's, or one of the broker itself.
import type { Publication } from '../../protocol/operations.ts';
import type { Match, Sublist } from '../../subjects/sublist.ts';
import type { Permit } from '../auth/permit.ts';
import type { Connection } from '../transport/connection.ts';
import type { ConnectionStatistics } from '../transport/statistics.ts';

/** What a service in another account may learn of the client that asks; all but the first two where that is configured. */
export interface Requester {
  /** The name of its account. */
  readonly account: string;
  readonly rttMs: number;
  /** Milliseconds since 1970. */
  readonly start: number;
  readonly host: string;
  readonly id: number;
  readonly user: string;
  readonly name: string;
  readonly lang: string;
  readonly version: string;
}

/** Who listens to the subject that was published to last. */
export class LastMatch {
  /** As the parser uses it again; one made for an import is another. */
  #publication: Publication | undefined;
  #subscriptions: Sublist<Subscription> | undefined;
  #version = 0;
  #match: Match<Subscription> | undefined;

  /** The match of the publication, which is that of the last one where it is noted and nobody has come or gone since. */
  find(publication: Publication, subscriptions: Sublist<Subscription>): Match<Subscription> {
    const { version } = subscriptions;
    const kept = this.#match;
    if (
      publication.isNoted &&
      this.#publication === publication &&
      kept !== undefined &&
      this.#subscriptions === subscriptions &&
      this.#version === version
    ) {
      subscriptions.countKept();
      return kept;
    }
    const { buffer, subjectStart, subjectEnd } = publication;
    const match = subscriptions.match(buffer, subjectStart, subjectEnd);
    this.#publication = publication;
    this.#subscriptions = subscriptions;
    this.#version = version;
    this.#match = match;
    publication.isNoted = true;
    return match;
  }

  /** Lets go of it, so that an idle publisher keeps nobody in memory. */
  forget(): void {
    this.#publication = this.#match = undefined;
  }
}

/** Whoever a message comes from. */
export interface Publisher {
  /** The client; undefined for the broker itself, and for another server. */
  readonly requester?: Requester | undefined;
  /** Whether it is another server of the cluster, which has done for its clients what is to be done. */
  readonly isRoute?: boolean;
  /** Is held up while consumers are behind; undefined for the broker itself. */
  readonly connection: Connection | undefined;
  /** When it was heard last, in milliseconds since 1970. */
  readonly statistics: { readonly readAt: number };
  /** Kept from message to message by one who repeats subjects. */
  readonly lastMatch?: LastMatch;
}

/** Whoever subscribed, at the other end of a connection. */
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

/**
 * Takes a message in the broker itself, at once: the publication is valid only during the call. It may publish in turn.
 * @returns false where the message counts as taken by nobody
 */
export type Handler = (publication: Publication, publisher: Publisher) => boolean;

export class Subscription {
  /** Undefined where the broker itself listens, with `handler`. */
  readonly receiver: Receiver | undefined;
  readonly handler: Handler | undefined;
  /** In Latin-1, as the queue group and the id: there may be very many of these, and a Buffer takes several times as much room. */
  readonly subject: string;
  readonly queue: string | undefined;
  /** The id that the client chose. */
  readonly sid: string;
  /** Messages so far. */
  delivered = 0;
  /** The number of messages after which the subscription ends; 0 for none. */
  max = 0;
  closed = false;
  /** Whether the permit of its receiver keeps some messages from it. */
  filtered = false;

  constructor(by: Receiver | Handler, subject: string, queue: string | undefined, sid: string) {
    const isHandler = typeof by === 'function';
    this.receiver = isHandler ? undefined : by;
    this.handler = isHandler ? by : undefined;
    this.subject = subject;
    this.queue = queue;
    this.sid = sid;
  }

  get subjectBytes(): Buffer {
    return Buffer.from(this.subject, 'latin1');
  }
}
