// Publishes the broker's own messages: answers to requests that the broker handles itself, and events.
import { type Content, compose } from '../../protocol/publication.ts';
import type { Account } from './account.ts';
import { type DeliveryPolicy, publish } from './delivery.ts';
import type { Publisher } from './subscription.ts';

export class InternalPublisher implements Publisher {
  readonly connection = undefined;
  readonly statistics: Publisher['statistics'];
  readonly #policy: DeliveryPolicy;

  constructor(policy: DeliveryPolicy, now: () => Date) {
    this.#policy = policy;
    this.statistics = {
      get readAt() {
        return now().getTime();
      },
    };
  }

  /** Publishes in an account; false if no subscriber accepted the message. */
  publish(account: Account, subject: Uint8Array, content: Content): boolean {
    return publish(compose(subject, content), account, this, this.#policy);
  }
}
