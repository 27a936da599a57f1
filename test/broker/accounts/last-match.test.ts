// What a publisher keeps of its last subject: never anything but what a match would find.
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

const found = (last: LastMatch, said: ReturnType<typeof publication>, sublist: Sublist<Subscription>) =>
  last.find(said, sublist).plain.map(({ subject }) => subject.toString());

it('keeps the match while the publication stays noted, and counts it', () => {
  const [last, sublist, said] = [new LastMatch(), list('a', 'b'), publication('a')];
  for (let time = 0; time < 3; time++) expect(found(last, said, sublist)).toEqual(['a']);
  expect(said.isNoted).toBe(true);
  expect(sublist.statistics()).toMatchObject({ matches: 3, hits: 2 });
});

it('matches anew what is not noted any more', () => {
  const [last, sublist, said] = [new LastMatch(), list('a', 'b'), publication('a')];
  expect(found(last, said, sublist)).toEqual(['a']);
  Object.assign(said, publication('b'));
  expect(found(last, said, sublist)).toEqual(['b']);
});

it('matches anew after a subscription has come or gone', () => {
  const [last, sublist, said] = [new LastMatch(), list('a'), publication('a')];
  expect(found(last, said, sublist)).toEqual(['a']);
  const other = new Subscription(() => true, '*', undefined, '2');
  sublist.insert(other.subject, undefined, other);
  expect(found(last, said, sublist).toSorted()).toEqual(['*', 'a']);
  sublist.remove(other.subject, undefined, other);
  expect(found(last, said, sublist)).toEqual(['a']);
});

it('does not take one account, or one publication, for another', () => {
  const [last, one, two, said, copy] = [
    new LastMatch(),
    list('a', 'c'),
    list('a', 'b.>'),
    publication('a'),
    publication('c'),
  ];
  for (let time = 0; time < 2; time++) {
    expect(found(last, said, one)).toEqual(['a']);
    expect(last.find(said, two)).not.toBe(last.find(said, one));
    // What an import made of it, in the same account.
    expect(found(last, copy, one)).toEqual(['c']);
  }
});

it('keeps nobody once it has forgotten', () => {
  const [last, sublist, said] = [new LastMatch(), list('a'), publication('a')];
  const before = last.find(said, sublist);
  last.forget();
  expect(last.find(said, sublist)).toBe(before);
  expect(sublist.statistics()).toMatchObject({ matches: 2 });
});
