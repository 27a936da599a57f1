// What happens to one traced message on this server, in the events that nats-server 2.15 publishes of it (msgtrace.go).
// Collects them while the message is delivered; sends nothing.
import { withHeader } from '../../protocol/headers.ts';
import type { Publication } from '../../protocol/operations.ts';

/** The header with the subject that the events are published to. */
export const traceDestinationHeader = 'Nats-Trace-Dest';

/** The value of that header which switches tracing off; it is no valid subject. */
const disabled = 'trace disabled';

const hopHeader = 'Nats-Trace-Hop';

/** Where the events of an account's sampled messages go. */
export interface AccountTracing {
  readonly destination: string;
  /** Percentage of the sampled messages that are traced, from 1 to 100. */
  readonly sampling: number;
}

/** A connection as the events name it. */
export interface TraceParty {
  /** 0 for a client, 1 for a route (client.go). */
  readonly kind: 0 | 1;
  readonly id: number;
  /** The name of the client, or of the server at the other end; may be empty. */
  readonly name: string;
  /** The account of a client. */
  readonly account: string | undefined;
}

/** Why a message was not delivered, or not traced, in nats-server's words. */
export const untraced = {
  noEcho: 'Not delivered because of no echo',
  denied: 'Not delivered because subscription denies this subject',
  ended: 'Not delivered because subscription is closed',
  closed: 'Not delivered because client is closed',
  slow: 'Not delivered because fast producer not stalled and consumer is slow',
  onlyUnsupported: 'Not delivered because remote does not support message tracing',
  unsupported:
    'Message delivered but remote does not support message tracing so no trace event generated from there',
} as const;

/** The message as it arrived. */
export interface TracedMessage {
  readonly origin: TraceParty;
  readonly account: string;
  /** In Latin-1. */
  readonly subject: string;
  /** Bytes of headers and payload. */
  readonly size: number;
  /** By name as written. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

/** The members of the published event, except the server. */
export interface TraceEvent {
  readonly request: object;
  readonly hops: number | undefined;
  readonly events: readonly object[];
}

export class MessageTrace {
  /** Whether the message is only traced, and not delivered. */
  readonly isOnly: boolean;
  /** The subject of the events, in Latin-1; that of a response while the message passes a service import. */
  destination: string;
  readonly #message: TracedMessage;
  readonly #now: () => Date;
  readonly #ingress: { readonly type: string; error?: string };
  readonly #events: object[];
  #hops = 0;

  constructor(message: TracedMessage, destination: string, isOnly: boolean, now: () => Date) {
    const { origin, account, subject } = message;
    this.#message = message;
    this.destination = destination;
    this.isOnly = isOnly;
    this.#now = now;
    const { kind, id: cid, name } = origin;
    const subj = readable(subject);
    this.#ingress = Object.assign(this.#header('in'), {
      kind,
      cid,
      name: name || undefined,
      acc: account,
      subj,
    });
    this.#events = [this.#ingress];
  }

  /** Whether the message was sent along a route, whose server publishes an event too. */
  get isRouted(): boolean {
    return this.#hops > 0;
  }

  get event(): TraceEvent {
    const { headers, size } = this.#message;
    const sorted = Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1));
    const request = { header: Object.fromEntries(sorted), msgsize: size || undefined };
    return { request, hops: this.#hops || undefined, events: this.#events };
  }

  /** Records why the message was rejected. */
  rejected(error: string): void {
    this.#ingress.error = error;
  }

  /** Records a delivery to a client, or why there was none. */
  delivery({ kind, id, name, account }: TraceParty, subscription: TracedSubscription, error?: string): void {
    this.#events.push({
      ...this.#header('eg'),
      kind,
      cid: id,
      name: name || undefined,
      acc: account === this.#message.account ? undefined : account,
      sub: readable(subscription.subject),
      queue: subscription.queue && readable(subscription.queue),
      error,
    });
  }

  /** Records that the message left along a route under the hop of `toRoute`, or why it did not. */
  sent({ kind, id, name }: TraceParty, error?: string): void {
    this.#events.push({ ...this.#header('eg'), kind, cid: id, name, hop: this.#hop, error });
  }

  /** Returns the message for the next route, which tells its server the place in the trace. */
  toRoute(publication: Publication): Publication {
    this.#hops++;
    return withHeader(publication, hopHeader, this.#hop);
  }

  /** Records that a stream brings the message into another account. @param subject there, in Latin-1 */
  streamExport(account: string, subject: string): void {
    this.#events.push({ ...this.#header('se'), acc: account, to: readable(subject) });
  }

  /** Records that a service import brings the message into another account. @param from in Latin-1, as is `to` */
  serviceImport(account: string, from: string, to: string): void {
    this.#events.push({ ...this.#header('si'), acc: account, from: readable(from), to: readable(to) });
  }

  get #hop(): string {
    const [before] = this.#message.origin.kind === 0 ? [] : (this.#message.headers[hopHeader] ?? []);
    return before === undefined ? `${this.#hops}` : `${before}.${this.#hops}`;
  }

  #header(type: string): { type: string; ts: string } {
    return { type, ts: this.#now().toISOString() };
  }
}

/** The part of a subscription that events name, in Latin-1. */
interface TracedSubscription {
  readonly subject: string;
  readonly queue: string | undefined;
}

/** Copies a message so that no server traces it. */
export function withoutTrace(publication: Publication): Publication {
  return withHeader(publication, traceDestinationHeader, disabled);
}

/** Whether the value of a destination header switches tracing off. */
export function isTraceDisabled(value: string): boolean {
  return value === disabled;
}

function readable(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}
