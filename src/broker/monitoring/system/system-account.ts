// Assembles the services of the system account: answers to requests, advisories, and the connection counts of other
// servers. Without a system account it does nothing.
import type { ClientSession } from '../../clients/client.ts';
import { Advisories } from './advisories.ts';
import { RemoteConnections } from './remote-connections.ts';
import type { ReloadableBroker } from './system-answers.ts';
import { SystemPublisher } from './system-publisher.ts';
import { serveSystemRequests } from './system-requests.ts';

export class SystemAccount {
  readonly #broker: ReloadableBroker;
  readonly #advisories: Advisories | undefined;
  readonly #remoteConnections: RemoteConnections | undefined;

  /** Subscribes in the system account. */
  constructor(broker: ReloadableBroker) {
    const { systemAccount, options } = broker;
    this.#broker = broker;
    if (systemAccount === undefined) return;
    const system = new SystemPublisher(systemAccount, broker);
    serveSystemRequests(system, broker);
    this.#advisories = new Advisories(system, broker);
    if (options.cluster !== undefined) this.#remoteConnections = new RemoteConnections(system, broker);
  }

  /** A client was accepted. */
  connected(session: ClientSession): void {
    this.#advisories?.connected(session);
  }

  /** A session has ended. @param reason in the wording of monitoring */
  ended(session: ClientSession, reason: string): void {
    if (session.profile.user !== undefined) this.#advisories?.disconnected(session, reason);
    if (reason === 'Authentication Failure') this.#advisories?.rejected(session, reason);
  }

  /** The routes in use have changed. */
  clusterChanged(): void {
    this.#remoteConnections?.reconcile(this.#broker.cluster?.routes.map(({ remoteId }) => remoteId) ?? []);
  }

  lameDuck(): void {
    this.#advisories?.lameDuck();
  }

  close(): void {
    this.#advisories?.close();
  }
}
