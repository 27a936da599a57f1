// Clients whose passwords are hashed: how long they may wait, what a reload means for them, and that strangers who guess
// hold up nobody who is connected.
import bcrypt from 'bcryptjs';
import { describe, expect, it } from 'vitest';
import { testFolder } from '../support/folder.ts';
import { clientTls, makeCertificates, Running, verifyingTls } from './running.ts';

const hashOf = (password: string) => bcrypt.hashSync(password, 4);
const userWith = (hash: string, more = '') =>
  `authorization { timeout: 60, users: [ { user: a, password: "${hash}"${more} }, { user: b, password: b } ] }`;
const refusal = "-ERR 'Authorization Violation'\r\n";

describe('a client with a hashed password', () => {
  it('has the time that every client has, waiting for the verdict included', async () => {
    const endless = hashOf('x').replace('$04$', '$24$');
    const running = await Running.start(
      `authorization { timeout: 0.2, users: [ { user: a, password: "${endless}" } ] }`,
    );
    const client = await running.open();
    client.send('CONNECT {"user":"a","pass":"x"}\r\nPING\r\n');
    await client.closes("-ERR 'Authentication Timeout'\r\n");
  });

  it('has no more time when it becomes somebody else', async () => {
    const endless = hashOf('x').replace('$04$', '$24$');
    const text = userWith(endless).replace('timeout: 60', 'timeout: 0.2');
    const running = await Running.start(text);
    const client = await running.connect({ user: 'b', pass: 'b' });
    client.send('CONNECT {"user":"a","pass":"x"}\r\n');
    await client.closes("-ERR 'Authentication Timeout'\r\n");
  });

  it('stays after a reload that hashes its password anew', async () => {
    const running = await Running.start(userWith(hashOf('x')));
    const client = await running.connect({ user: 'a', pass: 'x' });
    client.send('SUB s 1\r\n');
    await client.receives('');
    await running.reload(userWith(hashOf('x')));
    client.send('PUB s 0\r\n\r\n');
    await client.receives('MSG s 1 0\r\n\r\n');
  });

  it('loses by a reload what it may not do any more, however long that takes to find out', async () => {
    const running = await Running.start(userWith(hashOf('x')));
    const client = await running.connect({ user: 'a', pass: 'x' });
    client.send('SUB s 1\r\nSUB t 2\r\n');
    await client.receives('');
    await running.reload(userWith(hashOf('x'), ', permissions: { subscribe: t }'));
    await client.receives('-ERR \'Permissions Violation for Subscription to "s" (sid "1")\'\r\n');
  });

  it('is ended by a reload that changes its password', async () => {
    const running = await Running.start(userWith(hashOf('x')));
    const [client, other] = [
      await running.connect({ user: 'a', pass: 'x' }),
      await running.connect({ user: 'b', pass: 'b' }),
    ];
    await running.reload(userWith(hashOf('y')));
    await client.closes(refusal);
    await other.receives('');
  });

  describe('of whom a reload comes before the verdict', () => {
    const slow = bcrypt.hashSync('x', 11);
    const waiting = async () => {
      const running = await Running.start(`trace: true\n${userWith(slow)}`);
      const client = await running.open();
      client.send('CONNECT {"user":"a","pass":"x"}\r\n');
      await expect.poll(() => running.log).toContain('<<- [CONNECT');
      return { running, client };
    };

    it('may do what it says', async () => {
      const { running, client } = await waiting();
      await running.reload(userWith(slow, ', permissions: { publish: ok }'));
      client.send('PUB s 0\r\n\r\n');
      await client.receives('+OK\r\n-ERR \'Permissions Violation for Publish to "s"\'\r\n');
    });

    it.each([
      ['whose password is another', userWith(hashOf('y'))],
      ['who is no user any more', 'authorization { users: [ { user: b, password: b } ] }'],
    ])('is not let in %s', async (_who, next) => {
      const { running, client } = await waiting();
      await running.reload(next);
      await client.closes(refusal);
    });

    it('is let in once', async () => {
      const { running, client } = await waiting();
      await running.reload(userWith(slow));
      await running.reload(`max_payload: 1000\n${userWith(slow)}`);
      await client.receives('+OK\r\n');
    });
  });

  it('is read on after the verdict, over TLS too', async () => {
    const certificates = makeCertificates(testFolder('hashed-passwords'));
    const text = verifyingTls(certificates) + userWith(hashOf('x'));
    const running = await Running.start(text, clientTls(certificates));
    const client = await running.open();
    client.send('CONNECT {"user":"a","pass":"x","verbose":false}\r\nSUB s 1\r\nPUB s 1\r\n', 'x\r\n');
    await client.receives('MSG s 1 1\r\nx\r\n');
    const wrong = await running.open();
    wrong.send('CONNECT {"user":"a","pass":"y"}\r\nPUB s 0\r\n\r\n');
    await wrong.closes(refusal);
    await client.receives('');
  });

  it('is asked for it beside its certificate, where it says nothing at all too', async () => {
    const certificates = makeCertificates(testFolder('hashed-and-mapped'));
    const running = await Running.start(
      `${verifyingTls(certificates, 'verify_and_map: true')} no_auth_user: b
       authorization { users: [ { user: client, password: "${hashOf('x')}" }, { user: b } ] }`,
      clientTls(certificates),
    );
    await running.connect({ pass: 'x' });
    for (const said of ['PING\r\n', 'CONNECT {}\r\n', 'CONNECT {"pass":"y"}\r\n']) {
      const client = await running.open();
      client.send(said);
      await client.closes(refusal);
    }
  });

  it('may go before the verdict', async () => {
    const running = await Running.start(userWith(bcrypt.hashSync('x', 10)));
    const client = await running.open();
    client.send('CONNECT {"user":"a","pass":"x"}\r\n');
    client.end();
    await expect.poll(() => running.broker.clients, { timeout: 10_000 }).toBe(0);
  });

  it('takes no place in its account where the verdict comes too late', async () => {
    const slow = bcrypt.hashSync('x', 11);
    const running = await Running.start(
      `authorization { timeout: 0.02 }
       accounts { A { users: [{ user: a, password: "${slow}" }], limits { max_connections: 1 } } }`,
    );
    const answer = async () => {
      const client = await running.open();
      client.send('CONNECT {"user":"a","pass":"x"}\r\n');
      return client.line();
    };
    expect(await answer()).toBe("-ERR 'Authentication Timeout'");
    // A password that was found to be right is known at once.
    await expect.poll(answer, { timeout: 10_000 }).toBe('+OK');
  });
});

it('answers connected clients and plain logins while strangers guess', async () => {
  // One guess takes a second, so that thirty are under way for as long as the test lasts.
  const slow = hashOf('x').replace('$04$', '$14$');
  const running = await Running.start(userWith(slow));
  const connect = () => running.connect({ user: 'b', pass: 'b' });
  const honest = await Promise.all(Array.from({ length: 10 }, connect));
  for (let index = 0; index < 30; index++) {
    const stranger = await running.open();
    stranger.send(`CONNECT ${JSON.stringify({ user: index % 2 ? 'a' : 'nobody', pass: `${index}` })}\r\n`);
  }
  for (let round = 0; round < 3; round++) {
    await Promise.all(honest.map((client) => client.receives('')));
    await connect();
  }
  expect(running.broker.clients).toBeGreaterThan(30);
});
