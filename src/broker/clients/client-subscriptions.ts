// The subscriptions of one client by sid. Registers each in its account, within its permissions and the limits of
// server and account. Sends nothing.
import { quote, quoteBytes } from '../../log.ts';
import {
  subscribeDenied,
  subscriptionRemoved,
  tooManyTokens,
  type Violation,
  violations,
} from '../../protocol/violations.ts';
import { tokens } from '../../subjects/subject.ts';
import { type Receiver, Subscription } from '../accounts/subscription.ts';
import { reservedGroup } from '../auth/reserved-subjects.ts';
import type { BrokerOptions } from '../options/options.ts';
import type { Standing } from './session-identity.ts';

export class ClientSubscriptions {
  readonly #client: Receiver;
  readonly #standing: Standing;
  readonly #options: () => BrokerOptions;
  readonly #bySid = new Map<string, Subscription>();

  /**
   * @param standing its account changes only while there are no subscriptions
   * @param options read on each use, so that a reload takes effect
   */
  constructor(client: Receiver, standing: Standing, options: () => BrokerOptions) {
    this.#client = client;
    this.#standing = standing;
    this.#options = options;
  }

  get size(): number {
    return this.#bySid.size;
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#bySid.values();
  }

  /** Adds a subscription or returns the violation that prevents it; copies the subject. @param queue the queue group */
  begin(subject: Buffer, queue: Buffer | undefined, sid: string): Violation | undefined {
    const { permit, account } = this.#standing;
    const group = queue?.toString('latin1');
    const subscription = new Subscription(this.#client, subject.toString('latin1'), group, sid);
    if (group === reservedGroup || permit?.admits(subscription) === false) {
      return subscribeDenied(quoteBytes(subject), queue && quoteBytes(queue));
    }
    const { maxSubscriptionTokens, maxSubscriptions } = this.#options();
    if (tokens(subject).length > maxSubscriptionTokens) return tooManyTokens(quoteBytes(subject));
    if (this.size >= Math.min(maxSubscriptions, account.limits.maxSubscriptions)) {
      return violations.maxSubscriptions;
    }
    // A sid in use keeps its subscription (client.go, processSubEx).
    if (this.#bySid.has(sid)) return undefined;
    if (!account.subscribe(subscription)) return violations.invalidSubject;
    this.#bySid.set(sid, subscription);
    return undefined;
  }

  /** Ends a subscription, immediately or after it has received `max` messages in total. */
  end(sid: string, max: number | undefined): void {
    const subscription = this.#bySid.get(sid);
    if (subscription === undefined) return;
    if (max !== undefined && max > subscription.delivered) subscription.max = max;
    else this.drop(subscription);
  }

  drop(subscription: Subscription): void {
    this.#bySid.delete(subscription.sid);
    this.#standing.account.unsubscribe(subscription);
  }

  clear(): void {
    for (const subscription of this.#bySid.values()) this.drop(subscription);
  }

  /** Applies changed permissions; drops the subscriptions that they deny and returns a violation for each. */
  review(): Violation[] {
    const { permit } = this.#standing;
    const removed: Subscription[] = [];
    for (const subscription of this.#bySid.values()) {
      if (permit === undefined) subscription.filtered = false;
      else if (!permit.admits(subscription)) removed.push(subscription);
    }
    return removed.map((subscription) => {
      this.drop(subscription);
      const { subjectBytes, queue, sid } = subscription;
      const group = queue === undefined ? undefined : quoteBytes(Buffer.from(queue, 'latin1'));
      return subscriptionRemoved(quoteBytes(subjectBytes), group, quote(sid));
    });
  }
}
