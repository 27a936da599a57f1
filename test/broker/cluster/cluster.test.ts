// Brokers that form a cluster within this process, and what a configuration reload changes in it.
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { readPeer } from '../../../src/tls/peer.ts';
import { makeAuthority, makeLeaf, type Pair } from '../../harness/openssl.ts';
import type { Wire } from '../../harness/wire.ts';
import { testFolder } from '../../support/folder.ts';
import { Running } from '../running.ts';

const folder = testFolder('cluster');
const ca = makeAuthority(folder);
const [certificateOfOne, certificateOfTwo] = ['one', 'two'].map((name) => makeLeaf(folder, name, ca)) as [
  Pair,
  Pair,
];

function routeTls({ cert, key }: Pair, more = ''): string {
  return `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ca.cert}", ${more} }`;
}

const server = (name: string, more = '', listen = '127.0.0.1:-1') => `server_name: ${name}
no_system_account: true
cluster { name: c, listen: "${listen}"
  ${more}
}`;

function routePort({ log }: Running): number {
  return Number(/Listening for route connections on \S*:(\d+)/.exec(log)?.[1]);
}

const routes = (...ports: number[]) =>
  `routes: [${ports.map((port) => `"nats://localhost:${port}"`).join(', ')}]`;

/** Resolves when the assertions hold; several servers on a busy machine need time. */
function eventually(assertions: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(assertions, { timeout: 8000, interval: 10 });
}

/** Resolves when a message that `speaker` publishes reaches `listener`. */
async function reaches(speaker: Wire, listener: Wire, subject: string): Promise<void> {
  listener.send(`SUB ${subject} ${subject}\r\n`);
  await listener.receives('');
  await eventually(async () => {
    speaker.send(`PUB ${subject} 1\r\nx\r\n`);
    await speaker.receives('');
    expect(await listener.drain()).toContain(`MSG ${subject} ${subject} 1\r\nx\r\n`);
  });
}

describe('a cluster of brokers', () => {
  it('dials routes that a reload adds and closes those that a reload removes', async () => {
    const [one, two] = [await Running.start(server('one')), await Running.start(server('two'))];
    const [a, b] = [await one.connect(), await two.connect()];
    await one.reload(server('one', routes(routePort(two))));
    await reaches(a, b, 'first');
    await reaches(b, a, 'second');
    await one.reload(server('one'));
    const host = `localhost:${routePort(two)}`;
    expect(one.log).toContain(`Route connection created (${host})\n`);
    await eventually(() =>
      expect(one.log).toContain(`Router connection closed: Route Removed - Remote: two, Host: ${host}\n`),
    );
    b.send('PUB second 1\r\nx\r\n');
    await b.receives('');
    await one.reload(server('one', `${routes(routePort(two))}\nconnect_retries: 2`));
    await reaches(b, a, 'third');
    expect(one.log).toMatch(/Reloaded: cluster routes/);
    expect(one.log).toMatch(/Reloaded: cluster connect_retries/);
  });

  it('closes a route only when a reload removes the last URL of its server', async () => {
    const [one, two] = [await Running.start(server('one')), await Running.start(server('two'))];
    const [a, b] = [await one.connect(), await two.connect()];
    const byName = `nats://localhost:${routePort(two)}`;
    const byAddress = `nats://127.0.0.1:${routePort(two)}`;
    await one.reload(server('one', `routes: ["${byName}", "${byAddress}"]`));
    await reaches(a, b, 'first');
    await eventually(() => expect(one.log).toMatch(/Router connection closed: Duplicate Route/));
    await one.reload(server('one', `routes: ["${byAddress}"]`));
    await reaches(a, b, 'second');
    await one.reload(server('one'));
    await eventually(() => expect(one.log).toMatch(/Router connection closed: Route Removed/));
    expect(one.log.match(/Registering remote route/g)).toHaveLength(1);
  });

  it('keeps its name, port and existence in a reload, and says that only a restart changes them', async () => {
    const one = await Running.start(server('one'));
    await one.reload(`${server('one', '', '127.0.0.1:1')}`.replace('name: c', 'name: d'));
    expect(one.log).toMatch(/Only a restart changes these options: cluster name, cluster port/);
    await one.reload('server_name: one\nno_system_account: true');
    expect(one.log).toMatch(/Only a restart changes these options: cluster$/m);
  });

  it('keeps one route between two servers that dial each other, without losing a message', async () => {
    const [one, two] = [await Running.start(server('one')), await Running.start(server('two'))];
    const [a, b] = [await one.connect(), await two.connect()];
    await one.reload(server('one', routes(routePort(two))));
    await reaches(a, b, 'first');
    await two.reload(server('two', routes(routePort(one))));
    await eventually(() =>
      expect(two.log).toMatch(/Router connection closed: Duplicate Route - Remote: one/),
    );
    a.send('PUB first 1\r\ny\r\n');
    await a.receives('');
    await eventually(async () => expect(await b.drain()).toContain('MSG first first 1\r\ny\r\n'));
    expect(one.log.match(/Registering remote route/g)).toHaveLength(1);
    expect(two.log.match(/Registering remote route/g)).toHaveLength(1);
  });

  it('detects a route to itself and does not dial it again', async () => {
    const one = await Running.start(server('one'));
    await one.reload(server('one', routes(routePort(one))));
    await eventually(() =>
      expect(one.log.match(/Router connection closed: Duplicate Route/g)).toHaveLength(2),
    );
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(one.log.match(/Trying to connect to route/g)).toHaveLength(1);
  });

  it('adopts the cluster name of a server that has a configured one', async () => {
    const one = await Running.start(server('one'));
    const nameless = await Running.start(server('two', routes(routePort(one))).replace('name: c, ', ''));
    await reaches(await one.connect(), await nameless.connect(), 'first');
    const client = await nameless.connect({ protocol: 1 });
    expect(await client.nextInfo()).toMatchObject({ cluster: 'c' });
  });

  it('connects two servers that each know only a third one', async () => {
    const one = await Running.start(server('one'));
    const two = await Running.start(server('two', routes(routePort(one))));
    const three = await Running.start(server('three', routes(routePort(one))));
    await reaches(await two.connect(), await three.connect(), 'first');
    await reaches(await three.connect(), await two.connect(), 'second');
  });
});

describe('a cluster of brokers over TLS', () => {
  it('closes routes whose pin a reload removes, and logs why it rejects a new one', async () => {
    const { pin } = readPeer(new X509Certificate(readFileSync(certificateOfTwo.cert)).raw);
    const pinned = (more: string) => server('one', routeTls(certificateOfOne, `pinned_certs: [${more}]`));
    const other = '0'.repeat(64);
    const one = await Running.start(pinned(`"${pin}", "${other}"`));
    const two = await Running.start(
      server('two', `${routeTls(certificateOfTwo)}\n${routes(routePort(one))}`),
    );
    await reaches(await two.connect(), await one.connect(), 'first');
    await one.reload(pinned(`"${other}"`));
    expect(one.log).toMatch(/Disconnect 1 routes due to pinned certs reload/);
    await eventually(() => expect(one.log).toMatch(/TLS route handshake error: .*two is not pinned/));
  });

  it('rejects a server certificate that lacks the host of the route', async () => {
    const elsewhere = makeLeaf(folder, 'elsewhere', ca, { hosts: ['elsewhere.example'] });
    const one = await Running.start(server('one', routeTls(elsewhere)));
    const two = await Running.start(
      server('two', `${routeTls(certificateOfTwo)}\n${routes(routePort(one))}`),
    );
    await eventually(() => expect(two.log).toMatch(/server certificate is not for "localhost": .*elsewhere/));
  });
});

describe('a route whose peer does not read', () => {
  it('stalls no publisher and is closed at max_pending', async () => {
    const limits = 'max_pending: 1MB\nmax_payload: 64KB\n';
    const one = await Running.start(`${limits}${server('one')}`);
    const [publisher, subscriber] = [await one.connect(), await one.connect()];
    subscriber.send('SUB a 1\r\n');
    await subscriber.receives('');
    const stuck = await stuckServer();
    await one.reload(`${limits}${server('one', routes(stuck.port))}`);
    await stuck.hasAsked;
    const message = `PUB a 60000\r\n${'x'.repeat(60_000)}\r\n`;
    await eventually(async () => {
      publisher.send(message.repeat(20));
      await publisher.receives('');
      expect(one.log).toMatch(/Slow Consumer Detected: MaxPending of 1048576 Exceeded/);
    });
    subscriber.end();
    stuck.close();
  });
});

/** A server that subscribes to a subject and then stops reading. */
async function stuckServer() {
  let asked = () => {};
  const hasAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const listener = createServer((socket) => {
    socket.on('error', () => {});
    const info = {
      server_id: 'NSTUCK',
      server_name: 'stuck',
      cluster: 'c',
      headers: true,
      max_payload: 65536,
    };
    socket.write(`INFO ${JSON.stringify({ ...info, host: '127.0.0.1', port: 1 })}\r\nRS+ $G a\r\nPING\r\n`);
    socket.on('data', (bytes: Buffer) => {
      if (!bytes.includes('PONG')) return;
      socket.pause();
      asked();
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as { port: number };
  return { port, hasAsked, close: () => listener.close() };
}
