// Replies that are waited for: when nobody listens for one any more, at once or, of very many, a little later.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Account } from '../../../src/broker/accounts/account.ts';
import { AwaitedReplies } from '../../../src/broker/accounts/awaited-replies.ts';

describe('awaited replies', () => {
  let account: Account;
  let replies: AwaitedReplies;
  let lost: string[];
  const listen = (subject: string) => account.handle(subject, () => true);
  const awaited = (name: string) => ({ lost: () => void lost.push(name) });

  beforeEach(() => {
    vi.useFakeTimers();
    account = new Account('A');
    replies = new AwaitedReplies(account);
    lost = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are lost when the last one who listens has gone', () => {
    const [exact, wild] = [listen('in.1'), listen('in.*')];
    replies.add('in.1', awaited('1'));
    account.unsubscribe(exact);
    expect(lost).toEqual([]);
    account.unsubscribe(listen('other'));
    account.unsubscribe(wild);
    expect(lost).toEqual(['1']);
    account.unsubscribe(listen('in.1'));
    expect(lost).toEqual(['1']);
  });

  it('are lost together where several are the same', () => {
    const inbox = listen('in');
    const [one, two, three] = ['1', '2', '3'].map(awaited) as [
      { lost(): void },
      { lost(): void },
      { lost(): void },
    ];
    for (const each of [one, two, three]) replies.add('in', each);
    replies.remove('in', two);
    account.unsubscribe(inbox);
    expect(lost).toEqual(['1', '3']);
  });

  it('are not lost once they have come', () => {
    const inbox = listen('in');
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

  it('are looked through later, and once, where there are very many', () => {
    const [kept, inbox, other] = [listen('in.7'), listen('in.*'), listen('*.8')];
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

  it('are let go of at the end', () => {
    const inbox = listen('in.*');
    for (let index = 0; index < 100; index++) replies.add(`in.${index}`, awaited(String(index)));
    account.unsubscribe(inbox);
    replies.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(lost).toEqual([]);
  });
});
