// The connections of each account on the other servers of a cluster, which report them on changes and periodically.
// They count towards the limit of the account; if it is exceeded nevertheless, this server closes its newest
// connections (accounts.go, updateRemoteServer; events.go, remoteConnsUpdate).
import { violations } from '../../../protocol/violations.ts';
import type { Handler } from '../../accounts/subscription.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import { payloadOf } from './request-options.ts';
import type { SystemPublisher } from './system-publisher.ts';

/** A report by another server about one account. */
interface Report {
  readonly serverId: string;
  readonly account: string;
  readonly connections: number;
}

export class RemoteConnections {
  readonly #broker: MonitoredBroker;
  /** Number of connections by server id and account. */
  readonly #byServer = new Map<string, Map<string, number>>();
  /** The ids of the servers with a route at the last `reconcile`. */
  #routed: ReadonlySet<string> = new Set();

  /** Subscribes in the system account, for as long as that exists. */
  constructor({ account }: SystemPublisher, broker: MonitoredBroker) {
    this.#broker = broker;
    const listen = (subject: string, handler: Handler) => account.subscribeInternal(subject, handler);
    for (const subject of ['$SYS.SERVER.ACCOUNT.*.CONNS', `$SYS._INBOX_.${broker.facts.id}`]) {
      listen(subject, (publication) => {
        this.#applyReport(parseReport(payloadOf(publication)));
        return true;
      });
    }
    for (const event of ['SHUTDOWN', 'LAMEDUCK']) {
      listen(`$SYS.SERVER.*.${event}`, ({ buffer, subjectStart, subjectEnd }) => {
        this.#forget(buffer.toString('latin1', subjectStart, subjectEnd).split('.')[2] ?? '');
        return true;
      });
    }
  }

  /** Drops the counts of servers whose route has ended. @param ids of the servers with a route */
  reconcile(ids: readonly string[]): void {
    const routed = new Set(ids);
    for (const id of this.#routed) {
      if (!routed.has(id)) this.#forget(id);
    }
    this.#routed = routed;
  }

  #applyReport(report: Report | undefined): void {
    const account = [...this.#broker.accounts].find(({ name }) => name === report?.account);
    if (report === undefined || account === undefined || report.serverId === this.#broker.facts.id) return;
    const known = this.#byServer.get(report.serverId) ?? new Map<string, number>();
    this.#byServer.set(report.serverId, known);
    account.remoteClients += report.connections - (known.get(account.name) ?? 0);
    if (report.connections > 0) known.set(account.name, report.connections);
    else known.delete(account.name);
    const over = account.clients + account.remoteClients - account.limits.maxConnections;
    if (over > 0) this.#closeNewest(account.name, over);
  }

  /**
   * Closes the newest connections. Other servers may do the same, so more may end than must; those clients reconnect.
   */
  #closeNewest(account: string, count: number): void {
    const newestFirst = this.#broker.sessions.inAccount(account).sort((a, b) => b.id - a.id);
    for (const session of newestFirst.slice(0, count)) session.violation(violations.maxAccountConnections);
  }

  #forget(serverId: string): void {
    for (const [name, connections] of this.#byServer.get(serverId) ?? []) {
      this.#broker.accounts.get(name).remoteClients -= connections;
    }
    this.#byServer.delete(serverId);
  }
}

/** Returns undefined if the payload is not a report of a server. */
function parseReport(json: Buffer): Report | undefined {
  try {
    const { server, acc: account, conns: connections } = JSON.parse(json.toString());
    if (typeof server.id !== 'string' || typeof account !== 'string') return undefined;
    const isCount = Number.isSafeInteger(connections) && connections >= 0;
    return isCount ? { serverId: server.id, account, connections } : undefined;
  } catch {
    return undefined;
  }
}
