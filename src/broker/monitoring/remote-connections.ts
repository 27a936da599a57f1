// How many connections each account has on the other servers of a cluster: they count towards its limit, and where that
// is exceeded all the same the newest here end (accounts.go, updateRemoteServer; events.go, remoteConnsUpdate). The other
// servers tell when it changes, and from time to time.
import { violations } from '../../protocol/violations.ts';
import type { Handler } from '../accounts/subscription.ts';
import type { Monitored } from './monitored.ts';
import { payloadOf } from './request-options.ts';
import type { System } from './system.ts';

/** What a server tells of one account. */
interface Told {
  readonly serverId: string;
  readonly account: string;
  readonly connections: number;
}

export class RemoteConnections {
  readonly #broker: Monitored;
  /** By the id of the server and the account. */
  readonly #byServer = new Map<string, Map<string, number>>();
  /** The servers that there were routes to. */
  #routed: ReadonlySet<string> = new Set();

  /** Listens as long as the system account is there. */
  constructor({ account }: System, broker: Monitored) {
    this.#broker = broker;
    const listen = (subject: string, handler: Handler) => account.handle(subject, handler);
    for (const subject of ['$SYS.SERVER.ACCOUNT.*.CONNS', `$SYS._INBOX_.${broker.facts.id}`]) {
      listen(subject, (publication) => {
        this.#take(readTold(payloadOf(publication)));
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

  /** Forgets the servers to which there are no routes any more. @param ids of those to which there are */
  reconcile(ids: readonly string[]): void {
    const routed = new Set(ids);
    for (const id of this.#routed) {
      if (!routed.has(id)) this.#forget(id);
    }
    this.#routed = routed;
  }

  #take(told: Told | undefined): void {
    const account = [...this.#broker.accounts].find(({ name }) => name === told?.account);
    if (told === undefined || account === undefined || told.serverId === this.#broker.facts.id) return;
    const known = this.#byServer.get(told.serverId) ?? new Map<string, number>();
    this.#byServer.set(told.serverId, known);
    account.remoteClients += told.connections - (known.get(account.name) ?? 0);
    if (told.connections > 0) known.set(account.name, told.connections);
    else known.delete(account.name);
    const over = account.clients + account.remoteClients - account.limits.maxConnections;
    if (over > 0) this.#end(account.name, over);
  }

  /** Others that have too many do the same, so that more may end than must: they come again. */
  #end(account: string, count: number): void {
    const newestFirst = this.#broker.sessions.of(account).sort((a, b) => b.id - a.id);
    for (const session of newestFirst.slice(0, count)) session.violation(violations.maxAccountConnections);
  }

  #forget(serverId: string): void {
    for (const [name, connections] of this.#byServer.get(serverId) ?? []) {
      this.#broker.accounts.get(name).remoteClients -= connections;
    }
    this.#byServer.delete(serverId);
  }
}

/** Undefined where it is not what a server tells. */
function readTold(json: Buffer): Told | undefined {
  try {
    const { server, acc: account, conns: connections } = JSON.parse(json.toString());
    if (typeof server.id !== 'string' || typeof account !== 'string') return undefined;
    const isCount = Number.isSafeInteger(connections) && connections >= 0;
    return isCount ? { serverId: server.id, account, connections } : undefined;
  } catch {
    return undefined;
  }
}
