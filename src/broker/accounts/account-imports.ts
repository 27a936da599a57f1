// Applies the exports and imports of accounts, at start and after a reload: subscribes to requests for imported
// services, shadows subscriptions in the accounts whose streams they import, and measures services.
import { isDeepStrictEqual } from 'node:util';
import { SubjectMapping } from '../../subjects/mapping.ts';
import { type AccountLinks, noLinks, type ServiceLink, type StreamLink } from '../options/account-links.ts';
import type { AccountOptions, AuthOptions } from '../options/auth-options.ts';
import type { Accounts } from './account.ts';
import type { ServerName } from './client-info.ts';
import type { DeliveryPolicy } from './delivery.ts';
import { InternalPublisher } from './internal-publisher.ts';
import { serverToken } from './random-name.ts';
import { parseRemoteLatency, RemoteRequests, resultSubject } from './remote-requests.ts';
import { ServiceImports } from './service-imports.ts';
import { LatencyMeter } from './service-latency.ts';
import { type StreamImport, StreamImports } from './stream-imports.ts';

/** The broker as the imports and exports of its accounts see it. */
export interface ImportsOwner {
  readonly accounts: Accounts;
  readonly delivery: DeliveryPolicy;
  readonly now: () => Date;
  /** This server, as requests and results name it. */
  readonly facts: ServerName;
  /** Undefined without a system account. */
  readonly systemAccount: string | undefined;
}

export class AccountImports {
  readonly #broker: ImportsOwner;
  readonly #accounts: Accounts;
  readonly #policy: DeliveryPolicy;
  readonly #meter: LatencyMeter;
  readonly #services: ServiceImports;
  #links = noLinks;
  #exports: readonly AccountOptions[] = [];
  /** Functions that undo the applied imports. */
  #undo: (() => void)[] = [];
  /** Functions that undo the applied exports. */
  #undoExports: (() => void)[] = [];

  constructor(broker: ImportsOwner) {
    const server = () => broker.facts;
    this.#broker = broker;
    this.#accounts = broker.accounts;
    this.#policy = broker.delivery;
    this.#meter = new LatencyMeter(this.#policy, server, broker.now);
    this.#services = new ServiceImports(this.#policy, server, this.#meter);
  }

  /** Replaces the exports and imports; answers to open requests still arrive. */
  apply({ links, accounts }: AuthOptions): void {
    this.#import(links);
    this.#export(accounts);
  }

  /** Subscribes to the measurements that other servers make of requests from this server. */
  subscribeToMeasurements(): void {
    const { systemAccount, facts } = this.#broker;
    if (systemAccount === undefined) return;
    const subject = resultSubject(serverToken(facts.name));
    this.#accounts
      .get(systemAccount)
      .subscribeInternal(subject, ({ buffer, payloadStart, headerSize, payloadEnd }) => {
        const message = parseRemoteLatency(buffer.subarray(payloadStart + headerSize, payloadEnd));
        if (message !== undefined) this.#services.applyRemoteLatency(message);
        return true;
      });
  }

  /** Measures, for other servers, how long the services of each account take on this server. */
  #export(accounts: readonly AccountOptions[]): void {
    const { systemAccount } = this.#broker;
    if (systemAccount === undefined || isDeepStrictEqual(accounts, this.#exports)) return;
    for (const undo of this.#undoExports.splice(0)) undo();
    this.#exports = accounts;
    const publisher = new InternalPublisher(this.#policy, this.#broker.now);
    const sendResult = (token: string, payload: Buffer) =>
      publisher.publish(this.#accounts.get(systemAccount), Buffer.from(resultSubject(token), 'latin1'), {
        payload,
      });
    for (const { name, exports } of accounts) {
      const services = exports.filter(({ kind }) => kind === 'service');
      if (services.length === 0) continue;
      const account = this.#accounts.get(name);
      const requests = new RemoteRequests(account, services, this.#meter, sendResult);
      account.onRoutedRequest = (publication) => requests.delivered(publication);
      this.#undoExports.push(() => {
        account.onRoutedRequest = undefined;
        requests.close();
      });
    }
  }

  #import(links: AccountLinks): void {
    if (isDeepStrictEqual(links, this.#links)) return;
    for (const undo of this.#undo.splice(0)) undo();
    this.#links = links;
    for (const name of new Set(links.streams.map(({ account }) => account))) {
      this.#importStreams(
        name,
        links.streams.filter(({ account }) => account === name),
      );
    }
    for (const link of links.services) this.#importService(link);
  }

  /** Drops all open requests. */
  close(): void {
    for (const undo of this.#undoExports.splice(0)) undo();
    this.#services.close();
  }

  #importStreams(name: string, links: readonly StreamLink[]): void {
    const account = this.#accounts.get(name);
    const streams = links.map((link): StreamImport => {
      const mapping =
        link.mapped === undefined
          ? undefined
          : new SubjectMapping(toLatin1(link.from), toLatin1(link.mapped));
      return {
        importer: name,
        allowsTrace: link.allowsTrace,
        exporter: this.#accounts.get(link.exporter),
        from: toLatin1(link.from),
        to: toLatin1(link.to),
        mapping,
      };
    });
    const imports = new StreamImports(streams, this.#policy, () => this.#services.isForwarding);
    // Shadow the existing subscriptions of sessions. Interceptions and shadows have no receiver and stay out.
    for (const subscription of account.subscriptions) {
      if (subscription.receiver !== undefined) imports.add(subscription);
    }
    account.observer = imports;
    this.#undo.push(() => {
      account.observer = undefined;
      imports.close();
    });
  }

  #importService(link: ServiceLink): void {
    const importer = this.#accounts.get(link.account);
    const [from, to] = [toLatin1(link.from), toLatin1(link.to)];
    const mapping = link.mapped === undefined ? undefined : new SubjectMapping(from, toLatin1(link.mapped));
    const exporter = this.#accounts.get(link.exporter);
    const isOfSystem = link.exporter === this.#broker.systemAccount;
    const service = { ...link, isOfSystem, importer, exporter, from, to, mapping };
    const request = this.#services.request.bind(this.#services, service);
    this.#undo.push(importer.intercept(from, request));
  }
}

/** Converts to Latin-1, one character per byte, the broker's form of subjects. */
function toLatin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
