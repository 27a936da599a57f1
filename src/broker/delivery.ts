// The hot path: one published message to everybody it is for.
import { noRespondersMessage } from '../protocol/encoder.ts';
import type { Publication } from '../protocol/operations.ts';
import type { Match, Sublist } from '../subjects/sublist.ts';
import type { Receiver, Subscription } from './subscription.ts';

export interface DeliveryPolicy {
  /** A number in [0, 1): which member of a queue group is asked first. */
  readonly random: () => number;
  /** Drop messages for consumers far behind rather than have their publishers wait (no_fast_producer_stall). */
  readonly dropForFarBehind: boolean;
}

/** Delivers to all plain subscriptions and to one of each queue group; false where nobody took the message. */
export function deliver(
  publication: Publication,
  match: Match<Subscription>,
  publisher: Receiver,
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

/** Answers a request that nobody took, at the reply subject, where its publisher listens there. */
export function sayNobodyListens(
  { buffer, subjectStart, subjectEnd, replyStart, replyEnd }: Publication,
  subscriptions: Sublist<Subscription>,
  publisher: Receiver,
): void {
  const { plain } = subscriptions.match(buffer, replyStart, replyEnd);
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
  publisher: Receiver,
  policy: DeliveryPolicy,
): boolean {
  const first = group.length === 1 ? 0 : Math.floor(policy.random() * group.length);
  for (let step = 0; step < group.length; step++) {
    const member = group[(first + step) % group.length] as Subscription;
    if (deliverTo(member, publication, publisher, policy)) return true;
  }
  return false;
}

function deliverTo(
  subscription: Subscription,
  publication: Publication,
  publisher: Receiver,
  policy: DeliveryPolicy,
): boolean {
  const { receiver } = subscription;
  if (subscription.closed || (receiver === publisher && !receiver.echo)) return false;
  const { connection, permit } = receiver;
  if (permit !== undefined && !permit.mayReceive(publication, subscription)) return false;
  if (connection.isBehind) {
    if (policy.dropForFarBehind && connection.isFarBehind) return false;
    publisher.connection.waitFor(connection);
  }
  if (!connection.writeMessage(publication, subscription.sidBytes, receiver.headers)) return false;
  permit?.received(publication);
  count(receiver, publication, publisher);
  receiver.traceDelivery?.(publication, subscription);
  subscription.delivered++;
  if (subscription.delivered === subscription.max) receiver.drop(subscription);
  return true;
}

function count({ statistics, headers }: Receiver, publication: Publication, publisher: Receiver): void {
  const { payloadStart, payloadEnd, headerSize } = publication;
  statistics.outMsgs++;
  statistics.outBytes += payloadEnd - payloadStart - (headers ? 0 : headerSize);
  statistics.lastActivity = publisher.statistics.readAt;
}
