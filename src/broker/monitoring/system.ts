// The system account of a running broker: what is said in it of the server, and who listens. Which questions there are
// is system-requests.ts's, what is told unasked advisories.ts's.
import { goJson } from '../../go-json.ts';
import type { Account, Accounts } from '../accounts/account.ts';
import type { DeliveryPolicy } from '../accounts/delivery.ts';
import { InternalPublisher } from '../accounts/internal-publisher.ts';
import { uniqueId } from '../accounts/random-name.ts';
import type { ServerFacts } from '../clients/info.ts';
import { globalAccountName } from '../options/account-name.ts';
import { type Encoding, encode } from './answer-encoding.ts';

export interface SystemEnvironment {
  readonly accounts: Accounts;
  readonly delivery: DeliveryPolicy;
  readonly facts: ServerFacts;
  readonly now: () => Date;
}

export class System {
  readonly account: Account;
  readonly #broker: SystemEnvironment;
  readonly #publisher: InternalPublisher;
  #sequence = 0;

  /** @param name of the system account */
  constructor(name: string, broker: SystemEnvironment) {
    this.#broker = broker;
    this.account = broker.accounts.get(name);
    this.#publisher = new InternalPublisher(broker.delivery, broker.now);
  }

  /** Answers a request in the account that it was made in. @param encoding what the request wants; undefined for none */
  answer(account: Account, reply: Buffer, body: object, encoding?: Encoding): void {
    this.#publisher.publish(account, reply, encode(Buffer.from(goJson(body)), encoding));
  }

  /** Answers a request in the system account with this text. */
  say(reply: Buffer, text: string): void {
    this.#publisher.publish(this.account, reply, { payload: Buffer.from(text) });
  }

  /** Asks the other servers. */
  ask(subject: string, inbox: string, body: object): void {
    const content = { payload: Buffer.from(goJson(body)), reply: Buffer.from(inbox) };
    this.#publisher.publish(this.account, Buffer.from(subject), content);
  }

  /** Tells whoever listens in the system account; the body is made only where somebody does. */
  tell(subject: string, body: () => object): void {
    this.#tellIn(this.account, subject, body);
  }

  /** Tells whoever listens in the account of those who have no other. */
  tellGlobal(subject: string, body: () => object): void {
    this.#tellIn(this.#broker.accounts.get(globalAccountName), subject, body);
  }

  #tellIn(account: Account, subject: string, body: () => object): void {
    const bytes = Buffer.from(subject);
    if (account.hasInterest(bytes)) this.answer(account, bytes, body());
  }

  /** The server as every message of the system account names it (events.go, ServerInfo). */
  server(): object {
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

  /** What every advisory begins with. @param type of the schema */
  event(type: string): object {
    return {
      type: `io.nats.server.advisory.v1.${type}`,
      id: uniqueId(),
      timestamp: this.#broker.now().toISOString(),
      server: this.server(),
    };
  }
}
