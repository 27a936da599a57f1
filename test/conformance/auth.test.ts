// Who may connect, and what others are told.
import { expect, it } from 'vitest';
import { conformance, type Suite } from './suite.ts';

const violation = "-ERR 'Authorization Violation'\r\n";

function refuses(suite: Suite, title: string, options: object): void {
  it(`refuses ${title}`, async () => {
    const client = await suite.open();
    client.send(`CONNECT ${JSON.stringify({ verbose: true, ...options })}\r\nPING\r\n`);
    await client.closes(violation);
  });
}

function takes(suite: Suite, title: string, options: object): void {
  it(`takes ${title}`, async () => {
    const client = await suite.open();
    client.send(`CONNECT ${JSON.stringify({ verbose: true, ...options })}\r\n`);
    await client.receives('+OK\r\n');
  });
}

conformance('authorization by user', 'authorization { user: alice, password: "s3cret" }', (suite) => {
  takes(suite, 'the user with the password', { user: 'alice', pass: 's3cret' });
  refuses(suite, 'a wrong password', { user: 'alice', pass: 'secret' });
  refuses(suite, 'a wrong user', { user: 'bob', pass: 's3cret' });
  refuses(suite, 'no password', { user: 'alice' });
  refuses(suite, 'an empty password', { user: 'alice', pass: '' });
  refuses(suite, 'no user', { pass: 's3cret' });
  refuses(suite, 'nothing', {});
  refuses(suite, 'a longer password that begins like the right one', { user: 'alice', pass: 's3cret ' });
  refuses(suite, 'the password as a token', { auth_token: 's3cret' });
  refuses(suite, 'the name in another case', { user: 'Alice', pass: 's3cret' });

  it('is told in the INFO', async () => {
    expect((await suite.open()).info.auth_required).toBe(true);
  });

  it.each(['PING', 'SUB s 1', 'PUB s 0', 'pong', 'NOPE', '\0'])('refuses %j before CONNECT', async (line) => {
    const client = await suite.open();
    client.send(`${line}\r\n`);
    await client.closes(violation);
  });

  it('lets no operation through in the packet of a refused CONNECT', async () => {
    const subscriber = await suite.connect({ user: 'alice', pass: 's3cret' });
    const s = suite.subject();
    subscriber.send(`SUB ${s} 1\r\n`);
    await subscriber.receives('');
    const client = await suite.open();
    client.send(`CONNECT {"user":"alice","pass":"guess"}\r\nPUB ${s} 1\r\nx\r\n`);
    await client.closes(violation);
    await subscriber.receives('');
  });

  it('asks again at a second CONNECT', async () => {
    const client = await suite.connect({ user: 'alice', pass: 's3cret' });
    client.send('CONNECT {"pass":"other"}\r\nPING\r\n');
    await client.closes(violation);
  });
});

conformance(
  'authorization timeout',
  'authorization { user: alice, password: "s3cret", timeout: 0.3 }',
  (suite) => {
    it('ends a connection that says nothing in time', async () => {
      const client = await suite.open();
      await client.closes("-ERR 'Authentication Timeout'\r\n");
    });

    it('ends a connection that does not finish its CONNECT in time', async () => {
      const client = await suite.open();
      client.send('CONNECT {"user":"alice"');
      await client.closes("-ERR 'Authentication Timeout'\r\n");
    });
  },
);

conformance('authorization by token', 'authorization { token: "t0ken" }', (suite) => {
  takes(suite, 'the token', { auth_token: 't0ken' });
  refuses(suite, 'another token', { auth_token: 'token' });
  refuses(suite, 'no token', {});
  refuses(suite, 'the token as a password', { user: 't0ken', pass: 't0ken' });
});
