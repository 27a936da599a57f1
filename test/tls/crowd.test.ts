// Many simultaneous handshakes of accepted and rejected clients: which starts when, and which waits for which.
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { expect, it, vi } from 'vitest';
import { HandshakeError } from '../../src/tls/handshake-error.ts';
import { type MadePair, TestAuthority } from '../harness/certificates.ts';
import { closed } from '../harness/socket.ts';
import { greeting, listenTls, type Outcome } from '../support/tls-listener.ts';

const ca = await TestAuthority.make('NATS CA');
const server = await ca.server();
const alice = await ca.leaf('alice');
const stranger = await (await TestAuthority.make('Other CA')).leaf('mallory');

function messageOf(outcome: Outcome): string {
  expect(outcome).toBeInstanceOf(HandshakeError);
  return (outcome as HandshakeError).message;
}

function as({ cert, key }: MadePair, options: ConnectionOptions = {}): ConnectionOptions {
  return { ca: ca.pem, cert, key, ...options };
}

it('accepts valid clients while invalid ones fail at the same time', async () => {
  const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true, timeoutMs: 10_000 });
  const tries = Array.from({ length: 40 }, (_, index) =>
    greeting(listener.port, as(index % 2 === 0 ? alice : stranger)),
  );
  const said = await Promise.all(tries);
  expect(said.filter((what) => what === 'hello')).toHaveLength(20);
  const outcomes = await Promise.all(tries.map(() => listener.outcome()));
  expect(outcomes.filter((outcome) => outcome instanceof HandshakeError)).toHaveLength(20);
  await listener.close();
});

it('accepts all connections that wait in the backlog before it starts the first handshake', async () => {
  // With a clock that stands still, accepting does not exceed its time.
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true, timeoutMs: 10_000 });
    const accept = vi.spyOn(listener.handshaker, 'accept');
    // On the loopback, each is in the backlog when `connect` returns.
    const sockets = Array.from({ length: 40 }, () => {
      const socket = connectPlain(listener.port, '127.0.0.1').on('error', () => {});
      socket.write('not TLS');
      return socket;
    });
    await Promise.race(sockets.map((socket) => closed(socket)));
    expect(accept).toHaveBeenCalledTimes(40);
    await Promise.all(sockets.map(() => listener.outcome()));
    await listener.close();
  } finally {
    vi.useRealTimers();
  }
});

it('starts the handshakes of an address without a delay although it was just rejected', async () => {
  const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true });
  expect(await greeting(listener.port, as(stranger))).not.toBe('hello');
  // With fake timers, a delayed handshake would wait forever.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    for (let count = 0; count < 3; count++) {
      expect(await greeting(listener.port, as(alice))).toBe('hello');
    }
  } finally {
    vi.useRealTimers();
  }
  await listener.close();
});

it('fails a handshake that is queued too long behind other connections', async () => {
  // Without setImmediate, no handshake starts.
  vi.useFakeTimers({ toFake: ['setImmediate'] });
  try {
    const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true, timeoutMs: 50 });
    const sockets = Array.from({ length: 3 }, () =>
      connectPlain(listener.port, '127.0.0.1').on('error', () => {}),
    );
    const outcomes = await Promise.all(sockets.map(() => listener.outcome()));
    expect(outcomes.map(messageOf)).toEqual(
      Array(3).fill('handshake queued for 50ms behind other connections'),
    );
    await listener.close();
  } finally {
    vi.useRealTimers();
  }
});

it('delays rejected clients without delaying other clients', async () => {
  const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true, timeoutMs: 10_000 });
  const tells: (() => void)[] = [];
  vi.spyOn(listener.handshaker, 'delayRejection').mockImplementation((_, tell) => tells.push(tell));
  let refused = 0;
  const strangers = Array.from({ length: 20 }, async () => {
    await greeting(listener.port, as(stranger));
    refused++;
  });
  await vi.waitUntil(() => tells.length === 20, { timeout: 10_000 });
  expect(await greeting(listener.port, as(alice))).toBe('hello');
  expect(refused).toBe(0);
  for (const tell of tells) tell();
  await Promise.all(strangers);
  const outcomes = await Promise.all(strangers.map(() => listener.outcome()));
  for (const outcome of outcomes) expect(messageOf(outcome)).toMatch(/CN=mallory is from an authority/);
  await listener.close();
});

it('rejects a client that disconnects before it is told of its rejection', async () => {
  const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true, timeoutMs: 10_000 });
  const tells: (() => void)[] = [];
  vi.spyOn(listener.handshaker, 'delayRejection').mockImplementation((_, tell) => tells.push(tell));
  const client = connect({ port: listener.port, host: '127.0.0.1', ...as(stranger) }).on('error', () => {});
  await vi.waitUntil(() => tells.length === 1, { timeout: 10_000 });
  client.destroy();
  expect(await greeting(listener.port, as(alice))).toBe('hello');
  tells[0]?.();
  expect(messageOf(await listener.outcome())).toMatch(/CN=mallory is from an authority/);
  await listener.close();
});

it('reports the first rejections immediately, and every other one within four seconds', async () => {
  const listener = await listenTls({ pairs: [server] });
  const socket = connectPlain(listener.port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  let told = 0;
  const tell = () => told++;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  try {
    for (let count = 0; count <= 1000; count++) listener.handshaker.delayRejection(socket, tell);
    expect(told).toBe(11);
    vi.advanceTimersByTime(1000);
    expect(told).toBe(211);
    vi.advanceTimersByTime(3000);
    expect(told).toBe(1001);
    vi.advanceTimersByTime(60_000);
    expect(told).toBe(1001);
  } finally {
    vi.useRealTimers();
  }
  socket.destroy();
  await listener.close();
});
