// Authentication by user, token, bcrypt hash and nkey: which clients a server accepts, and that a rejected client
// can do nothing.
import { createUser } from '@nats-io/nkeys';
import { expect, it } from 'vitest';
import { conformance, type Suite } from './suite.ts';

const violation = "-ERR 'Authorization Violation'\r\n";

function rejects(suite: Suite, title: string, options: object): void {
  it(`rejects ${title}`, async () => {
    const client = await suite.open();
    client.send(`CONNECT ${JSON.stringify({ verbose: true, ...options })}\r\nPING\r\n`);
    await client.closes(violation);
  });
}

function accepts(suite: Suite, title: string, options: object): void {
  it(`accepts ${title}`, async () => {
    const client = await suite.open();
    client.send(`CONNECT ${JSON.stringify({ verbose: true, ...options })}\r\n`);
    await client.receives('+OK\r\n');
  });
}

conformance('authorization by user', 'authorization { user: alice, password: "s3cret" }', (suite) => {
  accepts(suite, 'the user with the password', { user: 'alice', pass: 's3cret' });
  rejects(suite, 'a wrong password', { user: 'alice', pass: 'secret' });
  rejects(suite, 'a wrong user', { user: 'bob', pass: 's3cret' });
  rejects(suite, 'no password', { user: 'alice' });
  rejects(suite, 'an empty password', { user: 'alice', pass: '' });
  rejects(suite, 'no user', { pass: 's3cret' });
  rejects(suite, 'nothing', {});
  rejects(suite, 'a longer password that starts with the right one', { user: 'alice', pass: 's3cret ' });
  rejects(suite, 'the password as a token', { auth_token: 's3cret' });
  rejects(suite, 'the name in another case', { user: 'Alice', pass: 's3cret' });

  it('announces auth_required in the INFO', async () => {
    expect((await suite.open()).info.auth_required).toBe(true);
  });

  it.each(['PING', 'SUB s 1', 'PUB s 0', 'pong', 'NOPE', '\0'])('rejects %j before CONNECT', async (line) => {
    const client = await suite.open();
    client.send(`${line}\r\n`);
    await client.closes(violation);
  });

  it('ignores operations in the packet of a rejected CONNECT', async () => {
    const subscriber = await suite.connect({ user: 'alice', pass: 's3cret' });
    const s = suite.subject();
    subscriber.send(`SUB ${s} 1\r\n`);
    await subscriber.receives('');
    const client = await suite.open();
    client.send(`CONNECT {"user":"alice","pass":"guess"}\r\nPUB ${s} 1\r\nx\r\n`);
    await client.closes(violation);
    await subscriber.receives('');
  });

  it('authenticates again at a second CONNECT', async () => {
    const client = await suite.connect({ user: 'alice', pass: 's3cret' });
    client.send('CONNECT {"pass":"other"}\r\nPING\r\n');
    await client.closes(violation);
  });
});

conformance(
  'authorization timeout',
  'authorization { user: alice, password: "s3cret", timeout: 0.3 }',
  (suite) => {
    it('closes a connection that sends nothing before the timeout', async () => {
      const client = await suite.open();
      await client.closes("-ERR 'Authentication Timeout'\r\n");
    });

    it('closes a connection that does not finish its CONNECT before the timeout', async () => {
      const client = await suite.open();
      client.send('CONNECT {"user":"alice"');
      await client.closes("-ERR 'Authentication Timeout'\r\n");
    });
  },
);

conformance('authorization by token', 'authorization { token: "t0ken" }', (suite) => {
  accepts(suite, 'the token', { auth_token: 't0ken' });
  rejects(suite, 'another token', { auth_token: 'token' });
  rejects(suite, 'no token', {});
  rejects(suite, 'the token as a password', { user: 't0ken', pass: 't0ken' });
});

// A hash of "s3cret" at the lowest cost.
const salted = 'ApiDv6W9jqui9feXr730z.R2oLB6W5pJ7yHgpsYjQ2BAgmp/cN3je';
// A hash of 72 times "x".
const hashOfLong = '$2b$04$T.4a8plzxQvDKnr5kodhkehHy.ZPVcbGuQzCMh5sCtNQzhdnV0eIC';
const long = 'x'.repeat(72);

conformance(
  'authorization by bcrypt hashes',
  `authorization { users: [
    { user: a, password: "$2a$04$${salted}" }
    { user: b, password: "$2b$04$${salted}" }
    { user: y, password: "$2y$04$${salted}" }
    { user: x, password: "$2x$04$${salted}" }
    { user: long, password: "${hashOfLong}" }
    { user: longer, password: "$2b$04$${salted}and more" }
    { user: broken, password: "$2b$04$tooshort" }
    { user: cheap, password: "$2b$03$${salted}" }
    { user: almost, password: "$2c$04$${salted}" }
    { user: plain, password: "plain" }
  ] }`,
  (suite) => {
    for (const user of ['a', 'b', 'y', 'x']) {
      accepts(suite, `the password of a hash of revision ${user}`, { user, pass: 's3cret' });
      rejects(suite, `another password for a hash of revision ${user}`, { user, pass: 's3cret ' });
    }
    rejects(suite, 'no password for a hash', { user: 'b' });
    rejects(suite, 'the hash as the password', { user: 'b', pass: `$2b$04$${salted}` });
    rejects(suite, 'the password of another user', { user: 'plain', pass: 's3cret' });
    rejects(suite, 'an unknown user', { user: 'nobody', pass: 's3cret' });
    accepts(suite, 'a password of 72 bytes', { user: 'long', pass: long });
    accepts(suite, 'a password of 73 bytes whose first 72 bytes match', { user: 'long', pass: `${long}y` });
    rejects(suite, 'a password of 71 bytes', { user: 'long', pass: long.slice(1) });
    accepts(suite, 'the password of a hash followed by more text', { user: 'longer', pass: 's3cret' });
    rejects(suite, 'the stored text itself for a hash that is too short', {
      user: 'broken',
      pass: '$2b$04$tooshort',
    });
    rejects(suite, 'the password of a hash whose cost is too low', { user: 'cheap', pass: 's3cret' });
    accepts(suite, 'the text of a value that only resembles a hash', {
      user: 'almost',
      pass: `$2c$04$${salted}`,
    });
    rejects(suite, 'the password for a value that only resembles a hash', { user: 'almost', pass: 's3cret' });
    accepts(suite, 'a plain password next to hashes', { user: 'plain', pass: 'plain' });

    it('processes the rest of the packet after its CONNECT is accepted', async () => {
      const client = await suite.open();
      const s = suite.subject();
      const connect = `CONNECT ${JSON.stringify({ verbose: true, user: 'b', pass: 's3cret' })}\r\n`;
      client.send(`${connect}SUB ${s} 1\r\nPUB ${s} 2\r\nhi\r\nPI`, 'NG\r\n');
      await client.reads(`+OK\r\n+OK\r\n+OK\r\nMSG ${s} 1 2\r\nhi\r\nPONG\r\n`);
    });

    it('ignores operations in the packet of a rejected CONNECT', async () => {
      const subscriber = await suite.connect({ user: 'plain', pass: 'plain' });
      const s = suite.subject();
      subscriber.send(`SUB ${s} 1\r\n`);
      await subscriber.receives('');
      const client = await suite.open();
      client.send(`CONNECT {"user":"a","pass":"guess"}\r\nPUB ${s} 1\r\nx\r\n`);
      await client.closes(violation);
      await subscriber.receives('');
    });

    it('authenticates again at a second CONNECT', async () => {
      const client = await suite.connect({ user: 'a', pass: 's3cret' });
      client.send('CONNECT {"pass":"other"}\r\nPING\r\n');
      await client.closes(violation);
    });
  },
);

conformance(
  'a single user with a bcrypt hash',
  `authorization { user: alice, password: "$2a$04$${salted}" }`,
  (suite) => {
    accepts(suite, 'the password', { user: 'alice', pass: 's3cret' });
    rejects(suite, 'a wrong password', { user: 'alice', pass: 'S3cret' });
    rejects(suite, 'another user', { user: 'bob', pass: 's3cret' });
  },
);

conformance('a token as a bcrypt hash', `authorization { token: "$2a$04$${salted}" }`, (suite) => {
  accepts(suite, 'the token', { auth_token: 's3cret' });
  rejects(suite, 'a wrong token', { auth_token: 'S3cret' });
  rejects(suite, 'the hash as the token', { auth_token: `$2a$04$${salted}` });
});

const hashedDefault = `no_auth_user: a
authorization { users: [ { user: a, password: "$2b$04$${salted}" } ] }`;
conformance('no_auth_user with a hashed password', hashedDefault, (suite) => {
  rejects(suite, 'a client that sends no password', {});
  accepts(suite, 'a client that sends the password', { user: 'a', pass: 's3cret' });
});

const [key, other, unknown] = [createUser(), createUser(), createUser()];
const sign = (pair: typeof key, nonce: string) => Buffer.from(pair.sign(Buffer.from(nonce)));

const withKeys = `authorization { users: [
  { nkey: ${key.getPublicKey()} }
  { nkey: ${other.getPublicKey()}, permissions: { publish: { deny: ">" } } }
  { user: alice, password: a }
] }`;

conformance('authorization by nkeys', withKeys, (suite) => {
  const nkey = key.getPublicKey();

  /** Connects and sends the CONNECT options that `answer` makes from the nonce. */
  async function answering(answer: (nonce: string) => object) {
    const client = await suite.open();
    const connect = { verbose: true, ...answer(client.info.nonce as string) };
    client.send(`CONNECT ${JSON.stringify(connect)}\r\n`);
    return client;
  }

  it('sends each connection a nonce of its own', async () => {
    const [one, two] = [await suite.open(), await suite.open()];
    expect(one.info.nonce).toMatch(/^[\w-]{15}$/);
    expect(two.info.nonce).toMatch(/^[\w-]{15}$/);
    expect(two.info.nonce).not.toBe(one.info.nonce);
    expect(one.info.auth_required).toBe(true);
    const fields = Object.keys(one.info);
    expect(fields[fields.indexOf('client_ip') + 1]).toBe('nonce');
  });

  it('sends the nonce only in the first INFO', async () => {
    const sig = (nonce: string) => sign(key, nonce).toString('base64url');
    const client = await answering((nonce) => ({ nkey, sig: sig(nonce), protocol: 1, verbose: false }));
    client.send('PING\r\n');
    await client.reads('PONG\r\n');
    expect(await client.nextInfo()).not.toHaveProperty('nonce');
  });

  it.each(['base64url', 'base64'] as const)('accepts a signature of the nonce in %s', async (encoding) => {
    const client = await answering((nonce) => ({ nkey, sig: sign(key, nonce).toString(encoding) }));
    await client.receives('+OK\r\n');
  });

  it.each([
    ['no signature', () => ''],
    ['the signature of another key', (nonce: string) => sign(other, nonce).toString('base64url')],
    ['a signature of other text', (nonce: string) => sign(key, `${nonce}x`).toString('base64url')],
    ['a signature of the empty text', () => sign(key, '').toString('base64url')],
    ['half a signature', (nonce: string) => sign(key, nonce).subarray(0, 32).toString('base64url')],
    ['text that is not base64', () => 'ä'.repeat(86)],
  ])('rejects %s', async (_, make) => {
    const client = await answering((nonce) => ({ nkey, sig: make(nonce) }));
    await client.closes(violation);
  });

  it('rejects a signature made for another connection', async () => {
    const first = await suite.open();
    const sig = sign(key, first.info.nonce as string).toString('base64url');
    first.send(`CONNECT ${JSON.stringify({ verbose: true, nkey, sig })}\r\n`);
    await first.receives('+OK\r\n');
    const second = await answering(() => ({ nkey, sig }));
    await second.closes(violation);
  });

  it('rejects an unknown key', async () => {
    const client = await answering((nonce) => ({
      nkey: unknown.getPublicKey(),
      sig: sign(unknown, nonce).toString('base64url'),
    }));
    await client.closes(violation);
  });

  it('rejects a wrong signature even with a valid password', async () => {
    const client = await answering(() => ({ nkey, sig: 'x', user: 'alice', pass: 'a' }));
    await client.closes(violation);
  });

  accepts(suite, 'a user with a password next to nkeys', { user: 'alice', pass: 'a' });
  rejects(suite, 'the public key as a user name', { user: nkey });
  rejects(suite, 'a signature without a key', { sig: 'x' });

  it('applies the permissions of the user with this nkey', async () => {
    const client = await answering((nonce) => ({
      nkey: other.getPublicKey(),
      sig: sign(other, nonce).toString('base64url'),
    }));
    await client.receives('+OK\r\n');
    client.send('PUB x 0\r\n\r\n');
    await client.receives('-ERR \'Permissions Violation for Publish to "x"\'\r\n');
  });
});

const keyByDefault = `no_auth_user: ${key.getPublicKey()}
accounts { A { users: [ { nkey: ${key.getPublicKey()} } ] }, B { users: [ { user: b, password: b } ] } }`;

conformance('an nkey as no_auth_user', keyByDefault, (suite) => {
  accepts(suite, 'a client that names no user', {});
  accepts(suite, 'a client that names the key without a signature', { nkey: key.getPublicKey() });
  accepts(suite, 'another user', { user: 'b', pass: 'b' });
  rejects(suite, 'a wrong password', { user: 'b', pass: 'x' });

  it('does not announce auth_required', async () => {
    const client = await suite.open();
    expect(client.info).not.toHaveProperty('auth_required');
  });

  it('requires a CONNECT before any other operation', async () => {
    const client = await suite.open();
    client.send('PING\r\n');
    await client.closes(violation);
  });
});

conformance('authorization without nkeys', 'authorization { user: a, password: a }', (suite) => {
  it('sends no nonce', async () => {
    expect((await suite.open()).info).not.toHaveProperty('nonce');
  });

  accepts(suite, 'a user with a password that also sends an nkey', {
    user: 'a',
    pass: 'a',
    nkey: key.getPublicKey(),
    sig: 'x',
  });
});

const byType = `no_auth_user: anyone
authorization { users: [
  { user: standard, password: p, allowed_connection_types: [STANDARD] }
  { user: lower, password: p, connection_types: ["standard", "websocket"] }
  { user: one, password: p, clients: standard }
  { user: web, password: p, allowed_connection_types: [WEBSOCKET, MQTT, LEAFNODE] }
  { user: inside, password: p, allowed_connection_types: [IN_PROCESS] }
  { user: none, password: p, allowed_connection_types: [] }
  { user: anyone, password: p, allowed_connection_types: [WEBSOCKET] }
] }`;

conformance('allowed_connection_types', byType, (suite) => {
  accepts(suite, 'a user that allows standard connections', { user: 'standard', pass: 'p' });
  accepts(suite, 'a user with lower-case connection types', { user: 'lower', pass: 'p' });
  accepts(suite, 'a user with a single type instead of a list', { user: 'one', pass: 'p' });
  accepts(suite, 'a user with an empty list, which restricts nothing', { user: 'none', pass: 'p' });
  rejects(suite, 'a user that allows only other connection types', { user: 'web', pass: 'p' });
  rejects(suite, 'a user that allows only in-process connections', { user: 'inside', pass: 'p' });
  rejects(suite, 'a client without a user when no_auth_user allows only other connection types', {});
});
