// Assembles the services of the system account: answers to requests, advisories, and the connection counts of other
// servers. Without a system account it does nothing.
import type { Account } from '../../accounts/account.ts';
import type { TraceEvent } from '../../accounts/message-trace.ts';
import type { ClientSession } from '../../clients/client.ts';
import { Advisories } from './advisories.ts';
import { encodingOf } from './answer-encoding.ts';
import { RemoteConnections } from './remote-connections.ts';
import type { ReloadableBroker } from './system-answers.ts';
import { SystemPublisher } from './system-publisher.ts';
import { serveSystemRequests } from './system-requests.ts';

export class SystemAccount {
  readonly #broker: ReloadableBroker;
  readonly #advisories: Advisories | undefined;
  readonly #remoteConnections: RemoteConnections | undefined;

  readonly #publisher: SystemPublisher | undefined;

  /** Subscribes in the system account. */
  constructor(broker: ReloadableBroker) {
    const { systemAccount, options } = broker;
    this.#broker = broker;
    if (systemAccount === undefined) return;
    const system = new SystemPublisher(systemAccount, broker);
    this.#publisher = system;
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

  /** Publishes the event of a traced message in its account. @param destination in Latin-1 */
  sendTrace(account: Account, destination: string, event: TraceEvent, accepted: string | undefined): void {
    const system = this.#publisher;
    const encoding = accepted === undefined ? undefined : encodingOf(accepted);
    const { request, hops, events } = event;
    const body = { server: system?.serverInfo(), request, hops, events };
    system?.respond(account, Buffer.from(destination, 'latin1'), body, encoding);
  }

  /** The routes in use have changed. */
  clusterChanged(): void {
    this.#remoteConnections?.reconcile(this.#broker.cluster?.peers.map(({ remoteId }) => remoteId) ?? []);
  }

  lameDuck(): void {
    this.#advisories?.lameDuck();
  }

  close(): void {
    this.#advisories?.close();
  }
}
