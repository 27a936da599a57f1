// Subscriptions, of sessions and of the broker itself, and the interfaces that delivery needs of publishers and
// receivers.
import type { Publication } from '../../protocol/operations.ts';
import type { Match, Sublist } from '../../subjects/sublist.ts';
import type { SessionPermissions } from '../auth/session-permissions.ts';
import type { Connection } from '../transport/connection.ts';
import type { ConnectionStatistics } from '../transport/statistics.ts';
import type { MessageTrace, TraceParty } from './message-trace.ts';

/** How a client connects, as monitoring names it. */
export type ClientType = 'nats' | 'websocket';

/** A client as services in other accounts may see it; all but the first two fields only if the import has `share`. */
export interface Requester {
  readonly type: ClientType;
  /** The name of the client's account. */
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

/** Caches the match of the subject that a publisher has published to last. */
export class LastMatch {
  /** The object that the parser reuses for each message; a publication made for an import is another object. */
  #publication: Publication | undefined;
  #subscriptions: Sublist<Subscription> | undefined;
  #version = 0;
  #match: Match<Subscription> | undefined;

  /**
   * Returns the match of a publication; the cached one if its subject is noted as unchanged and no subscription
   * changed.
   */
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

  /** Drops the cached match, so that an idle publisher does not keep subscriptions in memory. */
  forget(): void {
    this.#publication = this.#match = undefined;
  }
}

/** The source of a message: a client, a route or the broker itself. */
export interface Publisher {
  /** The client; undefined for the broker itself and for a route. */
  readonly requester?: Requester | undefined;
  /** Whether it is a route: the server at its other end has already processed service imports for its clients. */
  readonly isRoute?: boolean;
  /** Whether only allow_responses permits the current message. */
  readonly isResponding?: boolean;
  /** Stalled while a subscriber has a backlog; undefined for a publisher that never waits. */
  readonly connection: Connection | undefined;
  /** The time of the last read from it, in milliseconds since 1970. */
  readonly statistics: { readonly readAt: number };
  /** For a publisher that repeats subjects. */
  readonly lastMatch?: LastMatch;
  /** The trace of its current message; undefined if that is not traced. */
  trace?: MessageTrace | undefined;
}

/** The session that a subscription belongs to. */
export interface Receiver {
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  /** Whether it receives messages that it publishes itself. */
  readonly echo: boolean;
  /** Whether the client supports headers. */
  readonly headers: boolean;
  /** How events of a trace name it. */
  readonly party: TraceParty;
  /** Undefined for an unrestricted user. */
  readonly permissions: SessionPermissions | undefined;
  /** Removes the subscription from its account, after its last message. */
  removeSubscription(subscription: Subscription): void;
  /** Called with each message queued, while trace is on. */
  readonly traceDelivery: ((publication: Publication, subscription: Subscription) => void) | undefined;
}

/**
 * Handles a message in the broker itself, synchronously: the publication is valid only during the call. May publish.
 * @returns false if the message counts as not delivered
 */
export type Handler = (publication: Publication, publisher: Publisher) => boolean;

export class Subscription {
  /** Undefined for a subscription of the broker itself, which has a `handler`. */
  readonly receiver: Receiver | undefined;
  readonly handler: Handler | undefined;
  /**
   * In Latin-1, as are queue group and id: there may be very many entries, and a Buffer needs several times the
   * memory.
   */
  readonly subject: string;
  readonly queue: string | undefined;
  /** The id that the client chose. */
  readonly sid: string;
  /** The number of messages delivered so far. */
  delivered = 0;
  /** The number of messages after which the subscription ends; 0 for none. */
  max = 0;
  closed = false;
  /** Whether the permissions of its receiver may withhold some messages. */
  filtered = false;

  constructor(owner: Receiver | Handler, subject: string, queue: string | undefined, sid: string) {
    const isHandler = typeof owner === 'function';
    this.receiver = isHandler ? undefined : owner;
    this.handler = isHandler ? owner : undefined;
    this.subject = subject;
    this.queue = queue;
    this.sid = sid;
  }

  get subjectBytes(): Buffer {
    return Buffer.from(this.subject, 'latin1');
  }
}
