// What other servers' clients listen to, and which routes one message therefore takes: each at most once, with the queue
// groups that the other server is to serve. Keeps nothing from message to message.
import type { Publication } from '../../protocol/operations.ts';
import type { Sublist } from '../../subjects/sublist.ts';
import type { Connection } from '../transport/connection.ts';
import type { ConnectionStatistics } from '../transport/statistics.ts';
import type { Publisher } from './subscription.ts';

/** A route as delivery sees it. */
export interface RouteTarget {
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  /** Whether it takes headers. */
  readonly headers: boolean;
  /** Whether a message may not go to the other server. */
  withholds(publication: Publication): boolean;
  /** Called with each message queued, while trace is on. */
  readonly traceDelivery: ((publication: Publication, account: string) => void) | undefined;
}

/** The account that something is asked for in. */
export interface AskedAccount {
  readonly name: string;
  readonly remote: Sublist<RemoteInterest>;
}

/** What one other server listens to: one entry for a subject, or for a queue group on it. */
export class RemoteInterest {
  readonly route: RouteTarget;
  readonly account: AskedAccount;
  /** In Latin-1, as the queue group: there may be very many of these, and a Buffer takes several times as much room. */
  readonly subject: string;
  readonly queue: string | undefined;
  /** The queue group as it stands in messages, with a space behind it. */
  readonly queueBytes: Buffer | undefined;
  /** How many members the queue group has there. */
  weight: number;
  /** Whether it is leaf nodes behind the other server that listen: members of a queue group there are asked last. */
  readonly isLeaf: boolean;

  constructor(
    route: RouteTarget,
    account: AskedAccount,
    subject: Buffer,
    queue: string | undefined,
    weight: number,
    isLeaf = false,
  ) {
    this.route = route;
    this.account = account;
    this.subject = subject.toString('latin1');
    this.queue = queue;
    this.queueBytes = queue === undefined ? undefined : Buffer.from(`${queue} `, 'latin1');
    this.weight = weight;
    this.isLeaf = isLeaf;
  }

  get subjectBytes(): Buffer {
    return Buffer.from(this.subject, 'latin1');
  }

  /** Has messages of its account sent along the route; false where the subject is not valid. */
  enter(): boolean {
    return this.account.remote.insert(this.subject, this.queue, this);
  }

  leave(): void {
    this.account.remote.remove(this.subject, this.queue, this);
  }
}

/**
 * Chooses a member of a queue group by weight; undefined for one that is on this server.
 * @param here how many are on this server
 * @param random a number in [0, 1)
 */
export function chooseMember(
  here: number,
  elsewhere: readonly RemoteInterest[],
  random: () => number,
): RemoteInterest | undefined {
  if (here === 0 && elsewhere.length === 1) return elsewhere[0];
  const near = elsewhere.some(({ isLeaf }) => isLeaf) ? elsewhere.filter(({ isLeaf }) => !isLeaf) : elsewhere;
  if (near.length === 0) return here > 0 ? undefined : elsewhere[Math.floor(random() * elsewhere.length)];
  let rest = random() * near.reduce((sum, { weight }) => sum + weight, here) - here;
  if (rest < 0) return undefined;
  for (const member of near) {
    rest -= member.weight;
    if (rest < 0) return member;
  }
  return near.at(-1);
}

const noQueues: readonly Buffer[] = [];

/**
 * Sends a message once along each route at whose end somebody plain listens, or a chosen member of a queue group; false
 * where no route took it.
 * @param account its name with a space behind it
 */
export function sendAlong(
  publication: Publication,
  account: Buffer,
  plain: readonly RemoteInterest[],
  chosen: readonly RemoteInterest[],
  publisher: Publisher,
): boolean {
  let sent = false;
  for (let index = 0; index < plain.length; index++) {
    const { route } = plain[index] as RemoteInterest;
    if (comesBefore(plain, index, route)) continue;
    const queues = chosen.length === 0 ? noQueues : queuesOf(chosen, route);
    if (sendTo(route, publication, account, queues, publisher)) sent = true;
  }
  for (let index = 0; index < chosen.length; index++) {
    const { route } = chosen[index] as RemoteInterest;
    if (comesBefore(plain, plain.length, route) || comesBefore(chosen, index, route)) continue;
    if (sendTo(route, publication, account, queuesOf(chosen, route), publisher)) sent = true;
  }
  return sent;
}

/** Few routes match one message, so that looking through them is quicker than anything remembered. */
function comesBefore(interests: readonly RemoteInterest[], end: number, route: RouteTarget): boolean {
  for (let index = 0; index < end; index++) {
    if (interests[index]?.route === route) return true;
  }
  return false;
}

function queuesOf(chosen: readonly RemoteInterest[], route: RouteTarget): Buffer[] {
  return chosen.flatMap((member) => (member.route === route ? (member.queueBytes ?? []) : []));
}

function sendTo(
  route: RouteTarget,
  publication: Publication,
  account: Buffer,
  queues: readonly Buffer[],
  publisher: Publisher,
): boolean {
  const { connection, statistics, headers } = route;
  if (route.withholds(publication)) return false;
  if (connection.isBehind) publisher.connection?.waitFor(connection);
  if (!connection.writeRouted(publication, account, queues, headers)) return false;
  statistics.outMsgs++;
  statistics.outBytes +=
    publication.payloadEnd - publication.payloadStart - (headers ? 0 : publication.headerSize);
  statistics.lastActivity = publisher.statistics.readAt;
  route.traceDelivery?.(publication, account.toString('latin1').trimEnd());
  return true;
}
