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
import type { SessionIdentity } from './session-identity.ts';

export class ClientSubscriptions {
  readonly #client: Receiver;
  readonly #identity: SessionIdentity;
  readonly #options: () => BrokerOptions;
  readonly #bySid = new Map<string, Subscription>();

  /**
   * @param identity its account changes only while there are no subscriptions
   * @param options read on each use, so that a reload takes effect
   */
  constructor(client: Receiver, identity: SessionIdentity, options: () => BrokerOptions) {
    this.#client = client;
    this.#identity = identity;
    this.#options = options;
  }

  get size(): number {
    return this.#bySid.size;
  }

  [Symbol.iterator](): Iterator<Subscription> {
    return this.#bySid.values();
  }

  /** Adds a subscription or returns the violation that prevents it; copies the subject. @param queue the queue group */
  add(subject: Buffer, queue: Buffer | undefined, sid: string): Violation | undefined {
    const { permissions, account } = this.#identity;
    const group = queue?.toString('latin1');
    const subscription = new Subscription(this.#client, subject.toString('latin1'), group, sid);
    if (group === reservedGroup || permissions?.maySubscribe(subscription) === false) {
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
  unsubscribe(sid: string, max: number | undefined): void {
    const subscription = this.#bySid.get(sid);
    if (subscription === undefined) return;
    if (max !== undefined && max > subscription.delivered) subscription.max = max;
    else this.remove(subscription);
  }

  remove(subscription: Subscription): void {
    this.#bySid.delete(subscription.sid);
    this.#identity.account.unsubscribe(subscription);
  }

  clear(): void {
    for (const subscription of this.#bySid.values()) this.remove(subscription);
  }

  /** Applies changed permissions; drops the subscriptions that they deny and returns a violation for each. */
  removeDenied(): Violation[] {
    const { permissions } = this.#identity;
    const removed: Subscription[] = [];
    for (const subscription of this.#bySid.values()) {
      if (permissions === undefined) subscription.filtered = false;
      else if (!permissions.maySubscribe(subscription)) removed.push(subscription);
    }
    return removed.map((subscription) => {
      this.remove(subscription);
      const { subjectBytes, queue, sid } = subscription;
      const group = queue === undefined ? undefined : quoteBytes(Buffer.from(queue, 'latin1'));
      return subscriptionRemoved(quoteBytes(subjectBytes), group, quote(sid));
    });
  }
}
