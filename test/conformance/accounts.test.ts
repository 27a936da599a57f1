// Accounts isolate their subjects, queue groups and responders, and limit connections, subscriptions and payloads.
import { expect, it } from 'vitest';
import { conformance } from './suite.ts';

const accounts = `accounts {
  RED: { users: [ { user: rose, password: r }, { user: ruby, password: r } ] }
  BLUE: { users: [ { user: sky, password: b } ] }
}`;

conformance('isolation of accounts', accounts, (suite) => {
  const rose = (options = {}) => suite.connect({ user: 'rose', pass: 'r', ...options });
  const ruby = () => suite.connect({ user: 'ruby', pass: 'r' });
  const sky = (options = {}) => suite.connect({ user: 'sky', pass: 'b', ...options });

  it('delivers a message to another user of the same account', async () => {
    const [publisher, subscriber] = [await rose(), await ruby()];
    const s = suite.subject();
    subscriber.send(`SUB ${s} 1\r\n`);
    await subscriber.receives('');
    publisher.send(`PUB ${s} 1\r\nx\r\n`);
    await publisher.receives('');
    await subscriber.receives(`MSG ${s} 1 1\r\nx\r\n`);
  });

  it.each(['', '.>', '.*'])(
    'delivers no message to a user of another account who subscribes to the subject%s',
    async (suffix) => {
      const [publisher, stranger] = [await rose(), await sky()];
      const s = suite.subject();
      stranger.send(`SUB ${s}${suffix} 1\r\nSUB > 2\r\n`);
      await stranger.receives('');
      publisher.send(`PUB ${s}${suffix === '' ? '' : '.x'} 1\r\nx\r\n`);
      await publisher.receives('');
      await stranger.receives('');
    },
  );

  it('publishes into the account that the client belongs to at the time, even for a cached subject', async () => {
    const [publisher, red, blue] = [await rose(), await ruby(), await sky()];
    const s = suite.subject();
    for (const client of [red, blue]) {
      client.send(`SUB ${s} 1\r\n`);
      await client.receives('');
    }
    const become = (user: string, pass: string) =>
      `CONNECT {"verbose":false,"user":"${user}","pass":"${pass}"}\r\n`;
    const publish = (text: string) => `PUB ${s} 1\r\n${text}\r\n`.repeat(2);
    publisher.send(publish('a') + become('sky', 'b') + publish('b') + become('rose', 'r') + publish('c'));
    await publisher.receives('');
    const delivered = (text: string) => `MSG ${s} 1 1\r\n${text}\r\n`.repeat(2);
    await red.receives(delivered('a') + delivered('c'));
    await blue.receives(delivered('b'));
  });

  it('keeps queue groups of one name in two accounts apart', async () => {
    const [red, blue] = [await rose(), await sky()];
    const s = suite.subject();
    for (const client of [red, blue]) {
      client.send(`SUB ${s} workers 1\r\n`);
      await client.receives('');
    }
    red.send(`PUB ${s} 1\r\nx\r\n`.repeat(10));
    await red.receives(`MSG ${s} 1 1\r\nx\r\n`.repeat(10));
    await blue.receives('');
  });

  it('reports no responders when only another account has one', async () => {
    const [responder, requester] = [await sky(), await rose({ headers: true, no_responders: true })];
    const s = suite.subject();
    responder.send(`SUB ${s} 1\r\n`);
    await responder.receives('');
    requester.send(`SUB inbox.${s} 1\r\nPUB ${s} inbox.${s} 0\r\n\r\n`);
    expect(await requester.drain()).toContain('NATS/1.0 503');
    await responder.receives('');
  });

  it('names the account in the INFO after CONNECT', async () => {
    for (const [user, pass, account] of [
      ['rose', 'r', 'RED'],
      ['sky', 'b', 'BLUE'],
    ]) {
      const client = await suite.open();
      client.send(`CONNECT ${JSON.stringify({ verbose: false, protocol: 1, user, pass })}\r\nPING\r\n`);
      await client.reads('PONG\r\n');
      expect(await client.nextInfo()).toMatchObject({ remote_account: account, connect_info: true });
    }
  });

  it('rejects a client that names no user', async () => {
    const client = await suite.open();
    client.send('CONNECT {"verbose":true}\r\n');
    await client.closes("-ERR 'Authorization Violation'\r\n");
  });

  it('drops the subscriptions of a client whose second CONNECT changes its account', async () => {
    const [client, red, blue] = [await rose(), await ruby(), await sky()];
    const s = suite.subject();
    client.send(`SUB ${s} 1\r\nCONNECT {"user":"sky","pass":"b"}\r\n`);
    await client.receives('');
    for (const publisher of [red, blue]) {
      publisher.send(`PUB ${s} 1\r\nx\r\n`);
      await publisher.receives('');
    }
    await client.receives('');
  });
});

const limited = `accounts {
  TWO { users: [ { user: two, password: t } ], limits: { max_connections: 2, max_leafnodes: 0 } }
  FEW { users: [ { user: few, password: f } ], limits: { max_subs: 2 } }
  SMALL { users: [ { user: small, password: s } ], limits: { max_payload: 10 } }
  LARGE { users: [ { user: large, password: l } ], limits: { max_pay: 2000000, max_conn: -1 } }
}`;

conformance('limits of accounts', limited, (suite) => {
  const as = (user: string) => suite.connect({ user, pass: user[0] });
  const tooMany = "-ERR 'maximum account active connections exceeded'\r\n";

  it('accepts clients up to max_connections, and another after one has left', async () => {
    const [first] = [await as('two'), await as('two')];
    const third = await suite.open();
    third.send('CONNECT {"user":"two","pass":"t","verbose":true}\r\nPING\r\n');
    await third.closes(tooMany);
    first.send('CONNECT {"user":"few","pass":"f"}\r\n');
    await first.receives('');
    await as('two');
  });

  it('accepts no additional client after rejected clients have left', async () => {
    await Promise.all([as('two'), as('two')]);
    for (const [pass, answer] of [
      ['t', tooMany],
      ['x', "-ERR 'Authorization Violation'\r\n"],
      ['t', tooMany],
    ] as const) {
      const refused = await suite.open();
      refused.send(`CONNECT {"user":"two","pass":"${pass}"}\r\n`);
      await refused.closes(answer);
    }
  });

  it('counts a client that repeats its CONNECT once', async () => {
    const client = await suite.connect({ user: 'two', pass: 't' });
    client.send('CONNECT {"user":"two","pass":"t"}\r\n'.repeat(5));
    await client.receives('');
  });

  it('applies max_subs to each client separately', async () => {
    const [one, other] = [await as('few'), await as('few')];
    for (const client of [one, other]) {
      client.send('SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n');
      await client.receives("-ERR 'maximum subscriptions exceeded'\r\n");
      client.send('UNSUB 1\r\nSUB c 3\r\n');
      await client.receives('');
    }
  });

  it('rejects a message above the max_payload of the account', async () => {
    const client = await as('small');
    client.send('PUB a 10\r\n0123456789\r\n');
    await client.receives('');
    client.send('PUB a 11\r\n0123456789a\r\n');
    await client.closes("-ERR 'Maximum Payload Violation'\r\n");
  });

  it('does not raise the max_payload of the server', async () => {
    const client = await as('large');
    client.send('PUB a 1048577\r\n');
    await client.closes("-ERR 'Maximum Payload Violation'\r\n");
  });

  it.each([
    ['small', 10],
    ['large', 1_048_576],
  ])('announces the max_payload that applies to user %s in the INFO after CONNECT', async (user, size) => {
    const client = await suite.open();
    expect(client.info.max_payload).toBe(1_048_576);
    const connect = { user, pass: user[0], protocol: 1, verbose: false };
    client.send(`CONNECT ${JSON.stringify(connect)}\r\nPING\r\n`);
    await client.reads('PONG\r\n');
    expect((await client.nextInfo()).max_payload).toBe(size);
  });
});
