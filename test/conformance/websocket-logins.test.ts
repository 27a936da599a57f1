// How clients of a WebSocket log in: by CONNECT, by cookies, by the logins of the websocket block, and by connection type.
import { describe, expect, it } from 'vitest';
import { askJson, monitorUrlOf } from '../support/monitoring.ts';
import { conformanceOnBothPorts, conformanceOverWebSocket, type Suite } from './suite.ts';

const port = 'listen: "127.0.0.1:-1", no_tls: true';
const violation = "-ERR 'Authorization Violation'\r\n";
const users = `authorization { users: [
  { user: alice, password: secret }
  { user: web, password: secret, allowed_connection_types: [WEBSOCKET] }
  { user: plain, password: secret, allowed_connection_types: [STANDARD] }
  { user: guest }
] }`;

/** Connects with these members of CONNECT and cookies; returns what the server answers to a PING. */
async function logIn(suite: Suite, members: object, cookie = ''): Promise<string> {
  const wire = await suite.open({ websocket: { Cookie: cookie } });
  wire.send(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, ...members })}\r\nPING\r\n`);
  const answer = await wire.line();
  return `${answer}\r\n`;
}

const accepted = 'PONG\r\n';

conformanceOnBothPorts('connection types', users, (suite) => {
  it.each([
    ['alice', true, true],
    ['web', false, true],
    ['plain', true, false],
  ])('let the user %s in over TCP: %s, over WebSocket: %s', async (user, overTcp, overWebSocket) => {
    const wire = await suite.open();
    wire.send(`CONNECT ${JSON.stringify({ verbose: false, user, pass: 'secret' })}\r\nPING\r\n`);
    const isAccepted = suite.transport === 'tcp' ? overTcp : overWebSocket;
    expect(await wire.line()).toBe(isAccepted ? 'PONG' : violation.trim());
  });
});

conformanceOverWebSocket(
  'cookies',
  `${users}\nwebsocket { ${port}, user_cookie: u, pass_cookie: p, token_cookie: t }`,
  (suite) => {
    it.each<[string, object, string, boolean]>([
      ['a user and a password', {}, 'u=alice; p=secret', true],
      ['quotes around the values', {}, 'u="alice"; p="secret"', true],
      ['other cookies beside them', {}, 'x=y; u=alice; z; p=secret; =; p2=q', true],
      ['the last of two with one name', {}, 'u=nobody; u=alice; p=secret', true],
      ['a password for the user of CONNECT', { user: 'alice' }, 'p=secret', true],
      ['a user that CONNECT overrides', { user: 'alice', pass: 'secret' }, 'u=x; p=y', true],
      ['a wrong password', {}, 'u=alice; p=wrong', false],
      ['names in another case', {}, 'U=alice; P=secret', false],
      ['a value with a backslash', {}, 'u=alice; p=sec\\ret', false],
    ])('may give %s', async (_what, members, cookie, isAccepted) => {
      expect(await logIn(suite, members, cookie)).toBe(isAccepted ? accepted : violation);
    });
  },
);

conformanceOverWebSocket(
  'a token in a cookie',
  `authorization { token: s3cret }\nwebsocket { ${port}, token_cookie: t }`,
  (suite) => {
    it.each([
      ['t=s3cret', true],
      ['t=wrong', false],
    ])('%j is accepted: %s', async (cookie, isAccepted) => {
      expect(await logIn(suite, {}, cookie)).toBe(isAccepted ? accepted : violation);
    });
  },
);

conformanceOverWebSocket(
  'no_auth_user of the block',
  `http: "127.0.0.1:-1"\n${users}\nwebsocket { ${port}, no_auth_user: guest }`,
  (suite) => {
    it('is the user of clients without credentials', async () => {
      const wire = await suite.connect({ name: 'nobody' });
      expect(wire.info.auth_required).toBe(true);
      const { connections } = await askJson(`${monitorUrlOf(suite.server.log())}/connz?auth=1`);
      expect(connections).toMatchObject([{ name: 'nobody', authorized_user: 'guest' }]);
    });

    it('is the user of clients without CONNECT', async () => {
      const wire = await suite.open();
      await wire.receives('');
    });

    it('leaves the list of users in force', async () => {
      expect(await logIn(suite, { user: 'alice', pass: 'secret' })).toBe(accepted);
      expect(await logIn(suite, { user: 'alice', pass: 'wrong' })).toBe(violation);
    });
  },
);

describe.each([
  ['a user of its own', 'user: web, password: secret', { user: 'web', pass: 'secret' }],
  ['a token of its own', 'token: s3cret', { auth_token: 's3cret' }],
  ['a token beside a user', 'token: s3cret, user: web, password: x', { auth_token: 's3cret' }],
])('%s', (_what, login, right) => {
  const own = `websocket { ${port}, authorization { ${login} } }`;
  for (const [title, top] of [
    ['where the client port needs none', ''],
    ['where the client port has another', 'authorization { user: a, password: b }'],
  ] as const) {
    conformanceOverWebSocket(title, `${top}\n${own}`, (suite) => {
      it('is required', async () => {
        expect((await suite.open()).info.auth_required).toBe(true);
        expect(await logIn(suite, right)).toBe(accepted);
        expect(await logIn(suite, {})).toBe(violation);
        expect(await logIn(suite, { user: 'a', pass: 'b' })).toBe(violation);
      });
    });
  }
});

conformanceOverWebSocket(
  'the time for CONNECT',
  `authorization { user: a, password: b, timeout: 60 }\nwebsocket { ${port}, authorization { timeout: 0.2 } }`,
  (suite) => {
    it('is that of the block', async () => {
      const wire = await suite.open();
      await wire.closes("-ERR 'Authentication Timeout'\r\n");
    });
  },
);

conformanceOverWebSocket(
  'ping_interval of the block',
  `websocket { ${port}, ping_interval: "150ms" }`,
  (suite) => {
    it('applies to its clients', async () => {
      const wire = await suite.connect();
      await wire.reads('PING\r\n');
    });
  },
);
