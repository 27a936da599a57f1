// Imports and exports between accounts: streams, services and the path of replies, compared byte for byte.
import { describe, expect, it } from 'vitest';
import type { Wire } from '../harness/wire.ts';
import { conformance, type Suite } from './suite.ts';

const configuration = `accounts {
  A {
    users: [ { user: a, password: a } ]
    exports: [
      { stream: "news.>" }
      { stream: "exact" }
      { stream: "room.*.door.*" }
      { stream: "private.>", accounts: [B] }
      { stream: "team.*.>", account_token_position: 2 }
      { service: "ask.*.*" }
      { service: "plain" }
      { service: "wide.>" }
      { service: "many.*", response_type: stream }
      { service: "pieces", response: chunked, response_threshold: "5s" }
      { service: "who" }
      { service: "secret", accounts: [B, C] }
    ]
  }
  B {
    users: [ { user: b, password: b }, { user: b2, password: b }
      { user: narrow, password: b, permissions: { subscribe: { allow: [ ">" ], deny: [ "in.news.denied" ] }, publish: [ "own.plain" ] } } ]
    imports: [
      { stream: { account: A, subject: "news.>" }, prefix: "in" }
      { stream: { account: A, subject: "exact" }, to: "renamed.exact" }
      { stream: { account: A, subject: "room.*.door.*" }, to: "door.$2.of.$1" }
      { stream: { account: A, subject: "private.one" } }
      { stream: { account: A, subject: "team.B.>" } }
      { service: { account: A, subject: "ask.*.*" }, to: "my.$2.$1" }
      { service: { account: A, subject: "plain" }, to: "own.plain" }
      { service: { account: A, subject: "wide.>" } }
      { service: { account: A, subject: "many.*" } }
      { service: { account: A, subject: "pieces" } }
      { service: { account: A, subject: "who" }, share: true }
      { service: { account: A, subject: "secret" } }
    ]
    exports: [ { service: "own.plain" }, { service: "who" }, { service: "wide.>" }, { stream: "in.news.>" } ]
  }
  C {
    users: [ { user: c, password: c } ]
    imports: [
      { service: { account: B, subject: "own.plain" }, to: "through.b" }
      { service: { account: B, subject: "who" }, to: "c.who" }
      { service: { account: B, subject: "wide.>" }, to: "c.wide.>", share: true }
      { stream: { account: B, subject: "in.news.>" } }
      { stream: { account: A, subject: "news.eu.*" }, to: "eu.{{wildcard(1)}}" }
    ]
  }
  D { users: [ { user: d, password: d } ] }
}`;

/** Removes measured times, which differ between runs. */
const withoutMeasures = (text: string) => text.replace(/,"rtt":\d+/g, '');

conformance('imports and exports', configuration, (suite) => {
  const as = (user: string, options = {}) =>
    suite.connect({ user, pass: user[0], headers: true, ...options });
  const plain = (user: string) => suite.connect({ user, pass: user === 'narrow' ? 'b' : user[0] });

  async function subscribed(user: string, ...lines: string[]): Promise<Wire> {
    const client = await plain(user);
    client.send(lines.map((line) => `${line}\r\n`).join(''));
    await client.receives('');
    return client;
  }

  async function publishes(user: string, ...messages: [subject: string, payload: string][]): Promise<void> {
    const client = await plain(user);
    for (const [subject, payload] of messages) {
      client.send(`PUB ${subject} ${payload.length}\r\n${payload}\r\n`);
    }
    await client.receives('');
    client.end();
  }

  /** Reads one request to a service, expects it to be exactly this, and returns its reply subject. */
  async function request(service: Wire, expected: (reply: string) => string): Promise<string> {
    const text = withoutMeasures(await service.drain());
    const reply = /_R_\.[0-9A-Za-z]{6}\.[0-9A-Za-z]{6}/.exec(text)?.[0] ?? 'no reply subject';
    expect(text).toBe(expected(reply));
    return reply;
  }

  describe('a stream', () => {
    it.each([
      ['the whole import', 'in.news.>', 'news.a.b', 'in.news.a.b'],
      ['everything', '>', 'news.a', 'in.news.a'],
      ['part of it', 'in.news.sport.*', 'news.sport.1', 'in.news.sport.1'],
      ['one subject of it', 'in.news.one', 'news.one', 'in.news.one'],
      ['an overlapping wildcard subject', '*.news.x.>', 'news.x.y.z', 'in.news.x.y.z'],
      ['a wildcard in place of the prefix', '*.news.wild', 'news.wild', 'in.news.wild'],
      ['the name that the import gives it', 'renamed.exact', 'exact', 'renamed.exact'],
      ['that name by a wildcard', 'renamed.*', 'exact', 'renamed.exact'],
      ['the mapped subject', 'door.*.of.*', 'room.1.door.2', 'door.2.of.1'],
      ['part of the mapped subject', 'door.2.of.*', 'room.1.door.2', 'door.2.of.1'],
      ['one mapped subject', 'door.4.of.3', 'room.3.door.4', 'door.4.of.3'],
      ['a superset of the mapped subjects', 'door.>', 'room.5.door.6', 'door.6.of.5'],
      ['a wildcard that overlaps the mapped subjects', '*.8.*.7', 'room.7.door.8', 'door.8.of.7'],
      ['a private stream that is exported to the account', 'private.>', 'private.one', 'private.one'],
      ['the subject that contains the name of the account', 'team.>', 'team.B.x', 'team.B.x'],
    ])('is delivered to a subscriber of %s', async (_, wanted, published, delivered) => {
      const subscriber = await subscribed('b', `SUB ${wanted} 1`);
      await publishes('a', [published, 'hi']);
      await subscriber.receives(`MSG ${delivered} 1 2\r\nhi\r\n`);
    });

    it.each([
      ['under the subject of the export when the import renames it', 'b', 'news.>', 'news.a'],
      ['for a subject that does not overlap the subscription', 'b', 'in.news.sport.*', 'news.music.1'],
      ['for a subject outside the imported part', 'b', 'private.*', 'private.two'],
      ['for a subject that contains the name of another account', 'b', 'team.>', 'team.C.x'],
      ['to an account that imports nothing', 'd', '>', 'news.a'],
      ['through the import of another account', 'c', 'in.news.>', 'news.us.a'],
      ['for a subject longer than the mapping', 'b', 'door.>', 'room.1.door.2.x'],
    ])('is not delivered %s', async (_, user, wanted, published) => {
      const subscriber = await subscribed(user, `SUB ${wanted} 1`);
      await publishes('a', [published, 'hi']);
      await subscriber.receives('');
    });

    it('is delivered once for each matching subscription of a client', async () => {
      const subscriber = await subscribed('b', 'SUB in.news.> 1', 'SUB in.*.a 2', 'SUB in.news.b 3');
      await publishes('a', ['news.a', 'hi']);
      await subscriber.receivesInAnyOrder('MSG in.news.a 1 2\r\nhi\r\n', 'MSG in.news.a 2 2\r\nhi\r\n');
    });

    it('is delivered from the exporting to the importing account only', async () => {
      const subscriber = await subscribed('a', 'SUB news.> 1', 'SUB in.> 2');
      await publishes('b', ['in.news.a', 'hi'], ['news.a', 'hi']);
      await subscriber.receives('');
    });

    it('is delivered together with messages that the importing account publishes', async () => {
      const subscriber = await subscribed('b', 'SUB in.news.c 1');
      await publishes('b', ['in.news.c', '1']);
      await publishes('a', ['news.c', '2']);
      await subscriber.receives('MSG in.news.c 1 1\r\n1\r\nMSG in.news.c 1 1\r\n2\r\n');
    });

    it('keeps its reply subject and its headers', async () => {
      const subscriber = await as('b');
      subscriber.send('SUB in.news.> 1\r\n');
      await subscriber.receives('');
      const publisher = await as('a');
      publisher.send('HPUB news.h back 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n');
      await publisher.receives('');
      await subscriber.receives('HMSG in.news.h 1 back 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n');
    });

    it('loses its headers for a subscriber that does not enable them', async () => {
      const subscriber = await subscribed('b', 'SUB in.news.> 1');
      const publisher = await as('a');
      publisher.send('HPUB news.h 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n');
      await publisher.receives('');
      await subscriber.receives('MSG in.news.h 1 2\r\nhi\r\n');
    });

    it('is delivered to one member of a queue group', async () => {
      const [one, two] = [
        await subscribed('b', 'SUB in.news.q g 1'),
        await subscribed('b2', 'SUB in.news.> g 1'),
      ];
      await publishes('a', ['news.q', '1'], ['news.q', '2'], ['news.q', '3'], ['news.q', '4']);
      const all = (await one.drain()) + (await two.drain());
      expect(all.match(/MSG in\.news\.q 1 1\r\n\d\r\n/g)).toHaveLength(4);
      expect(all).toHaveLength(4 * 'MSG in.news.q 1 1\r\n1\r\n'.length);
    });

    it('is delivered to one member of each queue group across accounts', async () => {
      const [own, other] = [
        await subscribed('a', 'SUB news.eu.q g 1'),
        await subscribed('b', 'SUB in.news.eu.q h 1'),
      ];
      await publishes('a', ['news.eu.q', 'x']);
      await own.receives('MSG news.eu.q 1 1\r\nx\r\n');
      await other.receives('MSG in.news.eu.q 1 1\r\nx\r\n');
    });

    it('is not delivered after UNSUB', async () => {
      const subscriber = await subscribed('b', 'SUB in.news.> 1');
      subscriber.send('UNSUB 1\r\n');
      await subscriber.receives('');
      await publishes('a', ['news.a', 'hi']);
      await subscriber.receives('');
    });

    it('does not count towards the limit of UNSUB', async () => {
      const subscriber = await subscribed('b', 'SUB in.news.a 1', 'UNSUB 1 2');
      await publishes('a', ['news.a', '1'], ['news.a', '2'], ['news.a', '3']);
      await subscriber.receives(
        'MSG in.news.a 1 1\r\n1\r\nMSG in.news.a 1 1\r\n2\r\nMSG in.news.a 1 1\r\n3\r\n',
      );
      await publishes('b', ['in.news.a', '4'], ['in.news.a', '5'], ['in.news.a', '6']);
      await subscriber.receives('MSG in.news.a 1 1\r\n4\r\nMSG in.news.a 1 1\r\n5\r\n');
      await publishes('a', ['news.a', '7']);
      await subscriber.receives('');
    });

    it('is withheld from a user without the permission to subscribe', async () => {
      const subscriber = await subscribed('narrow', 'SUB in.news.> 1');
      await publishes('a', ['news.denied', 'x'], ['news.open', 'y']);
      await subscriber.receives('MSG in.news.open 1 1\r\ny\r\n');
    });

    it('counts a subscriber in an importing account as a responder', async () => {
      await subscribed('b', 'SUB in.news.ask 1');
      const asking = await as('a', { no_responders: true });
      asking.send('SUB inbox 1\r\nPUB news.ask inbox 0\r\n\r\n');
      await asking.receives('');
    });

    it('carries a reply subject that the importing account cannot reach', async () => {
      const subscriber = await subscribed('b', 'SUB in.news.ask 1');
      const asking = await subscribed('a', 'SUB inbox 9');
      asking.send('PUB news.ask inbox 0\r\n\r\n');
      await asking.receives('');
      await subscriber.receives('MSG in.news.ask 1 inbox 0\r\n\r\n');
      subscriber.send('PUB inbox 0\r\n\r\n');
      await subscriber.receives('');
      await asking.receives('');
    });

    it('is delivered to several accounts, under the subject that each import gives it', async () => {
      const [b, c] = [await subscribed('b', 'SUB > 1'), await subscribed('c', 'SUB > 1')];
      await publishes('a', ['news.eu.x', 'hi']);
      await b.receives('MSG in.news.eu.x 1 2\r\nhi\r\n');
      await c.receives('MSG eu.x 1 2\r\nhi\r\n');
    });
  });

  describe('a service', () => {
    it.each([
      ['under the name of the import', 'plain', 'own.plain', 'plain'],
      ['under the name of the export', 'wide.>', 'wide.a.b', 'wide.a.b'],
      ['under a mapped subject', 'ask.*.*', 'my.1.2', 'ask.2.1'],
      ['when it is private', 'secret', 'secret', 'secret'],
    ])('receives a request and returns the reply %s', async (_, serves, asked, arrives) => {
      const service = await subscribed('a', `SUB ${serves} 1`);
      const client = await subscribed('b', 'SUB in.* 2');
      client.send(`PUB ${asked} in.1 2\r\nhi\r\n`);
      await client.receives('');
      const reply = await request(service, (at) => `MSG ${arrives} 1 ${at} 2\r\nhi\r\n`);
      service.send(`PUB ${reply} 2\r\nok\r\n`);
      await service.receives('');
      await client.receives('MSG in.1 2 2\r\nok\r\n');
    });

    it.each([
      ['none', 'plain', 'own.plain', 'in.1', ''],
      ['none, for a streamed response', 'many.x', 'many.x', 'in.1', ''],
      ['none, by wildcard', 'plain', 'own.plain', 'in.*', ''],
      ['another one', 'plain', 'own.plain', 'in.1', 'SUB in.1 3\r\n'],
      ['another one, by wildcard', 'plain', 'own.plain', 'in.1', 'SUB in.> 3\r\n'],
    ])(
      'drops the reply unless a subscription to the reply subject has existed since the request: %s',
      async (_, serves, asked, inbox, other) => {
        const service = await subscribed('a', `SUB ${serves} 1`);
        const client = await subscribed('b', `SUB ${inbox} 1`);
        client.send(`${other}PUB ${asked} in.1 0\r\n\r\n`);
        await client.receives('');
        const reply = await request(service, (at) => `MSG ${serves} 1 ${at} 0\r\n\r\n`);
        client.send(`UNSUB 1\r\nSUB ${inbox} 2\r\n`);
        await client.receives('');
        service.send(`PUB ${reply} 2\r\nok\r\n`);
        await service.receives('');
        if (other === '') await client.receives('');
        else await client.receivesInAnyOrder('MSG in.1 2 2\r\nok\r\n', 'MSG in.1 3 2\r\nok\r\n');
      },
    );

    it('learns the account of the client from a header', async () => {
      const service = await as('a');
      service.send('SUB plain 1\r\n');
      await service.receives('');
      const client = await plain('b');
      client.send('PUB own.plain in.1 2\r\nhi\r\n');
      await client.receives('');
      const block = 'NATS/1.0\r\nNats-Request-Info: {"acc":"B"}\r\n\r\n';
      const text = withoutMeasures(await service.drain()).replace(/ \d+ \d+\r\n/, ' <sizes>\r\n');
      expect(text).toMatch(/^HMSG plain 1 _R_\.\w{6}\.\w{6} <sizes>\r\n/);
      expect(text.slice(text.indexOf('NATS'))).toBe(`${block}hi\r\n`);
    });

    it('learns the account from a header that the request cannot forge', async () => {
      const service = await as('a');
      service.send('SUB wide.> 1\r\n');
      await service.receives('');
      const client = await as('b');
      const block = 'NATS/1.0\r\nNats-Request-Info: {"acc":"X"}\r\nA: b\r\nNats-Request-Info: no\r\n\r\n';
      client.send(`HPUB wide.x ${block.length} ${block.length + 2}\r\n${block}hi\r\n`);
      await client.receives('');
      const text = withoutMeasures(await service.drain()).replace(/ \d+ \d+\r\n/, ' <sizes>\r\n');
      expect(text).toBe(
        'HMSG wide.x 1 <sizes>\r\nNATS/1.0\r\nA: b\r\nNats-Request-Info: {"acc":"B"}\r\n\r\nhi\r\n',
      );
    });

    it('learns the identity of the client when the import shares it', async () => {
      const service = await as('a');
      service.send('SUB who 1\r\n');
      await service.receives('');
      const client = await suite.connect({ user: 'b', pass: 'b', name: 'n<1>', lang: 'x', version: '2' });
      client.send('PUB who 0\r\n\r\n');
      await client.receives('');
      const json = /Nats-Request-Info: (.*)\r\n/.exec(await service.drain())?.[1] ?? '';
      expect(json).toContain('n\\u003c1\\u003e');
      const { start, id, rtt: _, server, ...rest } = JSON.parse(json) as Record<string, unknown>;
      expect(rest).toEqual({
        host: '127.0.0.1',
        acc: 'B',
        user: 'b',
        name: 'n<1>',
        lang: 'x',
        ver: '2',
        kind: 'Client',
        client_type: 'nats',
      });
      expect(id).toBe(client.info.client_id);
      expect(server).toBe(client.info.server_name);
      expect(Date.parse(start as string)).toBeGreaterThan(Date.now() - 60_000);
      expect(Object.keys(JSON.parse(json) as object).filter((key) => key !== 'rtt')).toEqual(
        'start host id acc user name lang ver server kind client_type'.split(' '),
      );
    });

    it('returns one reply for a single response type', async () => {
      const service = await subscribed('a', 'SUB plain 1');
      const client = await subscribed('b', 'SUB in.* 2');
      client.send('PUB own.plain in.1 0\r\n\r\n');
      await client.receives('');
      const reply = await request(service, (at) => `MSG plain 1 ${at} 0\r\n\r\n`);
      service.send(`PUB ${reply} 1\r\n1\r\nPUB ${reply} 1\r\n2\r\n`);
      await service.receives('');
      await client.receives('MSG in.1 2 1\r\n1\r\n');
    });

    it.each([
      ['many.1', 'a streamed response'],
      ['pieces', 'a chunked response'],
    ])('named %s returns %s up to the first empty message', async (subject) => {
      const service = await subscribed('a', `SUB ${subject} 1`);
      const client = await subscribed('b', 'SUB in.* 2');
      client.send(`PUB ${subject} in.1 0\r\n\r\n`);
      await client.receives('');
      const reply = await request(service, (at) => `MSG ${subject} 1 ${at} 0\r\n\r\n`);
      for (const answer of ['1', '2', '', '3']) {
        service.send(`PUB ${reply} ${answer.length}\r\n${answer}\r\n`);
      }
      await service.receives('');
      await client.receives('MSG in.1 2 1\r\n1\r\nMSG in.1 2 1\r\n2\r\nMSG in.1 2 0\r\n\r\n');
    });

    it('stops returning replies when the client unsubscribes from the reply subject', async () => {
      const service = await subscribed('a', 'SUB many.* 1');
      const client = await subscribed('b', 'SUB in.* 2');
      client.send('PUB many.1 in.1 0\r\n\r\n');
      await client.receives('');
      const reply = await request(service, (at) => `MSG many.1 1 ${at} 0\r\n\r\n`);
      client.send('UNSUB 2\r\n');
      await client.receives('');
      service.send(`PUB ${reply} 1\r\n1\r\n`);
      await service.receives('');
      client.send('SUB in.* 3\r\n');
      await client.receives('');
      service.send(`PUB ${reply} 1\r\n2\r\n`);
      await service.receives('');
      await client.receives('');
    });

    it('can attach a reply subject to its reply, through which the client answers', async () => {
      const service = await subscribed('a', 'SUB many.* 1', 'SUB more 3');
      const client = await subscribed('b', 'SUB in.* 2');
      client.send('PUB many.1 in.1 0\r\n\r\n');
      await client.receives('');
      const reply = await request(service, (at) => `MSG many.1 1 ${at} 0\r\n\r\n`);
      service.send(`PUB ${reply} more 1\r\n?\r\n`);
      await service.receives('');
      const back = await request(client, (at) => `MSG in.1 2 ${at} 1\r\n?\r\n`);
      client.send(`PUB ${back} 1\r\n!\r\n`);
      await client.receives('');
      await service.receives('MSG more 3 1\r\n!\r\n');
    });

    it('returns a reply with headers', async () => {
      const service = await subscribed('a', 'SUB plain 1');
      const client = await as('b');
      client.send('SUB in.* 2\r\nPUB own.plain in.1 0\r\n\r\n');
      await client.receives('');
      const reply = await request(service, (at) => `MSG plain 1 ${at} 0\r\n\r\n`);
      const answering = await as('a');
      answering.send(`HPUB ${reply} 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n`);
      await answering.receives('');
      await client.receives('HMSG in.1 2 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n');
    });

    it('receives a request through an intermediate account', async () => {
      const service = await as('a');
      service.send('SUB plain 1\r\n');
      await service.receives('');
      const client = await subscribed('c', 'SUB in.* 2');
      client.send('PUB through.b in.1 2\r\nhi\r\n');
      await client.receives('');
      const text = withoutMeasures(await service.drain());
      expect(text).toContain('NATS/1.0\r\nNats-Request-Info: {"acc":"C","svc":"B"}\r\n\r\nhi\r\n');
      const reply = /_R_\.\w{6}\.\w{6}/.exec(text)?.[0];
      service.send(`PUB ${reply} 2\r\nok\r\n`);
      await service.receives('');
      await client.receives('MSG in.1 2 2\r\nok\r\n');
    });

    it.each([
      ['the intermediate account shares', 'who', 'c.who', 'acc svc server'],
      [
        'the first account shares',
        'wide.x',
        'c.wide.x',
        'start host id acc svc user server kind client_type',
      ],
    ])('learns through an intermediate account what %s', async (_, serves, asked, fields) => {
      const service = await as('a');
      service.send(`SUB ${serves} 1\r\n`);
      await service.receives('');
      const client = await plain('c');
      client.send(`PUB ${asked} 0\r\n\r\n`);
      await client.receives('');
      const json = /Nats-Request-Info: (.*)\r\n/.exec(withoutMeasures(await service.drain()))?.[1] ?? '{}';
      const info = JSON.parse(json) as Record<string, unknown>;
      expect(Object.keys(info).join(' ')).toBe(fields);
      expect(info).toMatchObject({ acc: 'C', svc: 'B', server: client.info.server_name });
    });

    it('has no responders for an account that does not import it under this name', async () => {
      const service = await subscribed('a', 'SUB plain 1');
      for (const user of ['b', 'c', 'd']) {
        const client = await as(user, { no_responders: true });
        client.send('SUB in.* 2\r\nPUB plain in.1 0\r\n\r\n');
        await client.receives('HMSG in.1 2 37 37\r\nNATS/1.0 503\r\nNats-Subject: plain\r\n\r\n\r\n');
      }
      await service.receives('');
    });

    it('without a subscriber returns no responders, under the subject of the request', async () => {
      const client = await as('b', { no_responders: true });
      client.send('SUB in.* 2\r\nPUB my.1.2 in.1 0\r\n\r\n');
      await client.receives('HMSG in.1 2 38 38\r\nNATS/1.0 503\r\nNats-Subject: my.1.2\r\n\r\n\r\n');
    });

    it('without a subscriber two accounts away returns no responders', async () => {
      const client = await as('c', { no_responders: true });
      client.send('SUB in.* 2\r\nPUB through.b in.1 0\r\n\r\n');
      await client.receives('HMSG in.1 2 41 41\r\nNATS/1.0 503\r\nNats-Subject: through.b\r\n\r\n\r\n');
    });

    it('with a subscriber does not return no responders', async () => {
      await subscribed('a', 'SUB plain 1');
      const client = await as('b', { no_responders: true });
      client.send('SUB in.* 2\r\nPUB own.plain in.1 0\r\n\r\n');
      await client.receives('');
    });

    it('receives a request together with subscribers of the requesting account', async () => {
      const service = await subscribed('a', 'SUB plain 1');
      const listener = await subscribed('b2', 'SUB own.plain 3');
      await publishes('b', ['own.plain', 'x']);
      await listener.receives('MSG own.plain 3 1\r\nx\r\n');
      await service.receives('MSG plain 1 1\r\nx\r\n');
    });

    it('receives a request without a reply subject', async () => {
      const service = await subscribed('a', 'SUB wide.> 1');
      await publishes('b', ['wide.x', 'x']);
      await service.receives('MSG wide.x 1 1\r\nx\r\n');
    });

    it('delivers each request to one member of a queue group', async () => {
      const services = [await subscribed('a', 'SUB plain g 1'), await subscribed('a', 'SUB plain g 1')];
      await publishes('b', ['own.plain', '1'], ['own.plain', '2'], ['own.plain', '3']);
      const all = (await Promise.all(services.map((service) => service.drain()))).join('');
      expect(all.match(/MSG plain 1 1\r\n\d\r\n/g)).toHaveLength(3);
    });

    it('rejects a request from a user without the permission to publish to the name of the import', async () => {
      const service = await subscribed('a', 'SUB plain 1', 'SUB wide.> 2');
      const client = await plain('narrow');
      client.send('PUB wide.x 0\r\n\r\nPUB own.plain 0\r\n\r\n');
      await client.receives('-ERR \'Permissions Violation for Publish to "wide.x"\'\r\n');
      await service.receives('MSG plain 1 0\r\n\r\n');
    });

    it('keeps the reply subject of a request from its own account', async () => {
      const service = await subscribed('a', 'SUB plain 1');
      const client = await plain('a');
      client.send('PUB plain in.1 0\r\n\r\n');
      await client.receives('');
      await service.receives('MSG plain 1 in.1 0\r\n\r\n');
    });

    it('receives a request that arrives in a hundred pieces', async () => {
      const service = await subscribed('a', 'SUB wide.> 1');
      const client = await plain('b');
      client.send(...Array.from('PUB wide.x 30\r\n012345678901234567890123456789\r\n'));
      await client.receives('');
      await service.receives('MSG wide.x 1 30\r\n012345678901234567890123456789\r\n');
    });

    it('does not deliver a message to a guessed reply subject', async () => {
      const client = await subscribed('b', 'SUB in.* 2');
      await publishes('a', ['_R_.AAAAAA.BBBBBB', 'x'], ['in.1', 'x']);
      await client.receives('');
    });
  });
});

function rejectsReplies(suite: Suite): void {
  it('rejects a published reply subject that is reserved for services', async () => {
    const client = await suite.connect({ user: 'b', pass: 'b' });
    client.send('PUB x _R_.AAAAAA.BBBBBB 0\r\n\r\n');
    await client.receives('-ERR \'Permissions Violation for Publish with Reply of "_R_.AAAAAA.BBBBBB"\'\r\n');
  });
}
conformance('reply subjects of services', configuration, rejectsReplies);

const hashes = `accounts {
  A {
    users: [ { user: a, password: a } ]
    exports: [ { stream: "{{account-hash()}}.>" }, { stream: "news" }, { service: "ask.*" }, { service: "by.*.*" } ]
  }
  B {
    users: [ { user: b, password: b } ]
    imports: [
      { stream: { account: A, subject: "news" }, to: "{{account-hash-import()}}.{{account-hash()}}" }
      { service: { account: A, subject: "ask.{{account-hash()}}" }, to: "ask" }
      { service: { account: A, subject: "by.*.{{account-hash()}}" }, to: "mine.*" }
    ]
  }
}`;

conformance(
  'subjects with hashes of account names',
  hashes,
  (suite) => {
    const [a, b] = ['NUmM6cRx', 'b2oh2L6w'];

    it('carry requests and streams between accounts', async () => {
      const [exporter, importer] = await Promise.all(
        ['a', 'b'].map((user) => suite.connect({ user, pass: user })),
      );
      exporter?.send('SUB ask.* 1\r\nSUB by.> 2\r\n');
      await exporter?.receives('');
      importer?.send(`SUB ${a}.* 2\r\n`, 'PUB ask 1\r\nx\r\nPUB mine.way 1\r\ny\r\n');
      await importer?.receives('');
      await exporter?.receives(`MSG ask.${b} 1 1\r\nx\r\nMSG by.way.${b} 2 1\r\ny\r\n`);
      exporter?.send('PUB news 1\r\nz\r\n');
      await exporter?.receives('');
      await importer?.receives(`MSG ${a}.${b} 2 1\r\nz\r\n`);
    });
  },
  'account-hashes',
);
