// Who may connect, and what others are told.
import { createUser } from '@nats-io/nkeys';
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

// Of "s3cret", at the lowest cost.
const salted = 'ApiDv6W9jqui9feXr730z.R2oLB6W5pJ7yHgpsYjQ2BAgmp/cN3je';
// Of 72 times x.
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
      takes(suite, `the password to a hash of revision ${user}`, { user, pass: 's3cret' });
      refuses(suite, `another password to a hash of revision ${user}`, { user, pass: 's3cret ' });
    }
    refuses(suite, 'no password to a hash', { user: 'b' });
    refuses(suite, 'the hash as the password', { user: 'b', pass: `$2b$04$${salted}` });
    refuses(suite, 'the password of one user for another', { user: 'plain', pass: 's3cret' });
    refuses(suite, 'an unknown user', { user: 'nobody', pass: 's3cret' });
    takes(suite, 'a password of 72 bytes', { user: 'long', pass: long });
    takes(suite, 'a longer one, of which the first 72 bytes count', { user: 'long', pass: `${long}y` });
    refuses(suite, 'one of 71 bytes', { user: 'long', pass: long.slice(1) });
    takes(suite, 'the password to a hash with something behind it', { user: 'longer', pass: 's3cret' });
    refuses(suite, 'any password to a hash that is too short', { user: 'broken', pass: '$2b$04$tooshort' });
    refuses(suite, 'any password to a hash of too low a cost', { user: 'cheap', pass: 's3cret' });
    takes(suite, 'what is no hash as it stands', { user: 'almost', pass: `$2c$04$${salted}` });
    refuses(suite, 'the password to what is no hash', { user: 'almost', pass: 's3cret' });
    takes(suite, 'a plain password beside hashes', { user: 'plain', pass: 'plain' });

    it('works through what came in the packet of the CONNECT, and only then', async () => {
      const client = await suite.open();
      const s = suite.subject();
      const connect = `CONNECT ${JSON.stringify({ verbose: true, user: 'b', pass: 's3cret' })}\r\n`;
      client.send(`${connect}SUB ${s} 1\r\nPUB ${s} 2\r\nhi\r\nPI`, 'NG\r\n');
      await client.reads(`+OK\r\n+OK\r\n+OK\r\nMSG ${s} 1 2\r\nhi\r\nPONG\r\n`);
    });

    it('lets no operation through in the packet of a refused CONNECT', async () => {
      const subscriber = await suite.connect({ user: 'plain', pass: 'plain' });
      const s = suite.subject();
      subscriber.send(`SUB ${s} 1\r\n`);
      await subscriber.receives('');
      const client = await suite.open();
      client.send(`CONNECT {"user":"a","pass":"guess"}\r\nPUB ${s} 1\r\nx\r\n`);
      await client.closes(violation);
      await subscriber.receives('');
    });

    it('asks again at a second CONNECT', async () => {
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
    takes(suite, 'the password', { user: 'alice', pass: 's3cret' });
    refuses(suite, 'a wrong one', { user: 'alice', pass: 'S3cret' });
    refuses(suite, 'another user', { user: 'bob', pass: 's3cret' });
  },
);

conformance('a token as a bcrypt hash', `authorization { token: "$2a$04$${salted}" }`, (suite) => {
  takes(suite, 'the token', { auth_token: 's3cret' });
  refuses(suite, 'a wrong one', { auth_token: 'S3cret' });
  refuses(suite, 'the hash', { auth_token: `$2a$04$${salted}` });
});

const hashedDefault = `no_auth_user: a
authorization { users: [ { user: a, password: "$2b$04$${salted}" } ] }`;
conformance('a hashed password of no_auth_user', hashedDefault, (suite) => {
  refuses(suite, 'who does not say it', {});
  takes(suite, 'who says it', { user: 'a', pass: 's3cret' });
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

  /** Connects and says what `answer` makes of the nonce. */
  async function answering(answer: (nonce: string) => object) {
    const client = await suite.open();
    const connect = { verbose: true, ...answer(client.info.nonce as string) };
    client.send(`CONNECT ${JSON.stringify(connect)}\r\n`);
    return client;
  }

  it('gives every connection a nonce of its own', async () => {
    const [one, two] = [await suite.open(), await suite.open()];
    expect(one.info.nonce).toMatch(/^[\w-]{15}$/);
    expect(two.info.nonce).toMatch(/^[\w-]{15}$/);
    expect(two.info.nonce).not.toBe(one.info.nonce);
    expect(one.info.auth_required).toBe(true);
    const fields = Object.keys(one.info);
    expect(fields[fields.indexOf('client_ip') + 1]).toBe('nonce');
  });

  it('gives it once', async () => {
    const sig = (nonce: string) => sign(key, nonce).toString('base64url');
    const client = await answering((nonce) => ({ nkey, sig: sig(nonce), protocol: 1, verbose: false }));
    client.send('PING\r\n');
    await client.reads('PONG\r\n');
    expect(await client.nextInfo()).not.toHaveProperty('nonce');
  });

  it.each(['base64url', 'base64'] as const)('takes a signature of the nonce in %s', async (encoding) => {
    const client = await answering((nonce) => ({ nkey, sig: sign(key, nonce).toString(encoding) }));
    await client.receives('+OK\r\n');
  });

  it.each([
    ['no signature', () => ''],
    ['the signature of another key', (nonce: string) => sign(other, nonce).toString('base64url')],
    ['the signature of something else', (nonce: string) => sign(key, `${nonce}x`).toString('base64url')],
    ['the signature of nothing', () => sign(key, '').toString('base64url')],
    ['half a signature', (nonce: string) => sign(key, nonce).subarray(0, 32).toString('base64url')],
    ['what is not base 64', () => 'ä'.repeat(86)],
  ])('refuses %s', async (_, make) => {
    const client = await answering((nonce) => ({ nkey, sig: make(nonce) }));
    await client.closes(violation);
  });

  it('refuses the signature that another connection gave', async () => {
    const first = await suite.open();
    const sig = sign(key, first.info.nonce as string).toString('base64url');
    first.send(`CONNECT ${JSON.stringify({ verbose: true, nkey, sig })}\r\n`);
    await first.receives('+OK\r\n');
    const second = await answering(() => ({ nkey, sig }));
    await second.closes(violation);
  });

  it('refuses a key that it does not know', async () => {
    const client = await answering((nonce) => ({
      nkey: unknown.getPublicKey(),
      sig: sign(unknown, nonce).toString('base64url'),
    }));
    await client.closes(violation);
  });

  it('takes no password beside a wrong signature', async () => {
    const client = await answering(() => ({ nkey, sig: 'x', user: 'alice', pass: 'a' }));
    await client.closes(violation);
  });

  takes(suite, 'a user beside the keys', { user: 'alice', pass: 'a' });
  refuses(suite, 'the key as a user', { user: nkey });
  refuses(suite, 'a signature without a key', { sig: 'x' });

  it('knows what the owner of a key may do', async () => {
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
  takes(suite, 'who says nothing', {});
  takes(suite, 'who names the key and signs nothing', { nkey: key.getPublicKey() });
  takes(suite, 'another user', { user: 'b', pass: 'b' });
  refuses(suite, 'a wrong password', { user: 'b', pass: 'x' });

  it('asks for no authentication', async () => {
    const client = await suite.open();
    expect(client.info).not.toHaveProperty('auth_required');
  });

  it('wants a CONNECT all the same', async () => {
    const client = await suite.open();
    client.send('PING\r\n');
    await client.closes(violation);
  });
});

conformance('authorization without nkeys', 'authorization { user: a, password: a }', (suite) => {
  it('gives no nonce', async () => {
    expect((await suite.open()).info).not.toHaveProperty('nonce');
  });

  takes(suite, 'a user who names a key as well', {
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
  takes(suite, 'one that may come so', { user: 'standard', pass: 'p' });
  takes(suite, 'types in small letters', { user: 'lower', pass: 'p' });
  takes(suite, 'a single type', { user: 'one', pass: 'p' });
  takes(suite, 'an empty list for none', { user: 'none', pass: 'p' });
  refuses(suite, 'one that may only come otherwise', { user: 'web', pass: 'p' });
  refuses(suite, 'one that may only come from inside', { user: 'inside', pass: 'p' });
  refuses(suite, 'no_auth_user where it may only come otherwise', {});
});
