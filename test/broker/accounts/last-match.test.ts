// The cached match of a publisher's last subject, which must always equal a fresh match.
import { expect, it } from 'vitest';
import { LastMatch, Subscription } from '../../../src/broker/accounts/subscription.ts';
import { compose } from '../../../src/protocol/publication.ts';
import { Sublist } from '../../../src/subjects/sublist.ts';

const bytes = (text: string) => Buffer.from(text);
const publication = (subject: string) => compose(bytes(subject), { payload: bytes('') });

function list(...subjects: string[]): Sublist<Subscription> {
  const sublist = new Sublist<Subscription>();
  for (const subject of subjects) {
    const subscription = new Subscription(() => true, subject, undefined, '1');
    sublist.insert(subscription.subject, undefined, subscription);
  }
  return sublist;
}

const found = (last: LastMatch, message: ReturnType<typeof publication>, sublist: Sublist<Subscription>) =>
  last.find(message, sublist).plain.map(({ subject }) => subject.toString());

it('reuses the match while the subject stays noted as unchanged, and counts the reuse', () => {
  const [last, sublist, message] = [new LastMatch(), list('a', 'b'), publication('a')];
  for (let time = 0; time < 3; time++) expect(found(last, message, sublist)).toEqual(['a']);
  expect(message.isNoted).toBe(true);
  expect(sublist.statistics()).toMatchObject({ matches: 3, hits: 2 });
});

it('matches again after the subject has changed', () => {
  const [last, sublist, message] = [new LastMatch(), list('a', 'b'), publication('a')];
  expect(found(last, message, sublist)).toEqual(['a']);
  Object.assign(message, publication('b'));
  expect(found(last, message, sublist)).toEqual(['b']);
});

it('matches again after a subscription has been added or removed', () => {
  const [last, sublist, message] = [new LastMatch(), list('a'), publication('a')];
  expect(found(last, message, sublist)).toEqual(['a']);
  const other = new Subscription(() => true, '*', undefined, '2');
  sublist.insert(other.subject, undefined, other);
  expect(found(last, message, sublist).toSorted()).toEqual(['*', 'a']);
  sublist.remove(other.subject, undefined, other);
  expect(found(last, message, sublist)).toEqual(['a']);
});

it('matches again for another account or another publication object', () => {
  const [last, one, two, message, copy] = [
    new LastMatch(),
    list('a', 'c'),
    list('a', 'b.>'),
    publication('a'),
    publication('c'),
  ];
  for (let time = 0; time < 2; time++) {
    expect(found(last, message, one)).toEqual(['a']);
    expect(last.find(message, two)).not.toBe(last.find(message, one));
    // A publication that an import made of it, in the same account.
    expect(found(last, copy, one)).toEqual(['c']);
  }
});

it('matches again after the cache has been dropped', () => {
  const [last, sublist, message] = [new LastMatch(), list('a'), publication('a')];
  const before = last.find(message, sublist);
  last.forget();
  expect(last.find(message, sublist)).toBe(before);
  expect(sublist.statistics()).toMatchObject({ matches: 2 });
});
