// What other servers' clients listen to, and which routes one message therefore takes: each at most once, with the queue
// groups that the other server is to serve.
import type { Publication } from '../protocol/operations.ts';
import type { Connection } from './connection.ts';
import type { ConnectionStatistics } from './statistics.ts';
import type { Publisher } from './subscription.ts';

/** A route as delivery sees it. */
export interface RouteTarget {
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  /** Whether it takes headers. */
  readonly headers: boolean;
  /** Called with each message queued, while trace is on. */
  readonly traceDelivery: ((publication: Publication, account: string) => void) | undefined;
}

/** What one other server listens to: one entry for a subject, or for a queue group on it. */
export class RemoteInterest {
  readonly route: RouteTarget;
  readonly subject: Buffer;
  readonly queue: string | undefined;
  /** The queue group as it stands in messages, with a space behind it. */
  readonly queueBytes: Buffer | undefined;
  /** How many members the queue group has there. */
  weight: number;

  constructor(route: RouteTarget, subject: Buffer, queue: string | undefined, weight: number) {
    this.route = route;
    this.subject = subject;
    this.queue = queue;
    this.queueBytes = queue === undefined ? undefined : Buffer.from(`${queue} `, 'latin1');
    this.weight = weight;
  }
}

/** Collects the routes of one message. One serves all messages, one after the other. */
export class RouteSelection {
  readonly #chosen: { route: RouteTarget; queues: Buffer[] }[] = [];
  #count = 0;

  add({ route, queueBytes }: RemoteInterest): void {
    let index = 0;
    while (index < this.#count && this.#chosen[index]?.route !== route) index++;
    if (index === this.#count) this.#begin(route);
    if (queueBytes !== undefined) this.#chosen[index]?.queues.push(queueBytes);
  }

  /** Chooses a member of a queue group of other servers, the larger ones more often. @param random in [0, 1) */
  addOneOf(group: readonly RemoteInterest[], random: () => number): void {
    if (group.length === 1) {
      this.add(group[0] as RemoteInterest);
      return;
    }
    let rest = random() * group.reduce((sum, { weight }) => sum + weight, 0);
    let index = 0;
    while (index < group.length - 1 && rest >= (group[index] as RemoteInterest).weight) {
      rest -= (group[index] as RemoteInterest).weight;
      index++;
    }
    this.add(group[index] as RemoteInterest);
  }

  /** Sends the message along the routes chosen and forgets them; false where none took it. @param account with a space behind it */
  send(publication: Publication, account: Buffer, publisher: Publisher): boolean {
    let sent = false;
    for (let index = 0; index < this.#count; index++) {
      const { route, queues } = this.#chosen[index] as { route: RouteTarget; queues: Buffer[] };
      const { connection, statistics, headers } = route;
      if (connection.isBehind) publisher.connection?.waitFor(connection);
      if (connection.writeRouted(publication, account, queues, headers)) {
        sent = true;
        statistics.outMsgs++;
        statistics.outBytes +=
          publication.payloadEnd - publication.payloadStart - (headers ? 0 : publication.headerSize);
        statistics.lastActivity = publisher.statistics.readAt;
        route.traceDelivery?.(publication, account.toString('latin1').trimEnd());
      }
      queues.length = 0;
    }
    this.#count = 0;
    return sent;
  }

  #begin(route: RouteTarget): void {
    const free = this.#chosen[this.#count];
    if (free === undefined) this.#chosen.push({ route, queues: [] });
    else free.route = route;
    this.#count++;
  }
}
