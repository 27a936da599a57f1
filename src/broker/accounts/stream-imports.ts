// What the subscriptions of one account get from others: each has a shadow in every account whose streams it would take
// in, and what the shadow gets is delivered under the subject that the import gives it (client.go,
// addShadowSubscriptions). What a service import has brought into an account does not leave it as a stream.
import type { Publication } from '../../protocol/operations.ts';
import { readdress } from '../../protocol/publication.ts';
import type { SubjectMapping } from '../../subjects/mapping.ts';
import { covers, hasWildcard } from '../../subjects/subject.ts';
import type { Account, SubscriptionFollower } from './account.ts';
import { type DeliveryPolicy, deliverTo } from './delivery.ts';
import { type Handler, type Publisher, Subscription } from './subscription.ts';

/** A stream that an account imports; subjects a character a byte. */
export interface StreamImport {
  readonly exporter: Account;
  readonly from: string;
  readonly to: string;
  /** Undefined where subjects stay as they are, and where `to` is the only one. */
  readonly mapping: SubjectMapping | undefined;
}

interface Shadow {
  readonly exporter: Account;
  readonly subscription: Subscription;
}

export class StreamImports implements SubscriptionFollower {
  readonly #imports: readonly StreamImport[];
  readonly #policy: DeliveryPolicy;
  readonly #isInService: () => boolean;
  readonly #shadows = new Map<Subscription, readonly Shadow[]>();

  /** @param isInService whether what is being delivered came by the import of a service */
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
    for (const shadow of this.#shadows.get(subscription) ?? []) shadow.exporter.leave(shadow.subscription);
    this.#shadows.delete(subscription);
  }

  /** Takes all shadows away. */
  close(): void {
    for (const subscription of this.#shadows.keys()) this.remove(subscription);
  }

  #shadow(subscription: Subscription, stream: StreamImport): Shadow | undefined {
    const subject = shadowSubject(subscription.subjectBytes, stream);
    if (subject === undefined) return undefined;
    const { receiver, handler, queue, sid } = subscription;
    // With a count of its own: what is imported does not bring a subscription to its end, in nats-server neither.
    const inner = new Subscription(receiver ?? (handler as Handler), subscription.subject, queue, sid);
    const deliver = (publication: Publication, publisher: Publisher) => {
      if (this.#isInService()) return false;
      inner.filtered = subscription.filtered;
      return deliverTo(inner, renamed(publication, stream), publisher, this.#policy);
    };
    const shadow = new Subscription(deliver, subject, queue, sid);
    return stream.exporter.enter(shadow) ? { exporter: stream.exporter, subscription: shadow } : undefined;
  }
}

function renamed(publication: Publication, { from, to, mapping }: StreamImport): Publication {
  if (mapping === undefined && from === to) return publication;
  const { buffer, subjectStart, subjectEnd, replyStart, replyEnd } = publication;
  const subject = mapping?.map(buffer.toString('latin1', subjectStart, subjectEnd).split('.')) ?? to;
  return readdress(publication, Buffer.from(subject, 'latin1'), buffer.subarray(replyStart, replyEnd));
}

/** The subject in the account of the stream that has the messages for a subscription; undefined where none has. */
function shadowSubject(subject: Buffer, { from, to, mapping }: StreamImport): string | undefined {
  const wanted = subject.toString('latin1').split('.');
  const given = to.split('.');
  if (subject.toString('latin1') === to) return from;
  if (covers(given, wanted)) return backwards(wanted, from, to, mapping);
  if (!hasWildcard(subject)) return undefined;
  if (covers(wanted, given)) return from;
  const common = narrow(wanted, given);
  return covers(given, common) ? backwards(common, from, to, mapping) : undefined;
}

function backwards(
  subject: readonly string[],
  from: string,
  to: string,
  mapping: SubjectMapping | undefined,
): string {
  if (mapping !== undefined) return mapping.reverse().map(subject);
  return from === to ? subject.join('.') : from;
}

/** Puts what the import says in the place of wildcards of the subscription. */
function narrow(wanted: readonly string[], given: readonly string[]): string[] {
  const common = wanted.map((token, index) => {
    const other = given[index];
    return token === '*' && other !== undefined && other !== '>' ? other : token;
  });
  if (common.at(-1) !== '>' || given.length < common.length) return common;
  return [...common.slice(0, -1), ...given.slice(common.length - 1)];
}
