// Who may publish and subscribe to what, and what each is told who may not.
import { describe, expect, it } from 'vitest';
import { describePeer } from '../support/peers.ts';
import { bundledBroker, natsServer } from '../support/server.ts';
import { Suite } from './suite.ts';

// The bundled broker has no permissions yet. It must not start as if it had: everybody could do everything.
function permissions(title: string, configuration: string, cases: (suite: Suite) => void): void {
  describe(`${title}, on the bundled broker`, () => {
    it('are refused with the configuration', async () => {
      await expect(bundledBroker(configuration)).rejects.toThrow(/permissions" is not supported/);
    });
  });
  describePeer('nats-server', `${title}, on nats-server`, (bin) => {
    cases(new Suite('nats-server', natsServer(bin), configuration));
  });
}

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

permissions('permissions', users, (suite) => {
  const bob = () => suite.connect({ user: 'bob', pass: 'b' });

  it('of each user go with its password', async () => {
    await suite.connect({ user: 'alice', pass: 'a' });
    const client = await suite.open();
    client.send('CONNECT {"user":"alice","pass":"b"}\r\n');
    await client.closes("-ERR 'Authorization Violation'\r\n");
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

permissions(
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

permissions(
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
      await client.closes("-ERR 'Authorization Violation'\r\n");
    });
  },
);
