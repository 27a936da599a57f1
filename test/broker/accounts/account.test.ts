// Subscriptions of the broker itself: how their handlers receive messages, answer them and end.
import { describe, expect, it } from 'vitest';
import { Account } from '../../../src/broker/accounts/account.ts';
import { InternalPublisher } from '../../../src/broker/accounts/internal-publisher.ts';
import type { Publication } from '../../../src/protocol/operations.ts';

const bytes = (text: string) => Buffer.from(text);
const policy = { random: () => 0, noFastProducerStall: false };

function textOf({ buffer, payloadStart, payloadEnd }: Publication): string {
  return buffer.toString('utf8', payloadStart, payloadEnd);
}

describe('a subscription of the broker itself', () => {
  const broker = new InternalPublisher(policy, () => new Date(5));

  it('receives the messages of its subject, and may answer them in any account', () => {
    const [requester, service] = [new Account('A'), new Account('B')];
    const answers: string[] = [];
    requester.subscribeInternal('inbox.*', (publication) => answers.push(textOf(publication)) > 0);
    service.subscribeInternal('echo', (publication) => {
      const { buffer, replyStart, replyEnd } = publication;
      const payload = bytes(`${textOf(publication)}!`);
      return broker.publish(requester, buffer.subarray(replyStart, replyEnd), { payload });
    });
    expect(broker.publish(service, bytes('echo'), { payload: bytes('hi'), reply: bytes('inbox.1') })).toBe(
      true,
    );
    expect(answers).toEqual(['hi!']);
  });

  it('decides by its return value whether a message counts as delivered', () => {
    const account = new Account('A');
    account.subscribeInternal('no', () => false);
    expect(broker.publish(account, bytes('no'), { payload: bytes('') })).toBe(false);
    account.subscribeInternal('no', () => true);
    expect(broker.publish(account, bytes('no'), { payload: bytes('') })).toBe(true);
  });

  it('receives nothing after its removal, even if an earlier handler of the same message removes it', () => {
    const account = new Account('A');
    const received: string[] = [];
    account.subscribeInternal('s', () => {
      account.unsubscribe(later);
      return received.push('first') > 0;
    });
    const later = account.subscribeInternal('s', () => received.push('later') > 0);
    broker.publish(account, bytes('s'), { payload: bytes('') });
    broker.publish(account, bytes('s'), { payload: bytes('') });
    expect(received).toEqual(['first', 'first']);
  });

  it('receives the publisher of each message', () => {
    const account = new Account('A');
    const publishers: unknown[] = [];
    account.subscribeInternal('s', (_, publisher) => publishers.push(publisher) > 0);
    broker.publish(account, bytes('s'), { payload: bytes('') });
    expect(publishers).toEqual([broker]);
    expect(broker.statistics.readAt).toBe(5);
  });
});
