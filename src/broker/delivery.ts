// The hot path: one published message to everybody it is for.
import { noRespondersMessage } from '../protocol/encoder.ts';
import type { Publication } from '../protocol/operations.ts';
import type { Match } from '../subjects/sublist.ts';
import type { Account } from './account.ts';
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
  return deliver(
    publication,
    account.subscriptions.match(buffer, subjectStart, subjectEnd),
    publisher,
    policy,
  );
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
  if (connection.isBehind) {
    if (policy.dropForFarBehind && connection.isFarBehind) return false;
    publisher.connection?.waitFor(connection);
  }
  if (!connection.writeMessage(publication, subscription.sidBytes, receiver.headers)) return false;
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
