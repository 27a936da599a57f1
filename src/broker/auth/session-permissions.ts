// Enforces permissions for one session: those of its user, and the answers that it may send to requests delivered to it
// (allow_responses). Sends nothing; a session of an unrestricted user has none.
import type { Publication } from '../../protocol/operations.ts';
import type { Permissions, ResponseLimits } from '../../subjects/permissions.ts';
import { jetStreamKind } from './reserved-subjects.ts';

/** The part of a subscription that permissions apply to. */
export interface PermittedSubscription {
  readonly subjectBytes: Buffer;
  /** In Latin-1. */
  readonly queue: string | undefined;
  /** Whether the permissions may withhold some of its messages; set by `maySubscribe`. */
  filtered: boolean;
}

export class SessionPermissions {
  readonly permissions: Permissions;
  readonly #responses: AllowedResponses | undefined;

  /** @param now milliseconds on a monotonic clock */
  constructor(permissions: Permissions, now: () => number = () => performance.now()) {
    const { responses } = permissions.rules;
    this.permissions = permissions;
    this.#responses = responses && new AllowedResponses(responses, now);
  }

  /** Whether the user's permissions allow publishing to the message's subject. */
  mayPublish({ buffer, subjectStart, subjectEnd }: Publication): boolean {
    return this.permissions.mayPublish(buffer, subjectStart, subjectEnd);
  }

  /** Whether the message may be published as an answer to a request; counts it as one. */
  mayRespond({ buffer, subjectStart, subjectEnd }: Publication): boolean {
    return this.#responses?.take(buffer.toString('latin1', subjectStart, subjectEnd)) ?? false;
  }

  /** Whether the subscription is allowed, both when it is created and after a reload. */
  maySubscribe(subscription: PermittedSubscription): boolean {
    const { subjectBytes, queue } = subscription;
    subscription.filtered = this.permissions.filters(subjectBytes);
    return this.permissions.maySubscribe(subjectBytes, queue);
  }

  /** Whether the message may be delivered to an allowed subscription. */
  mayReceive(
    { buffer, subjectStart, subjectEnd }: Publication,
    { filtered, queue }: PermittedSubscription,
  ): boolean {
    return !filtered || !this.permissions.withholds(buffer, subjectStart, subjectEnd, queue);
  }

  /**
   * Allows answers to a delivered request, unless they would be requests to JetStream. A second request with the same
   * reply subject counts as one of the answers to the first (client.go, deliverMsg).
   */
  received({ buffer, replyStart, replyEnd }: Publication): void {
    if (this.#responses === undefined || replyStart === replyEnd) return;
    if (this.permissions.mayPublish(buffer, replyStart, replyEnd)) return;
    const reply = buffer.toString('latin1', replyStart, replyEnd);
    if (jetStreamKind(reply) === 'request') return;
    if (!this.#responses.take(reply)) this.#responses.open(reply);
  }
}

/** Above this number of open requests, the session may no longer answer the oldest. */
const maxOpen = 65_536;

/** The reply subjects that may be answered, in the order of their requests. */
class AllowedResponses {
  readonly #limits: ResponseLimits;
  readonly #now: () => number;
  readonly #open = new Map<string, { readonly since: number; taken: number }>();

  constructor(limits: ResponseLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  open(subject: string): void {
    const since = this.#now();
    this.#open.set(subject, { since, taken: 0 });
    for (const [oldest, answer] of this.#open) {
      if (this.#open.size <= maxOpen && !this.#isLate(answer.since, since)) break;
      this.#open.delete(oldest);
    }
  }

  /** Whether an answer may be sent to the subject; counts the answer. */
  take(subject: string): boolean {
    const answer = this.#open.get(subject);
    if (answer === undefined) return false;
    const late = this.#isLate(answer.since, this.#now());
    answer.taken++;
    if (late || answer.taken >= this.#limits.max) this.#open.delete(subject);
    return !late;
  }

  #isLate(since: number, now: number): boolean {
    return now - since > this.#limits.expiresMs;
  }
}
