// The hot path: delivers one published message to all its subscribers, on this server and along routes.
import { noRespondersMessage } from '../../protocol/encoder.ts';
import type { Publication, RoutedPublication } from '../../protocol/operations.ts';
import type { Match } from '../../subjects/sublist.ts';
import type { Account } from './account.ts';
import { type MessageTrace, untraced } from './message-trace.ts';
import { chooseMember, type RemoteInterest, sendToRoutes } from './remote-interest.ts';
import type { Publisher, Receiver, Subscription } from './subscription.ts';

export interface DeliveryPolicy {
  /** Returns a number in [0, 1), to choose a member of a queue group. */
  readonly random: () => number;
  /** Drop messages for subscribers with a large backlog instead of stalling publishers (no_fast_producer_stall). */
  readonly noFastProducerStall: boolean;
}

/** Publishes a message in an account; false if no subscriber accepted it. */
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
 * Delivers a message from a route to the subscribers on this server, and to those queue groups that the sender has
 * chosen this server for. If such a group has no member here any more, the message is forwarded to another server.
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
    const group = findGroup(queues, name);
    if (group !== undefined && deliverToGroup(group, publication, publisher, policy)) {
      delivered = true;
      continue;
    }
    const elsewhere = findGroup(account.remote.match(buffer, subjectStart, subjectEnd).queues, name)?.[0];
    if (elsewhere !== undefined) chosen.push(elsewhere);
  }
  if (chosen.length > 0) sendToRoutes(publication, account.nameBytes, [], chosen, publisher);
  if (delivered) account.onRoutedRequest?.(publication);
}

/** Returns the matching subscriptions of this server. */
function matchHere(
  publication: Publication,
  { subscriptions }: Account,
  { lastMatch }: Publisher,
): Match<Subscription> {
  const { buffer, subjectStart, subjectEnd } = publication;
  return lastMatch?.find(publication, subscriptions) ?? subscriptions.match(buffer, subjectStart, subjectEnd);
}

/** Delivers to all plain subscriptions and to one member of each queue group. */
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
    if (deliverToGroup(group, publication, publisher, policy)) delivered = true;
  }
  return delivered;
}

/** Delivers here and along routes; every member of a queue group is equally likely (client.go, processMsgResults). */
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
    const others = findGroup(remote.queues, groupName(group));
    const other = others && chooseMember(group.length, others, policy.random);
    if (other === undefined && deliverToGroup(group, publication, publisher, policy)) delivered = true;
    else if (others !== undefined) {
      chosen.push(other ?? (chooseMember(0, others, policy.random) as RemoteInterest));
    }
  }
  for (const group of remote.queues) {
    if (queues.length > 0 && findGroup(queues, groupName(group)) !== undefined) continue;
    chosen.push(chooseMember(0, group, policy.random) as RemoteInterest);
  }
  return sendToRoutes(publication, account.nameBytes, remote.plain, chosen, publisher) || delivered;
}

/** Finds the group of this name. */
function findGroup<T extends { readonly queue: string | undefined }>(
  groups: readonly (readonly T[])[],
  name: string,
): readonly T[] | undefined {
  for (let index = 0; index < groups.length; index++) {
    if (groupName(groups[index] as readonly T[]) === name) return groups[index];
  }
  return undefined;
}

/** Returns the name of a group, which all its members carry. */
function groupName(group: readonly { readonly queue: string | undefined }[]): string {
  return group[0]?.queue as string;
}

/** Sends the no-responders status to the publisher's own subscription to the reply subject, if it has one. */
export function sendNoResponders(
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

/** Starts with a random member and tries the next if one does not accept the message. */
function deliverToGroup(
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

/** Delivers to one subscription; false if it did not accept the message. */
export function deliverTo(
  subscription: Subscription,
  publication: Publication,
  publisher: Publisher,
  policy: DeliveryPolicy,
): boolean {
  const { receiver } = subscription;
  if (receiver === undefined) return handle(subscription, publication, publisher);
  const { trace } = publisher;
  if (receiver === publisher && !receiver.echo) return withhold(subscription, trace, untraced.noEcho);
  const { connection, permissions } = receiver;
  if (permissions !== undefined && !permissions.mayReceive(publication, subscription)) {
    return withhold(subscription, trace, untraced.denied);
  }
  if (subscription.closed) return withhold(subscription, trace, untraced.ended);
  if (trace?.isOnly) {
    trace.delivery(receiver.party, subscription);
    return true;
  }
  // Slow subscribers stall only clients that publish. A route carries the messages of many clients: it does not wait,
  // and its messages are not dropped here (client.go, deliverMsg).
  if (connection.stallsPublishers && publisher.connection !== undefined) {
    if (policy.noFastProducerStall && connection.isFarBehind) {
      return withhold(subscription, trace, untraced.slow);
    }
    publisher.connection.stallFor(connection);
  }
  if (!connection.writeMessage(publication, subscription.sid, receiver.headers)) {
    return withhold(subscription, trace, untraced.closed);
  }
  trace?.delivery(receiver.party, subscription);
  permissions?.received(publication);
  count(receiver, publication, publisher);
  receiver.traceDelivery?.(publication, subscription);
  subscription.delivered++;
  if (subscription.delivered === subscription.max) receiver.removeSubscription(subscription);
  return true;
}

/** Records why a message is not delivered. */
function withhold(subscription: Subscription, trace: MessageTrace | undefined, reason: string): false {
  if (trace !== undefined && subscription.receiver !== undefined) {
    trace.delivery(subscription.receiver.party, subscription, reason);
  }
  return false;
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
