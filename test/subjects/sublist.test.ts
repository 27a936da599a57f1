// The sublist: what matches what, that the cache never changes a result, and that removal leaves nothing behind.
import { describe, expect, it } from 'vitest';
import { isLiteral, isSubscribable } from '../../src/subjects/subject.ts';
import { Sublist } from '../../src/subjects/sublist.ts';
import { below, seeded } from '../support/seeded.ts';

function list(...subjects: string[]): Sublist<string> {
  const sublist = new Sublist<string>();
  for (const entry of subjects) {
    const [subject, queue] = entry.split(' ') as [string, string?];
    sublist.insert(subject, queue, entry);
  }
  return sublist;
}

function plain(sublist: Sublist<string>, subject: string): string[] {
  return match(sublist, subject).plain.toSorted();
}

function match(sublist: Sublist<string>, subject: string) {
  const bytes = Buffer.from(`__${subject}__`);
  return sublist.match(bytes, 2, bytes.length - 2);
}

describe('subjects', () => {
  it('accepts the subjects of subscriptions that nats-server accepts', () => {
    for (const subject of ['a', 'a.b', '*', '>', 'a.*.b', 'a.>', '*.>', 'a*', 'a>.b', '>a', '**', 'é']) {
      expect([subject, isSubscribable(Buffer.from(subject))]).toEqual([subject, true]);
    }
    for (const subject of ['', '.', 'a.', '.a', 'a..b', '>.a', 'a.>.b', 'a.>.>']) {
      expect([subject, isSubscribable(Buffer.from(subject))]).toEqual([subject, false]);
    }
  });

  it('accepts only literal subjects from pedantic publishers', () => {
    const literal = (subject: string) => isLiteral(Buffer.from(`_${subject}`), 1, subject.length + 1);
    for (const subject of ['a', 'a.b', 'a*', 'a>.b', '**'])
      expect([subject, literal(subject)]).toEqual([subject, true]);
    for (const subject of ['', 'a.', '.a', 'a..b', '*', '>', 'a.*', 'a.>', '*.a']) {
      expect([subject, literal(subject)]).toEqual([subject, false]);
    }
  });
});

describe('Sublist', () => {
  it('matches literal tokens, one token by * and one or more tokens by >', () => {
    const sublist = list('foo', 'foo.bar', 'foo.*', '*.bar', '>', 'foo.>', 'foo.*.baz', '*');
    expect(plain(sublist, 'foo')).toEqual(['*', '>', 'foo']);
    expect(plain(sublist, 'foo.bar')).toEqual(['*.bar', '>', 'foo.*', 'foo.>', 'foo.bar']);
    expect(plain(sublist, 'foo.bar.baz')).toEqual(['>', 'foo.*.baz', 'foo.>']);
    expect(plain(sublist, 'other.bar.baz')).toEqual(['>']);
  });

  it('treats a wildcard in a published subject as an ordinary token', () => {
    const sublist = list('foo.*', 'foo.>', 'foo.bar');
    expect(plain(sublist, 'foo.*')).toEqual(['foo.*', 'foo.>']);
    expect(plain(sublist, 'foo.>')).toEqual(['foo.*', 'foo.>']);
  });

  it('matches no subject with an empty token', () => {
    const sublist = list('>', '*.*', '*');
    for (const subject of ['', '.', 'a.', '.a', 'a..b']) expect(plain(sublist, subject)).toEqual([]);
  });

  it('combines the queue subscriptions of the same name into one group', () => {
    const sublist = list('foo a', 'foo.> a', 'foo.bar a', 'foo.* b', 'foo.bar');
    const { plain: direct, queues } = match(sublist, 'foo.bar');
    expect(direct).toEqual(['foo.bar']);
    expect(queues.map((group) => group.toSorted()).sort()).toEqual([['foo.* b'], ['foo.> a', 'foo.bar a']]);
  });

  it('rejects an invalid subject, and removes only a subscription that exists', () => {
    const sublist = new Sublist<number>();
    expect(sublist.insert('a..b', undefined, 1)).toBe(false);
    expect(sublist.insert('a.b', undefined, 1)).toBe(true);
    expect(sublist.remove('a.b', undefined, 2)).toBe(false);
    expect(sublist.remove('a.b', 'q', 1)).toBe(false);
    expect(sublist.remove('a.c', undefined, 1)).toBe(false);
    expect(sublist.remove('a.b', undefined, 1)).toBe(true);
    expect(sublist.size).toBe(0);
  });

  it('applies every change immediately, even to a cached subject', () => {
    const sublist = list('foo');
    expect(plain(sublist, 'foo')).toEqual(['foo']);
    sublist.insert('*', undefined, '*');
    expect(plain(sublist, 'foo')).toEqual(['*', 'foo']);
    sublist.insert('foo', undefined, 'again');
    expect(plain(sublist, 'foo')).toEqual(['*', 'again', 'foo']);
    sublist.remove('*', undefined, '*');
    sublist.remove('foo', undefined, 'foo');
    expect(plain(sublist, 'foo')).toEqual(['again']);
  });

  it('changes its version with each change, and only then', () => {
    const sublist = new Sublist<string>();
    const versions = [sublist.version];
    const changes: (() => boolean)[] = [
      () => sublist.insert('a', undefined, 'a'),
      () => sublist.insert('a', 'q', 'a q'),
      () => sublist.insert('>', undefined, '>'),
      () => sublist.remove('a', 'q', 'a q'),
      () => sublist.remove('a', undefined, 'a'),
      () => sublist.insert('a', undefined, 'a'),
    ];
    for (const change of changes) {
      expect(change()).toBe(true);
      versions.push(sublist.version);
    }
    expect(new Set(versions).size).toBe(versions.length);
    match(sublist, 'a');
    expect(sublist.remove('b', undefined, 'b')).toBe(false);
    expect(sublist.insert('a..b', undefined, 'a')).toBe(false);
    expect(sublist.version).toBe(versions.at(-1));
  });

  it('finds the same subscriptions as a linear search during random changes', () => {
    const random = seeded(11);
    const token = () => ['a', 'b', 'c', '*', '>'][below(random, 5)] as string;
    const subject = (length: number, wild: boolean) =>
      Array.from({ length }, () => (wild ? token() : (['a', 'b', 'c'][below(random, 3)] as string))).join(
        '.',
      );
    const sublist = new Sublist<string>();
    const present = new Set<string>();
    for (let step = 0; step < 5000; step++) {
      const entry = subject(1 + below(random, 4), random() < 0.7);
      const valid = !/>\./.test(entry);
      if (random() < 0.5) {
        expect(sublist.insert(entry, undefined, entry)).toBe(valid);
        if (valid) present.add(entry);
      } else {
        expect(sublist.remove(entry, undefined, entry)).toBe(present.delete(entry));
      }
      const published = subject(1 + below(random, 4), false);
      expect(plain(sublist, published)).toEqual([...present].filter((p) => covers(p, published)).sort());
    }
    expect(sublist.size).toBe(present.size);
  });

  it('finds the same subscriptions as a linear search with queue groups and shared subjects', () => {
    const random = seeded(12);
    const tokens = ['a', 'b', 'c', 'a*', '\xe9', '*', '*', '>'];
    const subject = (choices: number) =>
      Array.from({ length: 1 + below(random, 3) }, () => tokens[below(random, choices)] as string).join('.');
    const sublist = new Sublist<string>();
    const present = new Map<string, { pattern: string; queue: string | undefined }>();
    const groups = (found: Iterable<string>) => [...found].toSorted();
    for (let step = 0; step < 3000; step++) {
      const pattern = subject(tokens.length);
      const queue = ['q', 'r'][below(random, 4)];
      const entry = `${below(random, 3)} ${pattern} ${queue}`;
      // It grows and shrinks alternately, so that nodes are removed and created again.
      if (random() < (step % 1000 < 600 ? 0.8 : 0.2)) {
        expect(sublist.insert(pattern, queue, entry)).toBe(!/>\./.test(pattern));
        if (!/>\./.test(pattern)) present.set(entry, { pattern, queue });
      } else {
        expect(sublist.remove(pattern, queue, entry)).toBe(present.delete(entry));
      }
      const published = subject(5);
      const all = [...present].filter(([, { pattern: wanted }]) => covers(wanted, published));
      const of = (name: string | undefined) =>
        groups(all.filter(([, { queue: given }]) => given === name).map(([name]) => name));
      const bytes = Buffer.from(published, 'latin1');
      const found = sublist.match(bytes, 0, bytes.length);
      expect(groups(found.plain)).toEqual(of(undefined));
      expect(found.queues.map(groups).toSorted()).toEqual(
        [of('q'), of('r')].filter(({ length }) => length > 0).toSorted(),
      );
    }
    expect(groups(sublist)).toEqual(groups(present.keys()));
    for (const [entry, { pattern, queue }] of present) sublist.remove(pattern, queue, entry);
    expect([sublist.size, ...sublist]).toEqual([0]);
  });

  it('returns correct matches for more subjects than the cache holds', () => {
    const sublist = list('x.>');
    for (let round = 0; round < 2; round++) {
      for (let number = 0; number < 10_000; number++) expect(plain(sublist, `x.${number}`)).toEqual(['x.>']);
    }
    sublist.remove('x.>', undefined, 'x.>');
    for (let number = 0; number < 10_000; number++) expect(plain(sublist, `x.${number}`)).toEqual([]);
  });
});

function covers(pattern: string, subject: string): boolean {
  const want = pattern.split('.');
  const have = subject.split('.');
  for (const [index, token] of want.entries()) {
    if (token === '>') return have.length > index;
    if (index >= have.length || (token !== '*' && token !== have[index])) return false;
  }
  return want.length === have.length;
}
