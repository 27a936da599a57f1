// Awaited replies, which are lost when their subject has no subscriber left: at once or, if there are many, after a
// delay.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Account } from '../../../src/broker/accounts/account.ts';
import { AwaitedReplies } from '../../../src/broker/accounts/awaited-replies.ts';

describe('awaited replies', () => {
  let account: Account;
  let replies: AwaitedReplies;
  let lost: string[];
  const subscribe = (subject: string) => account.subscribeInternal(subject, () => true);
  const awaited = (name: string) => ({ interestLost: () => void lost.push(name) });

  beforeEach(() => {
    vi.useFakeTimers();
    account = new Account('A');
    replies = new AwaitedReplies(account);
    lost = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are lost when the last subscriber of their subject is gone', () => {
    const [exact, wild] = [subscribe('in.1'), subscribe('in.*')];
    replies.add('in.1', awaited('1'));
    account.unsubscribe(exact);
    expect(lost).toEqual([]);
    account.unsubscribe(subscribe('other'));
    account.unsubscribe(wild);
    expect(lost).toEqual(['1']);
    account.unsubscribe(subscribe('in.1'));
    expect(lost).toEqual(['1']);
  });

  it('are lost together if several share a subject', () => {
    const inbox = subscribe('in');
    const [one, two, three] = ['1', '2', '3'].map(awaited) as [
      { interestLost(): void },
      { interestLost(): void },
      { interestLost(): void },
    ];
    for (const each of [one, two, three]) replies.add('in', each);
    replies.remove('in', two);
    account.unsubscribe(inbox);
    expect(lost).toEqual(['1', '3']);
  });

  it('are not lost after they have been removed', () => {
    const inbox = subscribe('in');
    const [one, two] = [awaited('1'), awaited('2')];
    replies.add('in', one);
    replies.remove('in', two);
    replies.remove('in', one);
    replies.add('in', one);
    replies.add('in', two);
    replies.remove('in', one);
    replies.remove('in', two);
    account.unsubscribe(inbox);
    expect(lost).toEqual([]);
  });

  it('are checked once after a delay if there are many and a wildcard subscription ends', () => {
    const [kept, inbox, other] = [subscribe('in.7'), subscribe('in.*'), subscribe('*.8')];
    for (let index = 0; index < 100; index++) replies.add(`in.${index}`, awaited(String(index)));
    account.unsubscribe(inbox);
    account.unsubscribe(other);
    expect(lost).toEqual([]);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(100);
    expect(lost).toHaveLength(99);
    expect(lost).not.toContain('7');
    account.unsubscribe(kept);
    expect(lost).toHaveLength(100);
  });

  it('are forgotten on close', () => {
    const inbox = subscribe('in.*');
    for (let index = 0; index < 100; index++) replies.add(`in.${index}`, awaited(String(index)));
    account.unsubscribe(inbox);
    replies.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(lost).toEqual([]);
  });
});
