// What a reload does to those who are connected when who may connect changes: the same on both servers.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { startProcess } from '../support/server.ts';
import { Wire } from '../support/wire.ts';
import { Running } from './running.ts';

interface Reloading {
  readonly port: number;
  reload(text: string): Promise<void>;
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
const silent = 'closed without a word';
const stays = 'untouched';

const cases: readonly (readonly [
  title: string,
  before: string,
  after: string,
  connect: object,
  told: string,
])[] = [
  ['one whose password is another', users, users.replace('password: p', 'password: x'), u, violation],
  ['one who is not named any more', users, users.replace('user: u', 'user: w'), u, silent],
  ['one who is in an account now', users, account(''), u, silent],
  ['one who is in another account', account(''), account('').replace('A', 'B'), u, silent],
  ['one in an account that is gone', account(''), open, u, silent],
  ['one with a name where nobody needs one', users, open, u, silent],
  ['a single user among users', single, users, u, stays],
  ['a single user with another password', single, single.replace('password: p', 'password: x'), u, silent],
  ['one beside whom another comes', users, users.replace('}]', '}, { user: w }]'), u, stays],
  ['one who said the name before it was asked for', open, users, u, stays],
  ['one who said another name', open, users, { user: 'x', pass: 'p' }, silent],
  ['one who said the name with another password', open, users, { user: 'u', pass: 'x' }, violation],
  ['one who said the name of a user of an account', open, account(''), u, silent],
  ['one who said nothing', open, users, {}, violation],
  [
    'the owner of a token that is no more',
    token,
    token.replace('t }', 'x }'),
    { auth_token: 't' },
    violation,
  ],
  ['the owner of a token that nobody asks for', token, open, { auth_token: 't' }, stays],
  ['one who said the token before it was asked for', open, token, { auth_token: 't' }, stays],
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

  it.each(cases)('%s', async (_title, before, after, options, told) => {
    const server = await start(before);
    const wire = await connect(server, options);
    await server.reload(after);
    if (told === stays) await wire.receives('');
    else await wire.closes(told === silent ? '' : told);
  });

  it('a user is given the permissions of the name that it said before it was asked for', async () => {
    const server = await start(open);
    const wire = await connect(server, u, 1);
    await server.reload(users.replace('password: p', 'password: p, permissions: { subscribe: { deny: s } }'));
    await wire.receives('-ERR \'Permissions Violation for Subscription to "s" (sid "1")\'\r\n');
  });

  it('those of an account that may have fewer subscriptions are closed where they have more', async () => {
    const server = await start(account('max_subs: 3'));
    const [many, few] = [await connect(server, u, 3), await connect(server, u, 1)];
    await server.reload(account('max_subs: 2'));
    await many.closes("-ERR 'maximum subscriptions exceeded'\r\n");
    await few.receives('');
  });

  it.each([
    ['an account', account('max_conn: 4'), account('max_conn: 2'), 'maximum account active connections'],
    ['the server', `max_connections: 4\n${users}`, `max_connections: 2\n${users}`, 'maximum connections'],
  ])('of those of %s with room for fewer as many are closed', async (_of, before, after, what) => {
    const server = await start(before);
    const clients: Wire[] = [];
    for (let each = 0; each < 4; each++) clients.push(await connect(server, u));
    await server.reload(after);
    const told = await Promise.all(clients.map((wire) => wire.drain().catch(() => wire.closed())));
    expect(told.sort()).toEqual(['', '', `-ERR '${what} exceeded'\r\n`, `-ERR '${what} exceeded'\r\n`]);
  });
}

describe('after a reload of the bundled broker', () => {
  behaves(async (text) => {
    const running = await Running.start(text);
    return { port: running.broker.port, reload: (next) => running.reload(next) };
  });

  it('who said nothing becomes the default user that there is now, and loses what that one may not', async () => {
    const running = await Running.start(open);
    const wire = await running.connect();
    wire.send('SUB s 1\r\n');
    await wire.receives('');
    const withDefault = users.replace('password: p', 'permissions: { subscribe: { deny: s } }');
    await running.reload(`no_auth_user: u\n${withDefault}`);
    await wire.receives('-ERR \'Permissions Violation for Subscription to "s" (sid "1")\'\r\n');
  });

  it('who has as many subscriptions as may be stays, unlike in nats-server', async () => {
    const running = await Running.start(account('max_subs: 3'));
    const wire = await running.connect(u);
    wire.send('SUB s 1\r\nSUB s 2\r\n');
    await wire.receives('');
    await running.reload(account('max_subs: 2'));
    await wire.receives('');
  });

  it('of those with room for fewer the first stay', async () => {
    const running = await Running.start(account('max_conn: 3'));
    const [one, two, three] = [await running.connect(u), await running.connect(u), await running.connect(u)];
    await running.reload(account('max_conn: 1'));
    for (const wire of [two, three])
      await wire.closes("-ERR 'maximum account active connections exceeded'\r\n");
    await one.receives('');
  });
});

describePeer('nats-server', 'after a reload of nats-server', (bin) => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    await Promise.all(stops.splice(0).map((stop) => stop()));
  });

  behaves(async (text) => {
    const write = (next: string) =>
      writeFileSync(join(scratch, 'nats.conf'), `listen: "127.0.0.1:-1"\n${next}\n`);
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
