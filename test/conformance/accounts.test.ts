// Accounts keep their subjects to themselves.
import { expect, it } from 'vitest';
import { conformance } from './suite.ts';

const accounts = `accounts {
  RED: { users: [ { user: rose, password: r }, { user: ruby, password: r } ] }
  BLUE: { users: [ { user: sky, password: b } ] }
}`;

conformance('accounts', accounts, (suite) => {
  const rose = (options = {}) => suite.connect({ user: 'rose', pass: 'r', ...options });
  const ruby = () => suite.connect({ user: 'ruby', pass: 'r' });
  const sky = (options = {}) => suite.connect({ user: 'sky', pass: 'b', ...options });

  it('share a subject among the users of one account', async () => {
    const [publisher, subscriber] = [await rose(), await ruby()];
    const s = suite.subject();
    subscriber.send(`SUB ${s} 1\r\n`);
    await subscriber.receives('');
    publisher.send(`PUB ${s} 1\r\nx\r\n`);
    await publisher.receives('');
    await subscriber.receives(`MSG ${s} 1 1\r\nx\r\n`);
  });

  it.each(['', '.>', '.*'])('keep it from the users of another, who subscribe to it%s', async (suffix) => {
    const [publisher, stranger] = [await rose(), await sky()];
    const s = suite.subject();
    stranger.send(`SUB ${s}${suffix} 1\r\nSUB > 2\r\n`);
    await stranger.receives('');
    publisher.send(`PUB ${s}${suffix === '' ? '' : '.x'} 1\r\nx\r\n`);
    await publisher.receives('');
    await stranger.receives('');
  });

  it('have queue groups of their own', async () => {
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

  it('know no responders of another account', async () => {
    const [responder, requester] = [await sky(), await rose({ headers: true, no_responders: true })];
    const s = suite.subject();
    responder.send(`SUB ${s} 1\r\n`);
    await responder.receives('');
    requester.send(`SUB inbox.${s} 1\r\nPUB ${s} inbox.${s} 0\r\n\r\n`);
    expect(await requester.drain()).toContain('NATS/1.0 503');
    await responder.receives('');
  });

  it('are told to the client after CONNECT', async () => {
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

  it('need a user of theirs', async () => {
    const client = await suite.open();
    client.send('CONNECT {"verbose":true}\r\n');
    await client.closes("-ERR 'Authorization Violation'\r\n");
  });

  it('take the subscriptions along when a client changes its account', async () => {
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
