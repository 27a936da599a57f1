// What permissions allow: lists with wildcards and queue groups, withheld messages, and results that no cache changes.
import { describe, expect, it } from 'vitest';
import { type PermissionRules, Permissions, parseSubjectRule } from '../../src/subjects/permissions.ts';
import { covers, overlap, tokens } from '../../src/subjects/subject.ts';
import { SubjectSet } from '../../src/subjects/subject-set.ts';
import { Sublist } from '../../src/subjects/sublist.ts';
import { below, seeded } from '../support/seeded.ts';

interface Lists {
  allow?: string[];
  deny?: string[];
}

function permissions({ publish = {}, subscribe = {} }: { publish?: Lists; subscribe?: Lists }): Permissions {
  const rules = (lists: string[] = []) =>
    lists.map((text) => {
      const rule = parseSubjectRule(text);
      if (rule === undefined) throw new Error(`${text} is no rule`);
      return rule;
    });
  const both = ({ allow, deny }: Lists) => ({ allow: allow && rules(allow), deny: rules(deny) });
  const all: PermissionRules = { publish: both(publish), subscribe: both(subscribe), responses: undefined };
  return new Permissions(all);
}

function mayPublish(permissions: Permissions, subject: string): boolean {
  const bytes = Buffer.from(`<${subject}>`);
  return permissions.mayPublish(bytes, 1, bytes.length - 1);
}

function withholds(permissions: Permissions, subject: string, queue?: string): boolean {
  const bytes = Buffer.from(`<${subject}>`);
  return permissions.withholds(bytes, 1, bytes.length - 1, queue);
}

function split(texts: string[], test: (text: string) => boolean) {
  return { yes: texts.filter(test), no: texts.filter((text) => !test(text)) };
}

describe('a rule', () => {
  it.each([
    ['a.b', { subject: 'a.b', queue: undefined }],
    ['a.*.>', { subject: 'a.*.>', queue: undefined }],
    ['a q', { subject: 'a', queue: 'q' }],
    [' a.>\t *.q ', { subject: 'a.>', queue: '*.q' }],
  ])('parses the rule %j', (text, rule) => {
    expect(parseSubjectRule(text)).toEqual(rule);
  });

  it.each(['', ' ', ' a', 'a ', 'a..b', 'a.', '>.a', 'a b c', 'a q.', 'a. q'])(
    'rejects the rule %j',
    (text) => {
      expect(parseSubjectRule(text)).toBeUndefined();
    },
  );
});

describe('subjects with wildcards', () => {
  const parts = ['a', 'b', '*', '>'];
  const random = seeded(4);
  const subject = () => {
    const length = 1 + below(random, 3);
    const text = Array.from({ length }, (_, at) => parts[below(random, at === length - 1 ? 4 : 3)]);
    return text.join('.').split('.');
  };
  const longer = (subjects: string[][]) =>
    subjects.flatMap((one) => ['a', 'b', 'c'].map((token) => [...one, token]));
  const [ones, twos] = [longer([[]]), longer(longer([[]]))];
  const literals = [ones, twos, longer(twos), longer(longer(twos))].flat();

  it('compares patterns by the literal subjects that they match', () => {
    for (let round = 0; round < 500; round++) {
      const [one, other] = [subject(), subject()];
      const [ofOne, ofOther] = [one, other].map((pattern) =>
        literals.filter((text) => covers(pattern, text)),
      );
      const shown = `${one.join('.')} ${other.join('.')}`;
      expect([shown, overlap(one, other)]).toEqual([shown, ofOne?.some((text) => ofOther?.includes(text))]);
      expect([shown, overlap(other, one)]).toEqual([shown, overlap(one, other)]);
      expect([shown, covers(one, other)]).toEqual([shown, ofOther?.every((text) => ofOne?.includes(text))]);
    }
  });
});

describe('a set of subjects', () => {
  it('finds exactly the subjects that a sublist of the same patterns matches, cached or not', () => {
    const random = seeded(5);
    const token = () => ['a', 'b', '*', '>', '', 'a*', 'é'][below(random, 7)] ?? '';
    const subject = () => Array.from({ length: 1 + below(random, 4) }, token).join('.');
    const subjects = Array.from({ length: 200 }, subject);
    for (const size of [0, 1, 3, 16, 17, 60]) {
      const patterns: Buffer[] = [];
      const sublist = new Sublist<number>();
      while (patterns.length < size) {
        const pattern = Buffer.from(subject());
        if (sublist.insert(pattern.toString('latin1'), undefined, patterns.length)) patterns.push(pattern);
      }
      const set = new SubjectSet(patterns);
      for (const text of [...subjects, ...subjects]) {
        const bytes = Buffer.from(`<${text}>`);
        const found = sublist.match(bytes, 1, bytes.length - 1).plain.length > 0;
        expect([text, set.has(bytes, 1, bytes.length - 1)]).toEqual([text, found]);
      }
    }
  });
});

describe('permissions', () => {
  it('allows everything without lists', () => {
    const free = permissions({});
    expect(mayPublish(free, 'a.b')).toBe(true);
    expect(free.maySubscribe(Buffer.from('>'), 'q')).toBe(true);
    expect(free.filters(Buffer.from('>'))).toBe(false);
    expect(withholds(free, 'a')).toBe(false);
  });

  it('allows nothing with an empty allow list', () => {
    const closed = permissions({ publish: { allow: [] }, subscribe: { allow: [] } });
    expect(mayPublish(closed, 'a')).toBe(false);
    expect(closed.maySubscribe(Buffer.from('a'), undefined)).toBe(false);
  });

  it('allows a message that an allow rule covers and no deny rule does, with the same result on every call', () => {
    const some = permissions({ publish: { allow: ['a.*', 'b.>', 'é'], deny: ['a.x', 'b.*.x'] } });
    const subjects = [
      'a.b',
      'b.a.b',
      'b.x',
      'é',
      'a.x',
      'b.a.x',
      'a',
      'b',
      'a.b.c',
      'c',
      'a..b',
      '',
      '*',
      '>',
    ];
    for (let round = 0; round < 3; round++) {
      expect(split(subjects, (subject) => mayPublish(some, subject)).yes).toEqual([
        'a.b',
        'b.a.b',
        'b.x',
        'é',
      ]);
    }
  });

  it('allows a subscription that an allow rule covers', () => {
    const some = permissions({ subscribe: { allow: ['a.*', '*.b.>'] } });
    const asked = ['a.b', 'a.*', 'c.b.>', '*.b.*', 'a.>', '*.*', '>', 'c.b', 'a..b', '*.>'];
    const { yes, no } = split(asked, (subject) => some.maySubscribe(Buffer.from(subject), undefined));
    expect(yes).toEqual(['a.b', 'a.*', 'c.b.>', '*.b.*']);
    expect(no).toEqual(['a.>', '*.*', '>', 'c.b', 'a..b', '*.>']);
  });

  it('allows a subscription that is wider than a deny rule, and filters its messages', () => {
    const some = permissions({ subscribe: { deny: ['a.x', 'b.*'] } });
    const asked = ['a.*', '>', 'a.y', 'c.>', 'b.*.c', 'a.x', 'b.y', 'b.*'];
    const { yes } = split(asked, (subject) => some.maySubscribe(Buffer.from(subject), undefined));
    expect(yes).toEqual(['a.*', '>', 'a.y', 'c.>', 'b.*.c']);
    expect(yes.filter((subject) => some.filters(Buffer.from(subject)))).toEqual(['a.*', '>']);
    expect(split(['a.x', 'b.y', 'a.y', 'b', 'b.y.z'], (subject) => withholds(some, subject)).yes).toEqual([
      'a.x',
      'b.y',
    ]);
  });

  it('applies rules to queue groups, also by wildcards', () => {
    const some = permissions({
      subscribe: { allow: ['a', 'a v1', 'b *.prod'], deny: ['a v1.x', 'b bad.>'] },
    });
    const may = (subject: string, queue?: string) => some.maySubscribe(Buffer.from(subject), queue);
    expect([may('a'), may('a', 'v1'), may('a', 'v2'), may('b'), may('b', 'x.prod')]).toEqual([
      true,
      true,
      false,
      false,
      true,
    ]);
    expect([may('b', 'prod'), may('b', 'bad.prod'), may('c', 'v1')]).toEqual([false, false, false]);
    expect([withholds(some, 'b', 'bad.prod'), withholds(some, 'b', 'x.prod'), withholds(some, 'b')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('compares the subject and the queue group of a client byte by byte', () => {
    const some = permissions({ subscribe: { allow: ['é ü.*'] } });
    const group = Buffer.from('ü.1').toString('latin1');
    expect(some.maySubscribe(Buffer.from('é'), group)).toBe(true);
    expect(some.maySubscribe(Buffer.from('é', 'latin1'), group)).toBe(false);
    expect(tokens(Buffer.from('é'))).toEqual(['Ã©']);
  });
});
