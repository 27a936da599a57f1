// Which subscriptions a published subject matches.
import { describe, it } from 'vitest';
import { conformanceOnBothPorts } from './suite.ts';

conformanceOnBothPorts('subjects', '', (suite) => {
  describe('a subscription', () => {
    it.each<[string, string, boolean]>([
      ['a', 'a', true],
      ['a', 'A', false],
      ['a', 'a.b', false],
      ['a.b', 'a', false],
      ['*', 'a', true],
      ['*', 'a.b', false],
      ['a.*', 'a.b', true],
      ['a.*', 'a', false],
      ['a.*', 'a.b.c', false],
      ['*.b', 'a.b', true],
      ['a.*.c', 'a.b.c', true],
      ['a.*.c', 'a.b.d', false],
      ['a.*.*', 'a.b.c', true],
      ['>', 'a', true],
      ['>', 'a.b.c.d', true],
      ['a.>', 'a.b', true],
      ['a.>', 'a.b.c.d', true],
      ['a.>', 'a', false],
      ['a.*.>', 'a.b.c', true],
      ['a.*.>', 'a.b', false],
      // A wildcard is a whole token; within a token, * and > are ordinary characters.
      ['a.b*', 'a.bc', false],
      ['a.b*', 'a.b*', true],
      ['a.*b', 'a.xb', false],
      ['a.>b', 'a.>b', true],
      ['a.>>', 'a.b', false],
      ['a.**', 'a.b', false],
      ['a.**', 'a.**', true],
      // A published wildcard is a literal token: wildcards match it, and so does the same literal token.
      ['a.*', 'a.*', true],
      ['a.b', 'a.*', false],
      ['a.>', 'a.>', true],
      ['a.b', 'a.>', false],
      ['a.>', 'a.*', true],
      ['*', '>', true],
      // Every character except dots and white space is ordinary.
      ['$x.y', '$x.y', true],
      ['a-b_c', 'a-b_c', true],
      ['a/b', 'a/b', true],
      ['"a"', '"a"', true],
      ['a,b', 'a,b', true],
      ['{a}', '{a}', true],
      ['\u0001', '\u0001', true],
      ['žluťoučký.kůň', 'žluťoučký.kůň', true],
      ['*.主题', '消息.主题', true],
      ['😀.>', '😀.🎉.🎈', true],
      ['é', 'e\u0301', false],
    ])('to %j receives a message to %j: %s', async (pattern, subject, reaches) => {
      const client = await suite.connect();
      const s = suite.subject();
      client.send(`SUB ${s}.${pattern} 1\r\nPUB ${s}.${subject} 1\r\nx\r\n`);
      await client.receives(reaches ? `MSG ${s}.${subject} 1 1\r\nx\r\n` : '');
    });

    it('to many patterns receives a message once for each that matches', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      const patterns = [
        'a.b.c',
        'a.b.*',
        'a.*.c',
        '*.b.c',
        'a.*.*',
        '*.*.*',
        'a.b.>',
        'a.>',
        '>',
        'a.b',
        'a.b.c.>',
        'x.>',
      ];
      client.send(patterns.map((pattern, index) => `SUB ${s}.${pattern} ${index}\r\n`).join(''));
      client.send(`PUB ${s}.a.b.c 1\r\nx\r\n`);
      await client.receivesInAnyOrder(
        ...patterns.slice(0, 9).map((_, index) => `MSG ${s}.a.b.c ${index} 1\r\nx\r\n`),
      );
    });

    it('receives messages published between its SUB and its UNSUB, even on a cached subject', async () => {
      const publisher = await suite.connect();
      const subscriber = await suite.connect();
      const s = suite.subject();
      const patterns = ['a.b', 'a.*', '>'];
      for (const [index, pattern] of patterns.entries()) {
        publisher.send(`PUB ${s}.a.b 1\r\n${index}\r\n`);
        await publisher.receives('');
        subscriber.send(`SUB ${s}.${pattern} ${index}\r\n`);
        await subscriber.receivesInAnyOrder(
          ...patterns.slice(0, index).map((_, earlier) => `MSG ${s}.a.b ${earlier} 1\r\n${index}\r\n`),
        );
      }
      for (const index of patterns.keys()) {
        subscriber.send(`UNSUB ${index}\r\n`);
        await subscriber.receives('');
        publisher.send(`PUB ${s}.a.b 1\r\nx\r\n`);
        await publisher.receives('');
        await subscriber.receivesInAnyOrder(
          ...[...patterns.keys()].slice(index + 1).map((later) => `MSG ${s}.a.b ${later} 1\r\nx\r\n`),
        );
      }
    });
  });

  describe('size', () => {
    it('of 500 tokens is accepted', async () => {
      const client = await suite.connect();
      const s = `${suite.subject()}${'.t'.repeat(500)}`;
      client.send(`SUB ${s} 1\r\nSUB ${s.slice(0, -1)}* 2\r\nPUB ${s} 1\r\nx\r\n`);
      await client.receivesInAnyOrder(`MSG ${s} 1 1\r\nx\r\n`, `MSG ${s} 2 1\r\nx\r\n`);
    });

    it('of 4,000 bytes in one token is accepted', async () => {
      const client = await suite.connect();
      const s = `${suite.subject()}${'t'.repeat(4000)}`;
      client.send(`SUB ${s} 1\r\nPUB ${s} 1\r\nx\r\n`);
      await client.receives(`MSG ${s} 1 1\r\nx\r\n`);
    });

    it('of a subject and a reply subject of 2,000 bytes each is accepted', async () => {
      const client = await suite.connect();
      const s = `${suite.subject()}${'t'.repeat(2000)}`;
      const reply = 'r'.repeat(2000);
      client.send(`SUB ${s} 1\r\nPUB ${s} ${reply} 1\r\nx\r\n`);
      await client.receives(`MSG ${s} 1 ${reply} 1\r\nx\r\n`);
    });

    it('of 5,000 subjects with one subscription each is accepted', async () => {
      const client = await suite.connect();
      const s = suite.subject();
      const numbers = Array.from({ length: 5000 }, (_, number) => number);
      client.send(numbers.map((number) => `SUB ${s}.${number} ${number}\r\n`).join(''));
      client.send(numbers.map((number) => `PUB ${s}.${number} 1\r\nx\r\n`).join(''));
      await client.receives(numbers.map((number) => `MSG ${s}.${number} ${number} 1\r\nx\r\n`).join(''));
    });
  });
});
