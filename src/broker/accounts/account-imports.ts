// Puts what accounts import into force, and something else after a reload: listens for the requests to services, and
// has subscriptions followed into the accounts whose streams they are for.
import { isDeepStrictEqual } from 'node:util';
import { SubjectMapping } from '../../subjects/mapping.ts';
import { type AccountLinks, noLinks, type ServiceLink, type StreamLink } from '../options/account-links.ts';
import type { Accounts } from './account.ts';
import type { DeliveryPolicy } from './delivery.ts';
import type { TellingServer } from './request-info.ts';
import { ServiceImports } from './service-imports.ts';
import { type StreamImport, StreamImports } from './stream-imports.ts';

export class AccountImports {
  readonly #accounts: Accounts;
  readonly #policy: DeliveryPolicy;
  readonly #services: ServiceImports;
  #links = noLinks;
  /** What takes back what is in force. */
  #undo: (() => void)[] = [];

  /** @param server what requests tell of this one, where they do */
  constructor(accounts: Accounts, policy: DeliveryPolicy, server: () => TellingServer) {
    this.#accounts = accounts;
    this.#policy = policy;
    this.#services = new ServiceImports(policy, server);
  }

  /** Puts other links in the place of those in force; answers that are under way still arrive. */
  apply(links: AccountLinks): void {
    if (isDeepStrictEqual(links, this.#links)) return;
    for (const undo of this.#undo.splice(0)) undo();
    this.#links = links;
    for (const name of new Set(links.streams.map(({ account }) => account))) {
      this.#follow(
        name,
        links.streams.filter(({ account }) => account === name),
      );
    }
    for (const link of links.services) this.#listen(link);
  }

  /** Ends what is under way. */
  close(): void {
    this.#services.close();
  }

  #follow(name: string, links: readonly StreamLink[]): void {
    const account = this.#accounts.get(name);
    const streams = links.map((link): StreamImport => {
      const mapping =
        link.mapped === undefined ? undefined : new SubjectMapping(bytes(link.from), bytes(link.mapped));
      return {
        exporter: this.#accounts.get(link.exporter),
        from: bytes(link.from),
        to: bytes(link.to),
        mapping,
      };
    });
    const imports = new StreamImports(streams, this.#policy, () => this.#services.isPassing);
    // Those who are there already; what the broker itself intercepts and the shadows of others are no subscriptions of it.
    for (const subscription of account.subscriptions) {
      if (subscription.receiver !== undefined) imports.add(subscription);
    }
    account.follower = imports;
    this.#undo.push(() => {
      account.follower = undefined;
      imports.close();
    });
  }

  #listen(link: ServiceLink): void {
    const importer = this.#accounts.get(link.account);
    const [from, to] = [bytes(link.from), bytes(link.to)];
    const mapping = link.mapped === undefined ? undefined : new SubjectMapping(from, bytes(link.mapped));
    const exporter = this.#accounts.get(link.exporter);
    const service = { ...link, importer, exporter, from, to, mapping };
    const request = this.#services.request.bind(this.#services, service);
    this.#undo.push(importer.intercept(from, request));
  }
}

/** A character a byte, as the broker has subjects. */
function bytes(text: string): string {
  return Buffer.from(text).toString('latin1');
}
