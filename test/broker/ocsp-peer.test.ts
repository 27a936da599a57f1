// What asking OCSP responders costs others, how answers are kept, and what a renewed answer does to open connections.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { makeAuthority, makeIntermediate, makeLeaf, type Pair } from '../harness/openssl.ts';
import { type BrokerUnderTest, natsServer, startInProcess } from '../harness/server.ts';
import { connectLine } from '../harness/socket.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { type Behaviour, OcspResponder } from '../support/ocsp-responder.ts';
import { describePeer } from '../support/peers.ts';

const folder = testFolder('broker-ocsp-peer');
const ca = makeAuthority(folder);
const server = makeLeaf(folder, 'server', ca);
const plain = makeLeaf(folder, 'plain', ca, { usage: 'clientAuth' });
let responder: OcspResponder;
const pairs = new Map<Behaviour, Pair>();
let broker: BrokerUnderTest | undefined;
/** The folder of saved answers; another one for each test. */
let store = '';
let stores = 0;
const wires: Wire[] = [];

beforeAll(async () => {
  responder = await OcspResponder.start({ ca });
  for (const behaviour of ['good', 'revoked', 'slow', 'no-next-update', 'try-later'] as const) {
    const options = { usage: 'clientAuth', ocsp: responder.url(behaviour) } as const;
    pairs.set(behaviour, makeLeaf(folder, behaviour, ca, options));
  }
}, 60_000);
afterAll(() => responder.stop());

beforeEach(() => {
  store = join(folder, `rc-${++stores}`);
  responder.asked.clear();
  responder.instead.clear();
  responder.lifeMs = 600_000;
  responder.cacheControl = undefined;
});
afterEach(async () => {
  for (const wire of wires.splice(0)) wire.end();
  await broker?.stop();
});

/** @param cache `false`, `true` or more options of the block */
const configuration = (options: string, cache = 'false') => `
  ocsp_cache ${cache === 'false' ? '{ type: none }' : `{ local_store: "${store}", ${cache === 'true' ? '' : cache} }`}
  tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca.cert}", verify: true
        timeout: 20
        ${options} }`;

async function start(options: string, cache?: string): Promise<BrokerUnderTest> {
  broker = await startInProcess(configuration(options, cache), { debug: true });
  return broker;
}

/** Connects a client; resolves to its open connection, or undefined when it is rejected. */
async function open(who: Behaviour | 'plain', intermediate?: Pair): Promise<Wire | undefined> {
  const { cert, key } = who === 'plain' ? plain : (pairs.get(who) as Pair);
  const chain = intermediate === undefined ? '' : readFileSync(intermediate.cert, 'utf8');
  const wire = await Wire.open((broker as BrokerUnderTest).port);
  wires.push(wire);
  await wire.upgrade({
    ca: readFileSync(ca.cert),
    cert: readFileSync(cert, 'utf8') + chain,
    key: readFileSync(key),
    servername: 'localhost',
  });
  wire.send(connectLine(), 'PING\r\n');
  return (await wire.line().catch(() => '')) === 'PONG' ? wire : undefined;
}

/** Expects that a connection is open; the broker may have sent a PING of its own. */
async function answers(wire: Wire | undefined): Promise<void> {
  wire?.send('PING\r\n');
  expect(await wire?.line()).toBe('PONG');
}

it('asks once about a certificate for all handshakes that wait, and lets other clients in meanwhile', async () => {
  const { log } = await start('ocsp_peer { verify: true, ca_timeout: "15s" }');
  const waiting = Promise.allSettled(Array.from({ length: 20 }, () => open('slow')));
  await expect
    .poll(() => log().split('Starting TLS client connection handshake').length - 1, { timeout: 20_000 })
    .toBe(20);
  await expect.poll(() => responder.hanging, { timeout: 20_000 }).toBe(1);
  const other = await open('plain');
  await other?.receives('');
  expect(await open('good')).toBeDefined();
  expect(responder.asked.get('slow')).toBe(1);
  await (broker as BrokerUnderTest).stop();
  await waiting;
}, 40_000);

it('ends a handshake at the timeout of the block although the responder may take longer', async () => {
  broker = await startInProcess(
    configuration('ocsp_peer { verify: true, ca_timeout: "9s", allow_when_ca_unreachable: true }').replace(
      'timeout: 20',
      'timeout: 0.5',
    ),
  );
  expect(await open('slow')).toBeUndefined();
  await broker.logged(/no OCSP responder answered within 500ms, the timeout of the handshake/);
});

it('keeps answers while they are valid, and none with ocsp_cache: false', async () => {
  await start('ocsp_peer: true', 'true');
  for (let count = 0; count < 3; count++) expect(await open('good')).toBeDefined();
  for (let count = 0; count < 2; count++) expect(await open('revoked')).toBeUndefined();
  expect(Object.fromEntries(responder.asked)).toEqual({ good: 1, revoked: 1 });
  await broker?.stop();
  responder.asked.clear();
  await start('ocsp_peer: true', 'false');
  for (let count = 0; count < 3; count++) expect(await open('good')).toBeDefined();
  expect(Object.fromEntries(responder.asked)).toEqual({ good: 3 });
});

it('keeps an answer without an end for cache_ttl_when_next_update_unset', async () => {
  // The answers are an hour old.
  await start('ocsp_peer { verify: true, cache_ttl_when_next_update_unset: "2h" }', 'true');
  for (let count = 0; count < 2; count++) expect(await open('no-next-update')).toBeDefined();
  expect(responder.asked.get('no-next-update')).toBe(1);
  await broker?.stop();
  await start('ocsp_peer { verify: true, cache_ttl_when_next_update_unset: "10m" }', 'true');
  expect(await open('no-next-update')).toBeUndefined();
});

it('rejects a client that the last answer has revoked while no responder answers, with preserve_revoked', async () => {
  let now = Date.now();
  broker = await startInProcess(
    configuration(
      'ocsp_peer { verify: true, ca_timeout: "200ms", allow_when_ca_unreachable: true }',
      'preserve_revoked: true',
    ),
    { now: () => new Date(now) },
  );
  responder.instead.set('slow', 'revoked');
  expect(await open('slow')).toBeUndefined();
  // The answer expires, and no other one arrives.
  responder.instead.clear();
  now += 3_600_000;
  for (let count = 0; count < 2; count++) expect(await open('slow')).toBeUndefined();
  await broker.stop();
  broker = await startInProcess(
    configuration('ocsp_peer { verify: true, ca_timeout: "200ms", allow_when_ca_unreachable: true }'),
  );
  expect(await open('slow')).toBeDefined();
});

it('asks about an intermediate too, and rejects its clients when it is revoked', async () => {
  const below = makeIntermediate(folder, 'below', ca, responder.url('revoked'));
  pairs.set('unknown', makeLeaf(folder, 'below-leaf', below, { usage: 'clientAuth' }));
  await start('ocsp_peer: true');
  expect(await open('unknown', below)).toBeUndefined();
  await broker?.logged(
    /client certificate CN=below-leaf .* is revoked: the OCSP responder answers revoked \(CN=below\)/,
  );
});

it('closes an open connection when a renewed answer revokes its certificate, and no other', async () => {
  responder.cacheControl = 'max-age=1';
  await start('ocsp_peer: true', 'true');
  const [gone, kept] = [await open('good'), await open('plain')];
  responder.instead.set('good', 'unknown');
  const { asked } = responder;
  const count = asked.get('good') ?? 0;
  await expect.poll(() => asked.get('good'), { timeout: 9000 }).toBeGreaterThan(count);
  await answers(gone);
  responder.instead.set('good', 'revoked');
  await gone?.closed();
  await broker?.logged(/Disconnect 1 clients with revoked certificates: CN=good/);
  await answers(kept);
}, 30_000);

it('renews the answers about clients that were connected before a reload turned ocsp_peer on', async () => {
  const running = await start('', 'true');
  const gone = await open('revoked');
  await answers(gone);
  await running.reload(configuration('ocsp_peer: true', 'true'));
  await gone?.closed();
}, 30_000);

it('keeps answers across a restart, and verifies what it reads', async () => {
  await start('ocsp_peer: true', 'true');
  expect([await open('good'), await open('revoked')]).toEqual([expect.anything(), undefined]);
  await broker?.stop();
  await start('ocsp_peer: true', 'true');
  expect([await open('good'), await open('revoked')]).toEqual([expect.anything(), undefined]);
  expect(Object.fromEntries(responder.asked)).toEqual({ good: 1, revoked: 1 });
  await broker?.stop();
  // The answers are exchanged, each a good one with a valid signature, but for another certificate.
  const file = join(store, 'cache.json');
  const [[a, first], [b, second]] = Object.entries(JSON.parse(readFileSync(file, 'utf8'))) as [
    [string, unknown],
    [string, unknown],
  ];
  writeFileSync(file, JSON.stringify({ [a]: second, [b]: first, nonsense: null }));
  await start('ocsp_peer: true', 'true');
  expect([await open('good'), await open('revoked')]).toEqual([expect.anything(), undefined]);
  expect(Object.fromEntries(responder.asked)).toEqual({ good: 2, revoked: 2 });
});

it('starts with a damaged file of answers', async () => {
  mkdirSync(store);
  writeFileSync(join(store, 'cache.json'), '{');
  await start('ocsp_peer: true', 'true');
  expect(await open('good')).toBeDefined();
  expect(broker?.log()).toMatch(/ocsp_cache: cannot read/);
});

describePeer('nats-server', 'nats-server', (bin) => {
  it('uses the answers that the broker has saved', async () => {
    await start('ocsp_peer: true', 'true');
    expect(await open('good')).toBeDefined();
    await broker?.stop();
    const { logged, port, stop } = await natsServer(bin)(
      `${configuration('ocsp_peer: true', 'true')}\ndebug: true`,
    );
    broker = { port, stop } as BrokerUnderTest;
    expect(await open('good')).toBeDefined();
    expect(responder.asked.get('good')).toBe(1);
    await logged(/OCSP peer cache hit/);
  });
});
