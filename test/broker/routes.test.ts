// The route protocol of a broker, byte for byte: the test plays another server of the cluster.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ClusterIdentity } from '../../src/broker/cluster/cluster-identity.ts';
import { closed } from '../harness/socket.ts';
import { Wire } from '../harness/wire.ts';
import { expectedVersions } from '../support/peers.ts';
import { Running } from './running.ts';

const inCluster = (more = '') => `server_name: one
no_system_account: true
http: "127.0.0.1:-1"
cluster { name: c, listen: "127.0.0.1:-1"
  ${more}
}`;

function routePort({ log }: Running): number {
  return Number(/Listening for route connections on \S*:(\d+)/.exec(log)?.[1]);
}

const wires: Wire[] = [];

afterEach(() => {
  for (const wire of wires.splice(0)) wire.end();
});

/** Connects as another server that has sent nothing yet. */
async function open(running: Running): Promise<Wire> {
  const wire = await Wire.openSilent(routePort(running));
  wires.push(wire);
  return wire;
}

const connectLine = (more: object = {}) =>
  `CONNECT ${JSON.stringify({ verbose: false, name: 'NTWO', cluster: 'c', headers: true, ...more })}\r\n`;
const infoLine = (more: object = {}) =>
  `INFO ${JSON.stringify({ server_id: 'NTWO', server_name: 'two', version: expectedVersions.get('nats-server'), proto: 2, host: '127.0.0.1', port: 6222, headers: true, max_payload: 1048576, cluster: 'c', ...more })}\r\n`;

/** Connects as another server and completes the route. */
async function join(running: Running, info: object = {}, login: object = {}): Promise<Wire> {
  const wire = await open(running);
  const { server_id: name = 'NTWO' } = info as { server_id?: string };
  wire.send(connectLine({ name, ...login }));
  await wire.nextInfo();
  wire.send(infoLine(info));
  await wire.reads('PING\r\n');
  wire.send('PONG\r\n');
  return wire;
}

async function routez(
  running: Running,
): Promise<Record<string, unknown> & { routes: Record<string, unknown>[] }> {
  const answer = await fetch(`${running.broker.monitorUrl}/routez?subs=1`);
  return (await answer.json()) as Record<string, unknown> & { routes: Record<string, unknown>[] };
}

describe('gossip about a server', () => {
  it('is dialled with the user of its URL, even if that is not valid percent-encoding', async () => {
    const one = await Running.start(inCluster('authorization { user: r, password: s }'));
    const dialled = new Promise<string>((resolve) => {
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', (data) => {
          resolve(String(data));
          socket.destroy();
          server.close();
        });
      });
      server.listen(0, '127.0.0.1', async () => {
        const { port } = server.address() as AddressInfo;
        const two = await join(one, {}, { user: 'r', pass: 's' });
        two.send(infoLine({ server_id: 'NTHREE', ip: `nats-route://%ff@127.0.0.1:${port}/` }));
      });
    });
    expect(await dialled).toMatch(/^CONNECT .*"user":"%ff","pass":"s"/);
    expect(one.log).not.toMatch(/Internal error/);
  });
});

it('closes a connection that it has dialled when a defect keeps it from sending its CONNECT', async () => {
  const connectLineSpy = vi.spyOn(ClusterIdentity.prototype, 'connectLine').mockImplementation(() => {
    throw new Error('a defect');
  });
  try {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    const { port } = server.address() as AddressInfo;
    const one = await Running.start(inCluster(`routes: ["nats://127.0.0.1:${port}"]`));
    const [socket] = (await accepted) as [Socket];
    await closed(socket);
    expect(one.log).toMatch(/Internal error: Error: a defect/);
    server.close();
    await one.broker.close();
  } finally {
    connectLineSpy.mockRestore();
  }
});

describe('a server that connects to the route port', () => {
  it('receives INFO after its CONNECT', async () => {
    const one = await Running.start(inCluster());
    const two = await open(one);
    two.send(connectLine());
    const info = await two.nextInfo();
    expect(info).toMatchObject({
      server_name: 'one',
      cluster: 'c',
      proto: 3,
      headers: true,
      compression: 'off',
    });
    expect(info).toMatchObject({ port: routePort(one), connect_urls: [`127.0.0.1:${one.broker.port}`] });
    expect(info).toMatchObject({ route_pool_size: 3 });
    expect(info).not.toHaveProperty('route_pool_idx');
  });

  it.each(['PING\r\n', infoLine(), 'RS+ $G a\r\n', 'RMSG $G a 0\r\n\r\n'])(
    'is rejected if it sends %j before CONNECT',
    async (text) => {
      const one = await Running.start(inCluster());
      const two = await open(one);
      two.send(text);
      await two.closes("-ERR 'Authorization Violation'\r\n");
    },
  );

  it('is rejected with another cluster name', async () => {
    const one = await Running.start(inCluster());
    const two = await open(one);
    two.send(connectLine({ cluster: 'd' }));
    await two.closes(`-ERR 'Rejecting connection, cluster name "d" does not match "c"'\r\n`);
  });

  it('is rejected without the user and the password of the cluster', async () => {
    const one = await Running.start(inCluster('authorization { user: r, password: s }'));
    for (const login of [{}, { user: 'r' }, { user: 'r', pass: 'x' }, { user: 'x', pass: 's' }]) {
      const two = await open(one);
      two.send(connectLine(login));
      await two.closes("-ERR 'Authorization Violation'\r\n");
    }
    const two = await open(one);
    two.send(connectLine({ user: 'r', pass: 's' }));
    expect(await two.nextInfo()).toMatchObject({ auth_required: true });
    expect(one.log).not.toMatch(/"s"/);
  });

  it('is rejected if it is a client', async () => {
    const one = await Running.start(inCluster());
    const client = await open(one);
    client.send('CONNECT {"lang":"go","name":"x"}\r\n');
    await client.closes("-ERR 'attempted to connect to route port'\r\n");
  });

  it('is rejected if it has the name of this server', async () => {
    const one = await Running.start(inCluster());
    const two = await open(one);
    two.send(connectLine());
    await two.nextInfo();
    two.send(infoLine({ server_name: 'one' }));
    await two.closes();
    expect(one.log).toMatch(/\[ERR\] .* Remote server has a duplicate name: "one"/);
  });

  it.each([
    ['an index without a pool', { route_pool_idx: 1 }, 'Route pool index should not be set but is set to 1'],
    [
      'an index beyond the pool',
      { route_pool_size: 4, route_pool_idx: 4 },
      'Invalid route pool index: 4 - pool size is 3',
    ],
    [
      'a negative index',
      { route_pool_size: 3, route_pool_idx: -1 },
      'Invalid route pool index: -1 - pool size is 3',
    ],
    ['an account that is not pinned', { route_pool_size: 3, route_account: 'A' }, 'No route for account "A"'],
  ])('is rejected if its route has %s', async (_what, place, error) => {
    const one = await Running.start(inCluster());
    const two = await open(one);
    two.send(connectLine());
    await two.nextInfo();
    two.send(infoLine(place));
    await two.closes(`-ERR '${error}'\r\n`);
    await expect
      .poll(() => one.log)
      .toMatch(/Router connection closed: Protocol Violation - Remote: two, Host: 127\.0\.0\.1:6222\n/);
  });

  it('is disconnected if it is this server itself', async () => {
    const one = await Running.start(inCluster());
    const first = await open(one);
    first.send(connectLine());
    const { server_id: name } = await first.nextInfo();
    const self = await open(one);
    self.send(connectLine({ name }));
    await self.nextInfo();
    await self.closes();
  });

  it('is disconnected if it sends no CONNECT in time', async () => {
    const one = await Running.start(inCluster('authorization { user: r, password: s, timeout: 0.1 }'));
    const two = await open(one);
    await two.closes("-ERR 'Authentication Timeout'\r\n");
  });

  it.each([
    ['garbage', 'GET / HTTP/1.1\r\n\r\n', /Authorization Violation/],
    ['an endless line', `CONNECT ${'x'.repeat(70_000)}`, /maximum control line exceeded/],
    ['a CONNECT with invalid JSON', 'CONNECT {"name":\r\n', /^$/],
    ['a CONNECT with a value of the wrong type', 'CONNECT {"name":7}\r\n', /^$/],
  ])('is disconnected after %s', async (_what, text, answer) => {
    const one = await Running.start(inCluster());
    const two = await open(one);
    two.send(text);
    expect(await two.closed()).toMatch(answer);
  });

  it.each([
    ['garbage', 'PUB a 1\r\na\r\n', /Unknown Protocol Operation/],
    ['a message that is too large', 'RMSG $G a 99999999\r\n', /Maximum Payload Violation/],
    ['an INFO that is not an object', 'INFO []\r\n', /^$/],
    ['an RS+ with an extra argument', 'RS+ $G a q 1 x\r\n', /^$/],
  ])('is disconnected after %s, and its interest is removed', async (_what, text, answer) => {
    const one = await Running.start(inCluster());
    const client = await one.connect({ headers: true, no_responders: true });
    const two = await join(one);
    two.send('RS+ $G a\r\n');
    await two.receives('');
    two.send(text);
    expect(await two.closed()).toMatch(answer);
    client.send('SUB r 1\r\nPUB a r 0\r\n\r\n');
    await client.receives('HMSG r 1 33 33\r\nNATS/1.0 503\r\nNats-Subject: a\r\n\r\n\r\n');
  });
});

describe('a route', () => {
  it('announces the first and last subscriber of a subject, and each member of a queue group', async () => {
    const one = await Running.start(inCluster());
    const client = await one.connect();
    client.send('SUB a 1\r\nSUB b q 2\r\nSUB b q 3\r\n');
    await client.receives('');
    const two = await join(one);
    await two.reads('RS+ $G a\r\nRS+ $G b q 2\r\n');
    client.send('SUB a 4\r\nUNSUB 1\r\nUNSUB 2\r\nSUB c.* 5\r\nUNSUB 4\r\nUNSUB 3\r\n');
    await client.receives('');
    await two.reads('RS+ $G b q 1\r\nRS+ $G c.*\r\nRS- $G a\r\nRS- $G b q\r\n');
    client.end();
    await two.reads('RS- $G c.*\r\n');
  });

  it('carries messages both ways, and delivers routed messages to clients only', async () => {
    const one = await Running.start(inCluster());
    const client = await one.connect({ headers: true });
    client.send('SUB in 1\r\nSUB in q 2\r\n');
    const two = await join(one);
    await two.reads('RS+ $G in\r\nRS+ $G in q 1\r\n');
    two.send(
      'RS+ $G out.>\r\nRS+ $G in\r\nRMSG $G in | q 2\r\nhi\r\nHMSG $G in r 12 12\r\nNATS/1.0\r\n\r\n\r\n',
    );
    await two.receives('');
    await client.reads('MSG in 1 2\r\nhi\r\nMSG in 2 2\r\nhi\r\nHMSG in 1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n');
    client.send('PUB out.a r 2\r\nho\r\nHPUB out.b 12 12\r\nNATS/1.0\r\n\r\n\r\nPUB other 0\r\n\r\n');
    await two.reads('RMSG $G out.a r 2\r\nho\r\nHMSG $G out.b 12 12\r\nNATS/1.0\r\n\r\n\r\n');
    await two.receives('');
  });

  it('keeps the messages and interest of accounts separate', async () => {
    const accounts =
      'accounts { A: { users: [{user: a, password: p}] }, "Ä": { users: [{user: b, password: p}] } }';
    const one = await Running.start(`${accounts}\n${inCluster()}`);
    const [a, b] = [await one.connect({ user: 'a', pass: 'p' }), await one.connect({ user: 'b', pass: 'p' })];
    for (const client of [a, b]) {
      client.send('SUB s 1\r\n');
      await client.receives('');
    }
    const two = await join(one);
    await two.reads('RS+ A s\r\nRS+ Ä s\r\n');
    two.send('RMSG Ä s 1\r\nb\r\nRMSG A s 1\r\na\r\nRMSG C s 1\r\nc\r\nRS+ Ä t\r\n');
    await two.receives('');
    await a.receives('MSG s 1 1\r\na\r\n');
    await b.receives('MSG s 1 1\r\nb\r\n');
    a.send('PUB t 1\r\na\r\n');
    b.send('PUB t 1\r\nb\r\n');
    await b.receives('');
    await two.reads('RMSG Ä t 1\r\nb\r\n');
    const answer = await fetch(`${one.broker.monitorUrl}/accountz`);
    expect(((await answer.json()) as { accounts: string[] }).accounts).not.toContain('C');
  });

  it('imports and exports only the subjects that its permissions allow, also after a reload', async () => {
    const permissions = (more: string) => inCluster(`permissions { import: ["in.>"], export: ${more} }`);
    const one = await Running.start(permissions('{allow: ["out.>"], deny: ["out.secret"]}'));
    const client = await one.connect();
    client.send('SUB in.a 1\r\nSUB other 2\r\n');
    await client.receives('');
    const two = await join(one);
    await two.reads('RS+ $G in.a\r\n');
    two.send('RS+ $G out.>\r\nRS+ $G other\r\n');
    await two.receives('');
    client.send('PUB out.a 1\r\na\r\nPUB out.secret 1\r\nb\r\nPUB other 1\r\nc\r\nPUB out.d 1\r\nd\r\n');
    await two.reads('RMSG $G out.a 1\r\na\r\nRMSG $G out.d 1\r\nd\r\n');
    expect(await routez(one)).toMatchObject({
      import: { allow: ['in.>'] },
      export: { allow: ['out.>'], deny: ['out.secret'] },
      num_routes: 1,
      routes: [{ remote_name: 'two', subscriptions: 1, subscriptions_list: ['out.>'], did_solicit: false }],
    });
    await one.reload(inCluster('permissions { import: ["other"], export: "x" }'));
    await two.reads('RS- $G in.a\r\nRS+ $G other\r\n');
    expect(await two.nextInfo()).toMatchObject({ import: { allow: ['other'] }, export: { allow: ['x'] } });
    expect((await routez(one)).routes).toMatchObject([{ subscriptions: 0 }]);
    two.send(infoLine({ export: { allow: ['other'] } }));
    await two.reads('RS+ $G other\r\n');
  });

  it('stays when the same server connects again, and the second connection is closed', async () => {
    const one = await Running.start(inCluster());
    const two = await join(one);
    await two.receives('');
    const again = await open(one);
    again.send(connectLine());
    expect(await again.nextInfo()).toMatchObject({ info_deferred: false });
    await again.closes();
    await two.reads('PING\r\n');
    two.send('PONG\r\n');
    await two.receives('');
  });

  it('receives the INFO of another server that joins', async () => {
    const one = await Running.start(inCluster());
    const two = await join(one, { port: 6001 });
    await two.receives('');
    const three = await join(one, { server_id: 'NTHREE', server_name: 'three', port: 6002, nonce: 'x' });
    expect(await two.nextInfo()).toMatchObject({
      server_id: 'NTHREE',
      server_name: 'three',
      ip: 'nats-route://127.0.0.1:6002/',
      gossip_mode: 1,
    });
    expect(two.info).not.toHaveProperty('nonce');
    await three.receives('');
  });
});

describe('clients', () => {
  it('receive the addresses of other servers as those join, enter lame duck mode and leave', async () => {
    const one = await Running.start(inCluster());
    const own = `127.0.0.1:${one.broker.port}`;
    const client = await one.connect({ protocol: 1 });
    await client.nextInfo();
    expect(client.info).toMatchObject({ cluster: 'c' });
    expect(client.info).not.toHaveProperty('connect_urls');
    const two = await join(one, { connect_urls: ['10.0.0.2:4222', '10.0.0.2:4223'] });
    expect((await client.nextInfo()).connect_urls).toEqual([own, '10.0.0.2:4222', '10.0.0.2:4223']);
    const three = await join(one, { server_id: 'N3', server_name: '3', connect_urls: ['10.0.0.3:4222'] });
    await client.nextInfo();
    two.send(infoLine({ ldm: true, connect_urls: ['10.0.0.2:4222'] }));
    expect((await client.nextInfo()).connect_urls).toEqual([own, '10.0.0.3:4222']);
    three.end();
    expect((await client.nextInfo()).connect_urls).toEqual([own]);
    two.end();
    await client.receives('');
  });

  it('receive no addresses of other servers with no_advertise', async () => {
    const one = await Running.start(inCluster('no_advertise: true'));
    const client = await one.connect({ protocol: 1 });
    await client.nextInfo();
    const two = await open(one);
    two.send(connectLine());
    expect(await two.nextInfo()).not.toHaveProperty('connect_urls');
    two.send(infoLine({ connect_urls: ['10.0.0.2:4222'] }));
    await two.reads('PING\r\n');
    await client.receives('');
  });

  it('receive only the addresses of other servers when their server enters lame duck mode', async () => {
    const one = await Running.start(`${inCluster()}\nlame_duck_duration: 30s\nlame_duck_grace_period: 1s`);
    const client = await one.connect({ protocol: 1 });
    await client.nextInfo();
    const two = await join(one, { connect_urls: ['10.0.0.2:4222'] });
    await client.nextInfo();
    void one.broker.lameDuck();
    expect(await two.nextInfo()).toMatchObject({ ldm: true });
    expect(await client.nextInfo()).toMatchObject({ ldm: true, connect_urls: ['10.0.0.2:4222'] });
  });
});
