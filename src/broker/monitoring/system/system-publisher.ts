// Publishing in the system account of a running broker: responses, advisories and requests, and how they describe the
// server. system-requests.ts defines the requests, and advisories.ts the advisories.
import { goJson } from '../../../protocol/go-format.ts';
import type { Account } from '../../accounts/account.ts';
import { InternalPublisher } from '../../accounts/internal-publisher.ts';
import { uniqueId } from '../../accounts/random-name.ts';
import type { BrokerContext } from '../../clients/broker-context.ts';
import { globalAccountName } from '../../options/account-name.ts';
import { type Encoding, encode } from './answer-encoding.ts';

export class SystemPublisher {
  readonly account: Account;
  readonly #broker: BrokerContext;
  readonly #publisher: InternalPublisher;
  #sequence = 0;

  /** @param name the name of the system account */
  constructor(name: string, broker: BrokerContext) {
    this.#broker = broker;
    this.account = broker.accounts.get(name);
    this.#publisher = new InternalPublisher(broker.delivery, broker.now);
  }

  /** Publishes a JSON response in the account of the request. @param encoding as requested; undefined for none */
  respond(account: Account, reply: Buffer, body: object, encoding?: Encoding): void {
    this.#publisher.publish(account, reply, encode(Buffer.from(goJson(body)), encoding));
  }

  /** Publishes a text response in the system account. */
  respondText(reply: Buffer, text: string): void {
    this.#publisher.publish(this.account, reply, { payload: Buffer.from(text) });
  }

  /** Sends a request to the other servers. */
  sendRequest(subject: string, inbox: string, body: object): void {
    const content = { payload: Buffer.from(goJson(body)), reply: Buffer.from(inbox) };
    this.#publisher.publish(this.account, Buffer.from(subject), content);
  }

  /** Publishes an advisory in the system account; builds its body only if it has a subscriber. */
  publishAdvisory(subject: string, body: () => object): void {
    this.#publishIfSubscribed(this.account, subject, body);
  }

  /** Publishes an advisory in the global account. */
  publishGlobalAdvisory(subject: string, body: () => object): void {
    this.#publishIfSubscribed(this.#broker.accounts.get(globalAccountName), subject, body);
  }

  #publishIfSubscribed(account: Account, subject: string, body: () => object): void {
    const bytes = Buffer.from(subject);
    if (account.hasInterest(bytes)) this.respond(account, bytes, body());
  }

  /** Describes the server for every message of the system account (events.go, ServerInfo). */
  serverInfo(): object {
    const { facts, now } = this.#broker;
    this.#sequence++;
    return {
      name: facts.name,
      host: facts.host,
      id: facts.id,
      cluster: facts.cluster,
      ver: facts.version,
      jetstream: false,
      flags: 0,
      seq: this.#sequence,
      time: now().toISOString(),
    };
  }

  /** Builds the fields that every advisory begins with. @param type the name of its schema */
  typedEvent(type: string): object {
    return {
      type: `io.nats.server.advisory.v1.${type}`,
      id: uniqueId(),
      timestamp: this.#broker.now().toISOString(),
      server: this.serverInfo(),
    };
  }
}
