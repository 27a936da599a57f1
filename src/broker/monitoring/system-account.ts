// The system account of a running broker as a whole: what is answered there, what is told unasked, and what other servers
// tell. Without a system account nothing of that is done.
import type { ClientSession } from '../clients/client.ts';
import { Advisories } from './advisories.ts';
import { RemoteConnections } from './remote-connections.ts';
import { System, type SystemEnvironment } from './system.ts';
import { type Requested, serveSystemRequests } from './system-requests.ts';

export class SystemAccount {
  readonly #broker: Requested;
  readonly #advisories: Advisories | undefined;
  readonly #elsewhere: RemoteConnections | undefined;

  /** Listens from now on. */
  constructor(broker: Requested & SystemEnvironment) {
    const { systemAccount, options } = broker;
    this.#broker = broker;
    if (systemAccount === undefined) return;
    const system = new System(systemAccount, broker);
    serveSystemRequests(system, broker);
    this.#advisories = new Advisories(system, broker);
    if (options.cluster !== undefined) this.#elsewhere = new RemoteConnections(system, broker);
  }

  /** Somebody was let in. */
  connected(session: ClientSession): void {
    this.#advisories?.connected(session);
  }

  /** A session is over. @param reason in the words of monitoring */
  ended(session: ClientSession, reason: string): void {
    if (session.profile.identity !== undefined) this.#advisories?.disconnected(session, reason);
    if (reason === 'Authentication Failure') this.#advisories?.refused(session, reason);
  }

  /** Routes have come or gone. */
  clusterChanged(): void {
    this.#elsewhere?.reconcile(this.#broker.cluster?.routes.map(({ remoteId }) => remoteId) ?? []);
  }

  lameDuck(): void {
    this.#advisories?.lameDuck();
  }

  close(): void {
    this.#advisories?.close();
  }
}
