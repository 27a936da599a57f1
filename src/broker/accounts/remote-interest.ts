// The interest of other servers, and the routes that one message takes because of it: each route at most once, with the
// queue groups that the other server must serve. Keeps no state between messages.
import type { Publication } from '../../protocol/operations.ts';
import type { Sublist } from '../../subjects/sublist.ts';
import type { Connection } from '../transport/connection.ts';
import type { ConnectionStatistics } from '../transport/statistics.ts';
import { type TraceParty, untraced } from './message-trace.ts';
import type { Publisher } from './subscription.ts';

/** The part of a route that delivery needs. */
export interface RouteTarget {
  readonly connection: Connection;
  readonly statistics: ConnectionStatistics;
  /** Whether the other server supports headers. */
  readonly headers: boolean;
  /** Whether it carries one account, which its messages do not name. */
  readonly isDedicated: boolean;
  /** How events of a trace name the other server. */
  readonly party: TraceParty;
  /** Whether the other server traces messages. */
  readonly traces: boolean;
  /** Whether permissions forbid sending the message to the other server. */
  withholds(publication: Publication): boolean;
  /** Called with each message queued, while trace is on. */
  readonly traceDelivery: ((publication: Publication, account: string) => void) | undefined;
}

/** The account that interest belongs to. */
export interface InterestAccount {
  readonly name: string;
  readonly remote: Sublist<RemoteInterest>;
}

/** Interest of one other server: in a subject, or of a queue group in a subject. */
export class RemoteInterest {
  readonly route: RouteTarget;
  readonly account: InterestAccount;
  /** In Latin-1, as is the queue group: there may be very many entries, and a Buffer needs several times the memory. */
  readonly subject: string;
  readonly queue: string | undefined;
  /** The queue group as routed messages carry it, with a trailing space. */
  readonly queueBytes: Buffer | undefined;
  /** The number of members of the queue group on the other server. */
  weight: number;
  /** Whether the subscribers are on leaf nodes behind the other server: queue group members there are chosen last. */
  readonly isLeaf: boolean;

  constructor(
    route: RouteTarget,
    account: InterestAccount,
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

  /** Starts sending matching messages of the account along the route; false if the subject is invalid. */
  insert(): boolean {
    return this.account.remote.insert(this.subject, this.queue, this);
  }

  remove(): void {
    this.account.remote.remove(this.subject, this.queue, this);
  }
}

/**
 * Chooses a member of a queue group by weight; undefined for a member on this server.
 * @param local the number of members on this server
 * @param random returns a number in [0, 1)
 */
export function chooseMember(
  local: number,
  remote: readonly RemoteInterest[],
  random: () => number,
): RemoteInterest | undefined {
  if (local === 0 && remote.length === 1) return remote[0];
  const candidates = remote.some(({ isLeaf }) => isLeaf) ? remote.filter(({ isLeaf }) => !isLeaf) : remote;
  if (candidates.length === 0) return local > 0 ? undefined : remote[Math.floor(random() * remote.length)];
  let rest = random() * candidates.reduce((sum, { weight }) => sum + weight, local) - local;
  if (rest < 0) return undefined;
  for (const member of candidates) {
    rest -= member.weight;
    if (rest < 0) return member;
  }
  return candidates.at(-1);
}

const noQueues: readonly Buffer[] = [];
const noAccount = Buffer.alloc(0);

/**
 * Sends a message once along each route that has a plain subscriber or a chosen member of a queue group at its end;
 * false if no route accepted it.
 * @param account the account's name with a trailing space
 */
export function sendToRoutes(
  publication: Publication,
  account: Buffer,
  plain: readonly RemoteInterest[],
  chosen: readonly RemoteInterest[],
  publisher: Publisher,
): boolean {
  let sent = false;
  for (let index = 0; index < plain.length; index++) {
    const { route } = plain[index] as RemoteInterest;
    if (includesRoute(plain, index, route)) continue;
    const queues = chosen.length === 0 ? noQueues : queuesOf(chosen, route);
    if (sendTo(route, publication, account, queues, publisher)) sent = true;
  }
  for (let index = 0; index < chosen.length; index++) {
    const { route } = chosen[index] as RemoteInterest;
    if (includesRoute(plain, plain.length, route) || includesRoute(chosen, index, route)) continue;
    if (sendTo(route, publication, account, queuesOf(chosen, route), publisher)) sent = true;
  }
  return sent;
}

/** Whether the route occurs before `end`. A message matches few routes, so a linear search beats a set. */
function includesRoute(interests: readonly RemoteInterest[], end: number, route: RouteTarget): boolean {
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
  const { trace } = publisher;
  // A server that traces nothing would deliver a message that is only to be traced.
  const isDeaf = trace !== undefined && !route.traces;
  if (trace !== undefined) publication = trace.toRoute(publication);
  const reason = route.withholds(publication)
    ? untraced.denied
    : isDeaf && trace.isOnly
      ? untraced.onlyUnsupported
      : undefined;
  if (reason !== undefined) {
    trace?.sent(route.party, reason);
    return false;
  }
  if (connection.stallsPublishers) publisher.connection?.stallFor(connection);
  if (!connection.writeRouted(publication, route.isDedicated ? noAccount : account, queues, headers)) {
    trace?.sent(route.party, untraced.closed);
    return false;
  }
  trace?.sent(route.party, isDeaf ? untraced.unsupported : undefined);
  statistics.outMsgs++;
  statistics.outBytes +=
    publication.payloadEnd - publication.payloadStart - (headers ? 0 : publication.headerSize);
  statistics.lastActivity = publisher.statistics.readAt;
  route.traceDelivery?.(publication, account.toString('latin1').trimEnd());
  return true;
}
