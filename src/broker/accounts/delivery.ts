// The hot path: one published message to everybody it is for.
import { noRespondersMessage } from '../../protocol/encoder.ts';
import type { Publication, RoutedPublication } from '../../protocol/operations.ts';
import type { Match } from '../../subjects/sublist.ts';
import type { Account } from './account.ts';
import { chooseMember, type RemoteInterest, sendAlong } from './remote-interest.ts';
import type { Publisher, Receiver, Subscription } from './subscription.ts';

export interface DeliveryPolicy {
  /** A number in [0, 1): which member of a queue group is asked first. */
  readonly random: () => number;
  /** Drop messages for consumers far behind rather than have their publishers wait (no_fast_producer_stall). */
  readonly dropForFarBehind: boolean;
}

/** Publishes a message in an account; false where nobody took it. */
export function publish(
  publication: Publication,
  account: Account,
  publisher: Publisher,
  policy: DeliveryPolicy,
): boolean {
  const { buffer, subjectStart, subjectEnd } = publication;
  const match = matchHere(publication, account, publisher);
  if (account.remote.size === 0) return deliver(publication, match, publisher, policy);
  const remote = account.remote.match(buffer, subjectStart, subjectEnd);
  if (remote.plain.length + remote.queues.length === 0) return deliver(publication, match, publisher, policy);
  return deliverEverywhere(publication, account, match, remote, publisher, policy);
}

/**
 * Delivers what came over a route: to the clients of this server only, and to the queue groups that the sender has chosen
 * it for. Where such a group has nobody here any more the message goes on to another server.
 */
export function publishRouted(
  publication: RoutedPublication,
  account: Account,
  publisher: Publisher,
  policy: DeliveryPolicy,
): void {
  const { buffer, subjectStart, subjectEnd, queues: wanted } = publication;
  const { plain, queues } = matchHere(publication, account, publisher);
  let delivered = false;
  for (let index = 0; index < plain.length; index++) {
    if (deliverTo(plain[index] as Subscription, publication, publisher, policy)) delivered = true;
  }
  const chosen: RemoteInterest[] = [];
  for (const name of wanted) {
    const group = named(queues, name);
    if (group !== undefined && deliverToOne(group, publication, publisher, policy)) {
      delivered = true;
      continue;
    }
    const elsewhere = named(account.remote.match(buffer, subjectStart, subjectEnd).queues, name)?.[0];
    if (elsewhere !== undefined) chosen.push(elsewhere);
  }
  if (chosen.length > 0) sendAlong(publication, account.nameBytes, [], chosen, publisher);
  if (delivered) account.onRoutedRequest?.(publication);
}

/** Who listens on this server. */
function matchHere(
  publication: Publication,
  { subscriptions }: Account,
  { lastMatch }: Publisher,
): Match<Subscription> {
  const { buffer, subjectStart, subjectEnd } = publication;
  return lastMatch?.find(publication, subscriptions) ?? subscriptions.match(buffer, subjectStart, subjectEnd);
}

/** Delivers to all plain subscriptions and to one of each queue group. */
function deliver(
  publication: Publication,
  match: Match<Subscription>,
  publisher: Publisher,
  policy: DeliveryPolicy,
): boolean {
  const { plain, queues } = match;
  let delivered = false;
  for (let index = 0; index < plain.length; index++) {
    if (deliverTo(plain[index] as Subscription, publication, publisher, policy)) delivered = true;
  }
  for (let index = 0; index < queues.length; index++) {
    const group = queues[index] as readonly Subscription[];
    if (deliverToOne(group, publication, publisher, policy)) delivered = true;
  }
  return delivered;
}

/** Delivers here and along the routes: a member of a queue group is as likely chosen wherever it is (client.go, processMsgResults). */
function deliverEverywhere(
  publication: Publication,
  account: Account,
  { plain, queues }: Match<Subscription>,
  remote: Match<RemoteInterest>,
  publisher: Publisher,
  policy: DeliveryPolicy,
): boolean {
  let delivered = false;
  for (let index = 0; index < plain.length; index++) {
    if (deliverTo(plain[index] as Subscription, publication, publisher, policy)) delivered = true;
  }
  const chosen: RemoteInterest[] = [];
  for (const group of queues) {
    const others = named(remote.queues, nameOf(group));
    const other = others && chooseMember(group.length, others, policy.random);
    if (other === undefined && deliverToOne(group, publication, publisher, policy)) delivered = true;
    else if (others !== undefined) {
      chosen.push(other ?? (chooseMember(0, others, policy.random) as RemoteInterest));
    }
  }
  for (const group of remote.queues) {
    if (queues.length > 0 && named(queues, nameOf(group)) !== undefined) continue;
    chosen.push(chooseMember(0, group, policy.random) as RemoteInterest);
  }
  return sendAlong(publication, account.nameBytes, remote.plain, chosen, publisher) || delivered;
}

/** The group of this name. */
function named<T extends { readonly queue: string | undefined }>(
  groups: readonly (readonly T[])[],
  name: string,
): readonly T[] | undefined {
  for (let index = 0; index < groups.length; index++) {
    if (nameOf(groups[index] as readonly T[]) === name) return groups[index];
  }
  return undefined;
}

/** All members of a group have its name. */
function nameOf(group: readonly { readonly queue: string | undefined }[]): string {
  return group[0]?.queue as string;
}

/** Answers a request that nobody took, at the reply subject, where its publisher listens there. */
export function sayNobodyListens(
  { buffer, subjectStart, subjectEnd, replyStart, replyEnd }: Publication,
  account: Account,
  publisher: Receiver,
): void {
  const { plain } = account.subscriptions.match(buffer, replyStart, replyEnd);
  const own = plain.find(({ receiver }) => receiver === publisher);
  if (own === undefined) return;
  const reply = buffer.subarray(replyStart, replyEnd);
  const subject = buffer.subarray(subjectStart, subjectEnd);
  publisher.connection.write(noRespondersMessage(reply, own.sid, subject));
}

/** Begins with a random member and goes on to the next where one cannot take the message. */
function deliverToOne(
  group: readonly Subscription[],
  publication: Publication,
  publisher: Publisher,
  policy: DeliveryPolicy,
): boolean {
  const first = group.length === 1 ? 0 : Math.floor(policy.random() * group.length);
  for (let step = 0; step < group.length; step++) {
    const member = group[(first + step) % group.length] as Subscription;
    if (deliverTo(member, publication, publisher, policy)) return true;
  }
  return false;
}

/** Delivers to one subscription; false where it did not take the message. */
export function deliverTo(
  subscription: Subscription,
  publication: Publication,
  publisher: Publisher,
  policy: DeliveryPolicy,
): boolean {
  const { receiver } = subscription;
  if (receiver === undefined) return handle(subscription, publication, publisher);
  if (subscription.closed || (receiver === publisher && !receiver.echo)) return false;
  const { connection, permit } = receiver;
  if (permit !== undefined && !permit.mayReceive(publication, subscription)) return false;
  // A route carries the messages of many: nobody holds it up, and it passes nobody over (client.go, deliverMsg).
  if (connection.isBehind && publisher.connection !== undefined) {
    if (policy.dropForFarBehind && connection.isFarBehind) return false;
    publisher.connection.waitFor(connection);
  }
  if (!connection.writeMessage(publication, subscription.sid, receiver.headers)) return false;
  permit?.received(publication);
  count(receiver, publication, publisher);
  receiver.traceDelivery?.(publication, subscription);
  subscription.delivered++;
  if (subscription.delivered === subscription.max) receiver.drop(subscription);
  return true;
}

function handle({ closed, handler }: Subscription, publication: Publication, publisher: Publisher): boolean {
  return !closed && handler !== undefined && handler(publication, publisher);
}

function count({ statistics, headers }: Receiver, publication: Publication, publisher: Publisher): void {
  const { payloadStart, payloadEnd, headerSize } = publication;
  statistics.outMsgs++;
  statistics.outBytes += payloadEnd - payloadStart - (headers ? 0 : headerSize);
  statistics.lastActivity = publisher.statistics.readAt;
}
