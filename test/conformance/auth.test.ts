// Who may connect, who may publish and subscribe to what, and what each is told who may not.
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

conformance(
  'authorization by user',
  'authorization { user: alice, password: "s3cret", timeout: 0.3 }',
  (suite) => {
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

    it.each(['PING', 'SUB s 1', 'PUB s 0', 'pong', 'NOPE', '\0'])(
      'refuses %j before CONNECT',
      async (line) => {
        const client = await suite.open();
        client.send(`${line}\r\n`);
        await client.closes(violation);
      },
    );

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

    it('ends a connection that says nothing in time', async () => {
      const client = await suite.open();
      await client.closes("-ERR 'Authentication Timeout'\r\n");
    });

    it('ends a connection that does not finish its CONNECT in time', async () => {
      const client = await suite.open();
      client.send('CONNECT {"user":"alice"');
      await client.closes("-ERR 'Authentication Timeout'\r\n");
    });

    it('asks again at a second CONNECT', async () => {
      const client = await suite.connect({ user: 'alice', pass: 's3cret' });
      client.send('CONNECT {"pass":"other"}\r\nPING\r\n');
      await client.closes(violation);
    });
  },
);

conformance('authorization by token', 'authorization { token: "t0ken" }', (suite) => {
  takes(suite, 'the token', { auth_token: 't0ken' });
  refuses(suite, 'another token', { auth_token: 'token' });
  refuses(suite, 'no token', {});
  refuses(suite, 'the token as a password', { user: 't0ken', pass: 't0ken' });
});

const users = `authorization {
  users: [
    { user: alice, password: a }
    { user: bob, password: b, permissions: {
      publish: { allow: ["bob.>", "_INBOX.>"], deny: "bob.secret" }
      subscribe: { allow: ["bob.*", "_INBOX.>", "jobs workers"], deny: "bob.secret" }
    } }
    { user: eve, password: e, permissions: { publish: "eve", subscribe: { deny: "eve.secret" } } }
  ]
}`;

conformance('permissions', users, (suite) => {
  const bob = () => suite.connect({ user: 'bob', pass: 'b' });

  it('of each user go with its password', async () => {
    await suite.connect({ user: 'alice', pass: 'a' });
    const client = await suite.open();
    client.send('CONNECT {"user":"alice","pass":"b"}\r\n');
    await client.closes(violation);
  });

  it.each(['bob.secret', 'alice', 'bob', '>'])(
    'refuse to publish to %s, and the connection goes on',
    async (subject) => {
      const client = await bob();
      client.send(`PUB ${subject} 1\r\nx\r\n`);
      await client.receives(`-ERR 'Permissions Violation for Publish to "${subject}"'\r\n`);
    },
  );

  it('refuse to publish instead of +OK', async () => {
    const client = await suite.open();
    client.send('CONNECT {"user":"bob","pass":"b"}\r\nPUB alice 1\r\nx\r\nPUB bob.x 1\r\nx\r\n');
    await client.receives(`+OK\r\n-ERR 'Permissions Violation for Publish to "alice"'\r\n+OK\r\n`);
  });

  it.each(['alice', 'bob.a.b', '>', '*'])(
    'refuse to subscribe to %s, and the connection goes on',
    async (subject) => {
      const client = await bob();
      client.send(`SUB ${subject} 1\r\n`);
      await client.receives(`-ERR 'Permissions Violation for Subscription to "${subject}"'\r\n`);
    },
  );

  it('do not let > through where * is allowed', async () => {
    const alice = await suite.connect({ user: 'alice', pass: 'a' });
    const client = await bob();
    client.send('SUB bob.> 1\r\n');
    const refused = `-ERR 'Permissions Violation for Subscription to "bob.>"'\r\n`;
    // nats-server takes the > for a token that * matches, and hands out more than is allowed.
    await client.receives(suite.kind === 'nats-server' ? '' : refused);
    alice.send('PUB bob.a.b 1\r\nx\r\n');
    await alice.receives('');
    await client.receives(suite.kind === 'nats-server' ? 'MSG bob.a.b 1 1\r\nx\r\n' : '');
  });

  it('name the queue group of a refused subscription', async () => {
    const client = await bob();
    client.send('SUB alice group 1\r\nSUB jobs idlers 2\r\nSUB jobs 3\r\nSUB jobs workers 4\r\n');
    await client.receives(
      `-ERR 'Permissions Violation for Subscription to "alice" using queue "group"'\r\n` +
        `-ERR 'Permissions Violation for Subscription to "jobs" using queue "idlers"'\r\n` +
        `-ERR 'Permissions Violation for Subscription to "jobs"'\r\n`,
    );
  });

  it('keep what is denied from a wider subscription', async () => {
    const alice = await suite.connect({ user: 'alice', pass: 'a' });
    const client = await bob();
    client.send('SUB bob.* 1\r\n');
    await client.receives('');
    alice.send('PUB bob.secret 1\r\nx\r\nPUB bob.news 1\r\ny\r\n');
    await alice.receives('');
    await client.receives('MSG bob.news 1 1\r\ny\r\n');
  });

  it('given as one subject allow just that', async () => {
    const client = await suite.connect({ user: 'eve', pass: 'e' });
    client.send('SUB > 1\r\nPUB eve 1\r\nx\r\nPUB eve.secret 1\r\nx\r\n');
    await client.receives(`MSG eve 1 1\r\nx\r\n-ERR 'Permissions Violation for Publish to "eve.secret"'\r\n`);
  });
});

conformance(
  'default permissions',
  `authorization {
  default_permissions: { publish: "out.>", subscribe: "in.>" }
  users: [ { user: a, password: a }, { user: b, password: b, permissions: { publish: ">" } } ]
}`,
  (suite) => {
    it('hold for a user without any', async () => {
      const client = await suite.connect({ user: 'a', pass: 'a' });
      client.send('PUB in.x 1\r\nx\r\nSUB out.x 1\r\nSUB in.x 2\r\nPUB out.x 1\r\nx\r\n');
      await client.receives(
        `-ERR 'Permissions Violation for Publish to "in.x"'\r\n-ERR 'Permissions Violation for Subscription to "out.x"'\r\n`,
      );
    });

    it('do not add to what a user has', async () => {
      const client = await suite.connect({ user: 'b', pass: 'b' });
      client.send('SUB out.x 1\r\nPUB out.x 1\r\nx\r\n');
      await client.receives('MSG out.x 1 1\r\nx\r\n');
    });
  },
);

conformance(
  'no_auth_user',
  `no_auth_user: guest
authorization { users: [ { user: guest, password: g, permissions: { publish: "hall" } }, { user: host, password: h } ] }`,
  (suite) => {
    it('is whom a client is without a name', async () => {
      const client = await suite.connect();
      client.send('PUB hall 1\r\nx\r\nPUB kitchen 1\r\nx\r\n');
      await client.receives(`-ERR 'Permissions Violation for Publish to "kitchen"'\r\n`);
    });

    it('is whom a client is that does not say CONNECT', async () => {
      const client = await suite.open();
      client.send('PUB kitchen 1\r\nx\r\n');
      await client.receives(`-ERR 'Permissions Violation for Publish to "kitchen"'\r\n`);
    });

    it('does not help a client with a wrong password', async () => {
      const client = await suite.open();
      client.send('CONNECT {"user":"host","pass":"x"}\r\n');
      await client.closes(violation);
    });
  },
);
