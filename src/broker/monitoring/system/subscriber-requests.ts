// Requests for the number of subscribers of a subject: a server counts its own when another server asks, and those of
// the whole cluster when a user asks (events.go, nsubsRequest and debugSubscribers).
import type { Publication } from '../../../protocol/operations.ts';
import { covers, hasWildcard } from '../../../subjects/subject.ts';
import type { Account } from '../../accounts/account.ts';
import { randomName } from '../../accounts/random-name.ts';
import { requestInfo } from '../../accounts/request-info.ts';
import type { Publisher, Subscription } from '../../accounts/subscription.ts';
import { globalAccountName } from '../../options/account-name.ts';
import type { MonitoredBroker } from '../endpoints/monitored-broker.ts';
import { payloadOf, replyOf } from './request-options.ts';
import type { SystemPublisher } from './system-publisher.ts';

const serverRequests = '$SYS.REQ.ACCOUNT.NSUBS';
const userRequests = '$SYS.DEBUG.SUBSCRIBERS';
const inboxPrefix = '$SYS._INBOX.';

/** Milliseconds that the other servers have to answer. */
const responseTimeoutMs = 500;

/** The subscribers to count. */
interface SubscriberQuery {
  readonly account: string;
  readonly subject: string;
  /** Undefined to count members of every queue group and plain subscribers. */
  readonly queue: string | undefined;
}

/** Answers both requests in the system account; users of other accounts reach it through an import. */
export function serveSubscriberRequests(system: SystemPublisher, broker: MonitoredBroker): void {
  /** The prefix of the reply subjects of this server's own requests. */
  const inbox = `${inboxPrefix}${randomName(8)}.`;
  system.account.subscribeInternal(serverRequests, (publication) => {
    answerServer(system, broker, inbox, publication);
    return true;
  });
  system.account.intercept(userRequests, (publication, publisher) => {
    answerUser(system, broker, inbox, publication, publisher);
    return true;
  });
}

/** Answers another server. It expects no answer from a server without clients in the account. */
function answerServer(
  system: SystemPublisher,
  broker: MonitoredBroker,
  inbox: string,
  publication: Publication,
): void {
  const reply = replyOf(publication);
  const query = parseQuery(payloadOf(publication));
  if (reply === undefined || query === undefined || reply.toString('latin1').startsWith(inbox)) return;
  const account = findAccount(broker, query.account);
  if (account === undefined || account.clients === 0) return;
  system.respondText(reply, String(countSubscribers(account, query)));
}

function answerUser(
  system: SystemPublisher,
  broker: MonitoredBroker,
  inbox: string,
  publication: Publication,
  publisher: Publisher,
): void {
  const reply = replyOf(publication);
  if (publisher.isRoute || reply === undefined) return;
  const info = requestInfo(publication);
  // A service import adds headers that name the requester. Ignore requests with headers from elsewhere.
  if (info === undefined && publication.headerSize > 0) return;
  const account = findAccount(broker, info?.svc || info?.acc || system.account.name);
  if (account === undefined) return;
  const [subject = '', queue] = payloadOf(publication).toString().trim().split(' ');
  const query = { account: account.name, subject, queue };
  const local = countSubscribers(account, query);
  const respond = (remote: number) => system.respondText(reply, String(local + remote));
  const others = broker.cluster?.peers.length ?? 0;
  // Servers tell each other nothing about the global account.
  if (others === 0 || account.name === globalAccountName) respond(0);
  else queryOthers(system, inbox + randomName(8), query, others, respond);
}

/** Totals the answers of the other servers; servers without clients in the account do not answer. */
function queryOthers(
  system: SystemPublisher,
  inbox: string,
  { account, subject, queue }: SubscriberQuery,
  others: number,
  then: (count: number) => void,
): void {
  let sum = 0;
  let missing = others;
  const end = () => {
    clearTimeout(timer);
    system.account.unsubscribe(subscription);
    then(sum);
  };
  const timer = setTimeout(end, responseTimeoutMs).unref();
  const subscription = system.account.subscribeInternal(inbox, (publication) => {
    const count = Number(payloadOf(publication).toString());
    if (Number.isSafeInteger(count)) sum += count;
    missing--;
    if (missing === 0) end();
    return true;
  });
  const group = queue === undefined ? {} : { queue: Buffer.from(queue).toString('base64') };
  system.sendRequest(serverRequests, inbox, { acc: account, subject, ...group });
}

function findAccount({ accounts }: MonitoredBroker, name: string): Account | undefined {
  return [...accounts].find((account) => account.name === name);
}

/** Counts the subscriptions of this server's clients. */
function countSubscribers({ subscriptions }: Account, { subject, queue }: SubscriberQuery): number {
  const bytes = Buffer.from(subject);
  const group = queue === undefined ? undefined : Buffer.from(queue).toString('latin1');
  const counts = (each: Subscription) => isClients(each) && (group === undefined || each.queue === group);
  if (!hasWildcard(bytes)) {
    const { plain, queues } = subscriptions.match(bytes, 0, bytes.length);
    return [...plain, ...queues.flat()].filter(counts).length;
  }
  const wanted = bytes.toString('latin1').split('.');
  return [...subscriptions].filter((each) => counts(each) && covers(wanted, each.subject.split('.'))).length;
}

/** Whether a subscription is a client's; those of the broker itself have no sid. */
function isClients({ sid }: Subscription): boolean {
  return sid !== '';
}

/** Returns undefined if the payload is not such a request of a server. */
function parseQuery(json: Buffer): SubscriberQuery | undefined {
  try {
    const { acc: account = '', subject = '', queue } = JSON.parse(json.toString());
    if (typeof account !== 'string' || typeof subject !== 'string') return undefined;
    if (queue === undefined || queue === null) return { account, subject, queue: undefined };
    return { account, subject, queue: Buffer.from(queue, 'base64').toString() };
  } catch {
    return undefined;
  }
}
