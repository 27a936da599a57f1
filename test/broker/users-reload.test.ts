// The effect of a reload on connected clients when users and accounts change, compared with nats-server.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { onFreePort, startProcess } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { Running } from './running.ts';

interface Reloading {
  readonly port: number;
  reload(text: string): Promise<unknown>;
}

const scratch = testFolder('users-reload');
const violation = "-ERR 'Authorization Violation'\r\n";
const open = 'max_payload: 1000';
const single = 'authorization { user: u, password: p }';
const users = 'authorization { users: [{ user: u, password: p }, { user: v, password: q }] }';
const token = 'authorization { token: t }';
const account = (limits: string, others = '') =>
  `accounts { A { users: [{ user: u, password: p } ${others}], limits { ${limits} } } }`;
const u = { user: 'u', pass: 'p' };
const silent = 'closed without an error';
const stays = 'kept';

const cases: readonly (readonly [
  title: string,
  before: string,
  after: string,
  connect: object,
  outcome: string,
])[] = [
  ['whose password has changed', users, users.replace('password: p', 'password: x'), u, violation],
  ['whose user is removed', users, users.replace('user: u', 'user: w'), u, silent],
  ['whose user moves to an account', users, account(''), u, silent],
  ['whose user moves to another account', account(''), account('').replace('A', 'B'), u, silent],
  ['whose account is removed', account(''), open, u, silent],
  ['with a user when logins are no longer required', users, open, u, silent],
  ['whose single user becomes one of several', single, users, u, stays],
  ['whose single user has another password', single, single.replace('password: p', 'password: x'), u, silent],
  ['whose list of users gets another user', users, users.replace('}]', '}, { user: w }]'), u, stays],
  ['that sent the right user before it was required', open, users, u, stays],
  ['that sent an unknown user before one was required', open, users, { user: 'x', pass: 'p' }, silent],
  ['that sent a wrong password before one was required', open, users, { user: 'u', pass: 'x' }, violation],
  ['that sent a user that is now in an account', open, account(''), u, silent],
  ['that sent no credentials before they were required', open, users, {}, violation],
  ['whose token has changed', token, token.replace('t }', 'x }'), { auth_token: 't' }, violation],
  ['whose token is no longer required', token, open, { auth_token: 't' }, stays],
  ['that sent the right token before it was required', open, token, { auth_token: 't' }, stays],
];

function behaves(start: (text: string) => Promise<Reloading>): void {
  const wires: Wire[] = [];
  afterEach(() => {
    for (const wire of wires.splice(0)) wire.end();
  });

  async function connect({ port }: Reloading, options: object, subscriptions = 0): Promise<Wire> {
    const wire = await Wire.open(port);
    wires.push(wire);
    wire.send(`CONNECT ${JSON.stringify({ verbose: false, pedantic: false, ...options })}\r\n`);
    for (let sid = 1; sid <= subscriptions; sid++) wire.send(`SUB s ${sid}\r\n`);
    await wire.receives('');
    return wire;
  }

  it.each(cases)(
    'has the same effect on both servers for a client %s',
    async (_title, before, after, options, outcome) => {
      const server = await start(before);
      const wire = await connect(server, options);
      await server.reload(after);
      if (outcome === stays) await wire.receives('');
      else await wire.closes(outcome === silent ? '' : outcome);
    },
  );

  it('applies permissions to a client that sent its user before it was required', async () => {
    const server = await start(open);
    const wire = await connect(server, u, 1);
    await server.reload(users.replace('password: p', 'password: p, permissions: { subscribe: { deny: s } }'));
    await wire.receives('-ERR \'Permissions Violation for Subscription to "s" (sid "1")\'\r\n');
  });

  it('disconnects clients with more subscriptions than the new limit of their account', async () => {
    const server = await start(account('max_subs: 3'));
    const [many, few] = [await connect(server, u, 3), await connect(server, u, 1)];
    await server.reload(account('max_subs: 2'));
    await many.closes("-ERR 'maximum subscriptions exceeded'\r\n");
    await few.receives('');
  });

  it.each([
    ['an account', account('max_conn: 4'), account('max_conn: 2'), 'maximum account active connections'],
    ['the server', `max_connections: 4\n${users}`, `max_connections: 2\n${users}`, 'maximum connections'],
  ])('disconnects as many clients as exceed the new limit of %s', async (_of, before, after, what) => {
    const server = await start(before);
    const clients: Wire[] = [];
    for (let each = 0; each < 4; each++) clients.push(await connect(server, u));
    await server.reload(after);
    const received = await Promise.all(clients.map((wire) => wire.drain().catch(() => wire.closed())));
    expect(received.sort()).toEqual(['', '', `-ERR '${what} exceeded'\r\n`, `-ERR '${what} exceeded'\r\n`]);
  });
}

describe('a reload of the bundled broker', () => {
  behaves(async (text) => {
    const running = await Running.start(text);
    return { port: running.broker.port, reload: (next) => running.reload(next) };
  });

  it('makes a client without credentials the new no_auth_user, with the permissions of that user', async () => {
    const running = await Running.start(open);
    const wire = await running.connect();
    wire.send('SUB s 1\r\n');
    await wire.receives('');
    const withDefault = users.replace('password: p', 'permissions: { subscribe: { deny: s } }');
    await running.reload(`no_auth_user: u\n${withDefault}`);
    await wire.receives('-ERR \'Permissions Violation for Subscription to "s" (sid "1")\'\r\n');
  });

  it('keeps a client with exactly as many subscriptions as the new limit, unlike nats-server', async () => {
    const running = await Running.start(account('max_subs: 3'));
    const wire = await running.connect(u);
    wire.send('SUB s 1\r\nSUB s 2\r\n');
    await wire.receives('');
    await running.reload(account('max_subs: 2'));
    await wire.receives('');
  });

  it('keeps the clients that connected first when the limit of their account is lowered', async () => {
    const running = await Running.start(account('max_conn: 3'));
    const [one, two, three] = [await running.connect(u), await running.connect(u), await running.connect(u)];
    await running.reload(account('max_conn: 1'));
    for (const wire of [two, three])
      await wire.closes("-ERR 'maximum account active connections exceeded'\r\n");
    await one.receives('');
  });
});

describePeer('nats-server', 'a reload of nats-server', (bin) => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    await Promise.all(stops.splice(0).map((stop) => stop()));
  });

  behaves(async (text) => {
    const write = (next: string) => writeFileSync(join(scratch, 'nats.conf'), onFreePort(next));
    write(text);
    const server = await startProcess([bin, '-c', 'nats.conf'], scratch);
    stops.push(() => server.stop());
    return {
      port: server.port,
      reload: (next) => {
        write(next);
        server.reload();
        return server.logged(/Reloaded server configuration/);
      },
    };
  });
});
