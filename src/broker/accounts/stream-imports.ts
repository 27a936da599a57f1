// Delivers imported streams to the subscriptions of one account. Each subscription has a shadow in every account whose
// stream it matches; messages to the shadow are delivered under the subject of the import (client.go,
// addShadowSubscriptions). A message that a service import brought into an account does not leave it as a stream.
import type { Publication } from '../../protocol/operations.ts';
import { readdress } from '../../protocol/publication.ts';
import type { SubjectMapping } from '../../subjects/mapping.ts';
import { covers, hasWildcard } from '../../subjects/subject.ts';
import type { Account, SubscriptionObserver } from './account.ts';
import { type DeliveryPolicy, deliverTo } from './delivery.ts';
import { type Handler, type Publisher, Subscription } from './subscription.ts';

/** A stream that an account imports; subjects are in Latin-1. */
export interface StreamImport {
  /** The name of the account that imports it. */
  readonly importer: string;
  /** Whether a trace of a message goes on in the importing account. */
  readonly allowsTrace: boolean;
  readonly exporter: Account;
  readonly from: string;
  readonly to: string;
  /** Undefined if subjects stay the same or `to` is the only one. */
  readonly mapping: SubjectMapping | undefined;
}

interface Shadow {
  readonly exporter: Account;
  readonly subscription: Subscription;
}

export class StreamImports implements SubscriptionObserver {
  readonly #imports: readonly StreamImport[];
  readonly #policy: DeliveryPolicy;
  readonly #isInService: () => boolean;
  readonly #shadows = new Map<Subscription, readonly Shadow[]>();

  /** @param isInService whether the current message came through a service import */
  constructor(imports: readonly StreamImport[], policy: DeliveryPolicy, isInService: () => boolean) {
    this.#imports = imports;
    this.#policy = policy;
    this.#isInService = isInService;
  }

  add(subscription: Subscription): void {
    const shadows = this.#imports.flatMap((stream) => this.#shadow(subscription, stream) ?? []);
    if (shadows.length > 0) this.#shadows.set(subscription, shadows);
  }

  remove(subscription: Subscription): void {
    for (const shadow of this.#shadows.get(subscription) ?? []) shadow.exporter.remove(shadow.subscription);
    this.#shadows.delete(subscription);
  }

  /** Removes all shadows. */
  close(): void {
    for (const subscription of this.#shadows.keys()) this.remove(subscription);
  }

  /** Delivers a traced message; the trace ends here if the import does not allow it. */
  #deliverTraced(
    subscription: Subscription,
    publication: Publication,
    publisher: Publisher,
    { importer, allowsTrace }: StreamImport,
  ): boolean {
    const { trace } = publisher;
    trace?.streamExport(importer, subjectOf(publication));
    if (trace?.isOnly && !allowsTrace) return true;
    if (!allowsTrace) publisher.trace = undefined;
    try {
      return deliverTo(subscription, publication, publisher, this.#policy);
    } finally {
      publisher.trace = trace;
    }
  }

  #shadow(subscription: Subscription, stream: StreamImport): Shadow | undefined {
    const subject = shadowSubject(subscription.subjectBytes, stream);
    if (subject === undefined) return undefined;
    const { receiver, handler, queue, sid } = subscription;
    // It counts deliveries on its own: as in nats-server, imported messages do not count towards the subscription's
    // limit.
    const inner = new Subscription(receiver ?? (handler as Handler), subject, queue, sid);
    const deliver = (publication: Publication, publisher: Publisher) => {
      if (this.#isInService()) return false;
      inner.filtered = subscription.filtered;
      const message = renamed(publication, stream);
      if (publisher.trace !== undefined) return this.#deliverTraced(inner, message, publisher, stream);
      return deliverTo(inner, message, publisher, this.#policy);
    };
    const shadow = new Subscription(deliver, subject, queue, sid);
    return stream.exporter.insert(shadow) ? { exporter: stream.exporter, subscription: shadow } : undefined;
  }
}

function subjectOf({ buffer, subjectStart, subjectEnd }: Publication): string {
  return buffer.toString('latin1', subjectStart, subjectEnd);
}

function renamed(publication: Publication, { from, to, mapping }: StreamImport): Publication {
  if (mapping === undefined && from === to) return publication;
  const { buffer, subjectStart, subjectEnd, replyStart, replyEnd } = publication;
  const subject = mapping?.map(buffer.toString('latin1', subjectStart, subjectEnd).split('.')) ?? to;
  return readdress(publication, Buffer.from(subject, 'latin1'), buffer.subarray(replyStart, replyEnd));
}

/**
 * Returns the subject to subscribe to in the exporting account; undefined if the subscription does not match the
 * stream.
 */
function shadowSubject(subject: Buffer, { from, to, mapping }: StreamImport): string | undefined {
  const wanted = subject.toString('latin1').split('.');
  const given = to.split('.');
  if (subject.toString('latin1') === to) return from;
  if (covers(given, wanted)) return exportedSubject(wanted, from, to, mapping);
  if (!hasWildcard(subject)) return undefined;
  if (covers(wanted, given)) return from;
  const common = intersection(wanted, given);
  return covers(given, common) ? exportedSubject(common, from, to, mapping) : undefined;
}

function exportedSubject(
  subject: readonly string[],
  from: string,
  to: string,
  mapping: SubjectMapping | undefined,
): string {
  if (mapping !== undefined) return mapping.reverse().map(subject);
  return from === to ? subject.join('.') : from;
}

/** Replaces wildcards of the subscription by the tokens that the import has in their place. */
function intersection(wanted: readonly string[], given: readonly string[]): string[] {
  const common = wanted.map((token, index) => {
    const other = given[index];
    return token === '*' && other !== undefined && other !== '>' ? other : token;
  });
  if (common.at(-1) !== '>' || given.length < common.length) return common;
  return [...common.slice(0, -1), ...given.slice(common.length - 1)];
}
