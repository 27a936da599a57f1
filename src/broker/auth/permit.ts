// What one session of a user with permissions may do: the permissions of the user, and the answers that it owes to the
// requests delivered to it. Sends nothing; a session of a user without permissions has no permit.
import type { Publication } from '../../protocol/operations.ts';
import type { Permissions, ResponseLimits } from '../../subjects/permissions.ts';

/** A subscription as a permit sees it. */
export interface Admitted {
  readonly subjectBytes: Buffer;
  /** In Latin-1. */
  readonly queue: string | undefined;
  /** Whether some of its messages may be kept from it; `admits` sets it. */
  filtered: boolean;
}

/** What a session asks before it publishes, subscribes and receives. */
export class Permit {
  readonly permissions: Permissions;
  readonly #answers: OpenAnswers | undefined;

  /** @param now milliseconds on a clock that is never put back */
  constructor(permissions: Permissions, now: () => number = () => performance.now()) {
    const { responses } = permissions.rules;
    this.permissions = permissions;
    this.#answers = responses && new OpenAnswers(responses, now);
  }

  /** Whether every message to this subject may be published. */
  mayPublish({ buffer, subjectStart, subjectEnd }: Publication): boolean {
    return this.permissions.mayPublish(buffer, subjectStart, subjectEnd);
  }

  /** Whether this message may be published as an answer to a request; it counts as that. */
  mayAnswer({ buffer, subjectStart, subjectEnd }: Publication): boolean {
    return this.#answers?.take(buffer.toString('latin1', subjectStart, subjectEnd)) ?? false;
  }

  /** Whether the subscription may be made, and may stay. */
  admits(subscription: Admitted): boolean {
    const { subjectBytes, queue } = subscription;
    subscription.filtered = this.permissions.filters(subjectBytes);
    return this.permissions.maySubscribe(subjectBytes, queue);
  }

  /** Whether this message may be delivered to a subscription that is admitted. */
  mayReceive({ buffer, subjectStart, subjectEnd }: Publication, { filtered, queue }: Admitted): boolean {
    return !filtered || !this.permissions.withholds(buffer, subjectStart, subjectEnd, queue);
  }

  /**
   * Lets a request that has been delivered be answered. Where it may be answered already, that it comes again counts as
   * one of the answers (client.go, deliverMsg).
   */
  received({ buffer, replyStart, replyEnd }: Publication): void {
    if (this.#answers === undefined || replyStart === replyEnd) return;
    if (this.permissions.mayPublish(buffer, replyStart, replyEnd)) return;
    const reply = buffer.toString('latin1', replyStart, replyEnd);
    if (!this.#answers.take(reply)) this.#answers.open(reply);
  }
}

/** More requests than this are not remembered: the oldest may not be answered any more. */
const maxOpen = 65_536;

/** Reply subjects that wait for an answer, in the order in which their requests came. */
class OpenAnswers {
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

  /** Whether an answer may be sent to the subject; counts it. */
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
