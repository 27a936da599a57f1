// WebSocket clients over TLS: which certificates they need, what a reload changes for them, and how the port ends.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { UpgradeListener } from '../../src/broker/websocket/upgrade-listener.ts';
import { LineLogger } from '../../src/log.ts';
import { readCertificates } from '../../src/x509/certificate.ts';
import { clientTls, makeCertificateSet, verifyingTls } from '../harness/certificate-set.ts';
import { Client } from '../harness/client.ts';
import { code, frame } from '../harness/frames.ts';
import { makeLeaf, type Pair } from '../harness/openssl.ts';
import { closed, openSocket } from '../harness/socket.ts';
import { openWebSocket, requestUpgrade } from '../harness/websocket.ts';
import { testFolder } from '../support/folder.ts';
import { askJson } from '../support/monitoring.ts';
import { Running } from './running.ts';

const folder = testFolder('websocket');
const certificates = makeCertificateSet(folder);
const alice = makeLeaf(folder, 'alice', certificates.ca, {
  usage: 'clientAuth',
  names: 'email:alice@example.com',
});
const bob = makeLeaf(folder, 'bob', certificates.ca, { usage: 'clientAuth', names: 'email:bob@example.com' });
const next = makeLeaf(folder, 'next', certificates.ca, { usage: 'serverAuth' });
const pinOf = ({ cert }: Pair) => readCertificates(readFileSync(cert), cert)[0].pin;
const serialOf = ({ cert }: Pair) => readCertificates(readFileSync(cert), cert)[0].serial;

const clients: Client[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function block(tls: string, more = ''): string {
  return `websocket { listen: "127.0.0.1:-1", ${tls} ${more} }\n`;
}

function portOf({ broker }: Running): number {
  return Number(new URL((broker.websocketUrl ?? '').replace(/^ws/, 'http')).port);
}

async function connect(running: Running, tls?: ConnectionOptions, options: object = {}): Promise<Client> {
  const client = await Client.connectWebSocket(portOf(running), tls === undefined ? {} : { tls }, options);
  clients.push(client);
  return client;
}

const as = (pair: Pair) => clientTls(certificates, pair);

it('requires a client certificate with verify', async () => {
  const running = await Running.start(block(verifyingTls(certificates)));
  const client = await connect(running, as(alice));
  expect(client.info).toMatchObject({ tls_required: true, tls_available: true });
  const { ca } = as(alice);
  await expect(connect(running, { ca })).rejects.toThrow();
  expect(running.log).toMatch(
    /\[ERR\] websocket: TLS handshake error from 127\.0\.0\.1:\d+: client sent no certificate/,
  );
});

it('finds users by their certificates with verify_and_map, whatever the client port does', async () => {
  const users = 'authorization { users: [{ user: "alice@example.com" }, { user: eve, password: x }] }\n';
  const running = await Running.start(users + block(verifyingTls(certificates, 'verify_and_map: true')));
  const client = await connect(running, as(alice));
  await client.processed();
  await expect(connect(running, as(bob))).rejects.toThrow('Authorization Violation');
  // On the client port, which maps nothing, the user needs a password.
  await running.connect({ user: 'eve', pass: 'x' });
});

it('disconnects clients whose pin a reload has removed, and no client of the other port', async () => {
  const pinned = (...pairs: Pair[]) =>
    verifyingTls(certificates) +
    block(verifyingTls(certificates, `pinned_certs: [${pairs.map((pair) => `"${pinOf(pair)}"`).join()}]`));
  const running = await Running.start(pinned(alice, bob));
  const [kept, gone] = [await connect(running, as(alice)), await connect(running, as(bob))];
  const other = await running.connect({}, { tls: as(bob) });
  await running.reload(pinned(alice));
  await gone.closed;
  await Promise.all([kept.processed(), other.receives('')]);
  expect(running.log).toContain('Disconnect 1 clients due to pinned certs reload');
});

it('serves the certificate of a reloaded block to the next client and keeps the connections', async () => {
  const running = await Running.start(block(verifyingTls(certificates)));
  const before = await connect(running, as(alice));
  await running.reload(block(verifyingTls({ ...certificates, server: next })));
  expect((await connect(running, as(alice))).serverSerial).toBe(serialOf(next));
  expect(before.serverSerial).toBe(serialOf(certificates.server));
  await before.processed();
  expect(running.log).toContain('Reloaded: websocket tls');
});

it('keeps the certificates when those of a reloaded block are unusable', async () => {
  const running = await Running.start(block(verifyingTls(certificates)));
  const mixed = { ...certificates, server: { cert: next.cert, key: alice.key } };
  await expect(running.reload(block(verifyingTls(mixed)))).rejects.toThrow(/does not belong/);
  expect((await connect(running, as(alice))).serverSerial).toBe(serialOf(certificates.server));
});

it.each([
  ['an origin', block('no_tls: true'), block('no_tls: true, allowed_origins: ["https://a.example"]')],
  ['the block', block('no_tls: true'), ''],
  ['TLS', block('no_tls: true'), block(verifyingTls(certificates))],
])('needs a restart to change %s', async (_what, text, changed) => {
  const running = await Running.start(text);
  const client = await connect(running);
  await running.reload(changed);
  expect(running.log).toContain('Only a restart changes these options: websocket');
  await client.processed();
  await (await connect(running)).processed();
});

it('needs a restart to start with a block', async () => {
  const running = await Running.start('');
  await running.reload(block('no_tls: true'));
  expect(running.log).toContain('Only a restart changes these options: websocket');
  expect(running.broker.websocketUrl).toBeUndefined();
});

it('counts WebSocket clients for max_connections', async () => {
  const running = await Running.start(`max_connections: 1\n${block('no_tls: true')}`);
  await connect(running);
  await expect(connect(running)).rejects.toThrow('maximum connections exceeded');
});

it('shows the block, its handshakes and its clients in monitoring', async () => {
  const running = await Running.start(`http: "127.0.0.1:-1"\n${block(verifyingTls(certificates))}`);
  await connect(running, as(alice), { name: 'web' });
  const url = running.broker.monitorUrl;
  const { tls, handshakes, clients: counts, connections } = await askJson(`${url}/page.json`);
  expect(tls).toMatchObject([{ name: 'websocket.tls', current: true }]);
  expect(handshakes).toEqual([{ listener: 'websocket', result: 'ok', count: 1 }]);
  expect(counts).toMatchObject({ open: 1, websockets: 1, plain: 0 });
  expect(connections.connections).toMatchObject([{ name: 'web', type: 'websocket', tls_version: '1.3' }]);
  const { websocket } = await askJson(`${url}/varz`);
  expect(websocket.tls_cert_not_after).toMatch(/^\d{4}-/);
});

it('serves clients while others leave their upgrades unfinished, and drops those in time', async () => {
  const running = await Running.start(block('no_tls: true, handshake_timeout: "500ms"'));
  const port = portOf(running);
  const unfinished = await Promise.all(Array.from({ length: 200 }, () => openSocket(port)));
  const ends = unfinished.map(async (socket, index) => {
    if (index % 2 === 0) socket.write('GET / HTTP/1.1\r\nHost: a\r\n');
    await closed(socket);
  });
  const [web, plain] = [await connect(running), await running.connect()];
  const inbox = web.subscribe('meanwhile');
  await web.processed();
  plain.send('PUB meanwhile 2\r\nok\r\n');
  expect((await inbox.has(1)).map(({ payload }) => payload)).toEqual(['ok']);
  await Promise.all(ends);
  await web.processed();
});

it('disconnects a client that pings and reads no answers', async () => {
  const running = await Running.start(`max_pending: 100000\nmax_payload: 1000\n${block('no_tls: true')}`);
  const stream = await openWebSocket(portOf(running));
  stream.on('error', () => {});
  stream.carrier.pause();
  const pings = Buffer.concat(
    Array.from({ length: 1000 }, () => frame('x'.repeat(125), { code: code.ping })),
  );
  // The buffers of the system hold some megabytes of answers.
  for (let sent = 0; sent < 200 && !stream.destroyed; sent++) stream.sendFrame(pings);
  await expect.poll(() => running.log, { timeout: 10_000 }).toContain('Slow Consumer Detected: MaxPending');
  stream.destroy();
});

it('closes the oldest connection of the busiest address when too many have no open WebSocket', async () => {
  const rules = {
    sameOrigin: false,
    allowedOrigins: [],
    compression: false,
    cookies: { user: '', pass: '', token: '' },
    headers: new Map(),
  };
  const listener = await UpgradeListener.open({
    where: { host: '127.0.0.1', port: 0 },
    rules,
    requestMs: undefined,
    tls: () => undefined,
    log: new LineLogger(() => {}),
    now: () => new Date(),
    onClient: () => {},
    onError: () => {},
    maxPending: 3,
  });
  const { port } = listener;
  const alone = createConnection({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  await once(alone, 'connect');
  const sockets = [];
  for (let count = 0; count < 4; count++) sockets.push(await openSocket(port));
  await Promise.all(sockets.slice(0, 2).map((socket) => closed(socket)));
  expect([alone, ...sockets.slice(2)].map(({ destroyed }) => destroyed)).toEqual([false, false, false]);
  for (const socket of [alone, ...sockets]) socket.destroy();
  await listener.close();
});

it('stops accepting in lame duck mode and tells its clients', async () => {
  const running = await Running.start(block('no_tls: true'));
  const client = await connect(running);
  const port = portOf(running);
  void running.broker.lameDuck();
  await client.informed(({ ldm }) => ldm === true);
  await expect(openSocket(port)).rejects.toThrow('ECONNREFUSED');
});

it('closes at shutdown, whatever its connections do', async () => {
  const running = await Running.start(block(verifyingTls(certificates), 'handshake_timeout: "60s"'));
  const client = await connect(running, as(alice));
  const silent = await openSocket(portOf(running));
  const half = await requestUpgrade(portOf(running), { tls: as(alice), request: 'POST / HTTP/1.1' });
  await running.broker.close();
  await client.closed;
  silent.destroy();
  half.socket.destroy();
});
