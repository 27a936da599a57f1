// Connection: order and coalescing of output, slow consumers, stalled publishers and the end of a connection.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Connection, type ConnectionOwner } from '../../../src/broker/transport/connection.ts';
import { BufferPool } from '../../../src/broker/transport/output.ts';
import { ReadBuffer } from '../../../src/broker/transport/read-buffer.ts';
import { Flusher, type Transport } from '../../../src/broker/transport/transport.ts';
import { MessageWriter } from '../../../src/protocol/message-writer.ts';
import { LineComparison } from '../../../src/protocol/repeated-line.ts';
import type { CloseReason } from '../../../src/protocol/violations.ts';
import { closed } from '../../harness/socket.ts';

interface Ends {
  readonly connection: Connection;
  readonly client: Socket;
  /** What the owner was told: slow consumer lines and close reasons. */
  readonly told: string[];
  /** Resolves with the close reason. */
  readonly closed: Promise<CloseReason>;
  /** Returns the bytes that the owner has received so far. */
  received(): string;
}

const servers: Server[] = [];
const clients: Socket[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const client of clients.splice(0)) client.destroy();
  for (const server of servers.splice(0)) {
    server.close();
    await once(server, 'close');
  }
});

/** Opens a TCP connection and wraps its accepted end in a Connection that reads. */
async function pair(settings: Partial<Transport> = {}, own = transport(settings)): Promise<Ends> {
  const server = createServer({ allowHalfOpen: true });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  client.on('error', () => {});
  clients.push(client);
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const told: string[] = [];
  let received = '';
  let markClosed: (reason: CloseReason) => void = () => {};
  const closed = new Promise<CloseReason>((resolve) => {
    markClosed = resolve;
  });
  const owner: ConnectionOwner = {
    receive: (chunk) => {
      received += chunk.toString('latin1');
      client.emit('test:received');
    },
    slowConsumer: (text) => told.push(text),
    closed: (reason) => {
      told.push(reason);
      markClosed(reason);
    },
  };
  const connection = new Connection(accepted, own, owner);
  connection.open();
  return { connection, client, told, closed, received: () => received };
}

function transport(settings: Partial<Transport> = {}): Transport {
  return {
    pool: new BufferPool(),
    flusher: new Flusher(),
    writer: new MessageWriter(),
    readBuffer: new ReadBuffer(4096),
    lines: new LineComparison(),
    clock: Date.now,
    maxPending: 64 * 1024 * 1024,
    writeDeadlineMs: 10_000,
    ...settings,
  };
}

/** Returns everything that the client reads until the end. */
async function readAll(client: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  client.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(client, 'end');
  return Buffer.concat(chunks).toString('latin1');
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe('Connection', () => {
  it('delivers the bytes of the client to its owner in order', async () => {
    const { client, received } = await pair();
    client.write('x'.repeat(10_000));
    client.write('y');
    await until(() => received().length === 10_001);
    expect(received()).toBe(`${'x'.repeat(10_000)}y`);
  });

  it('writes small and large chunks in order', async () => {
    const { connection, client } = await pair();
    const pieces = Array.from({ length: 500 }, (_, n) => Buffer.from(`${n},`.repeat(n % 7 === 0 ? 3000 : 1)));
    for (const piece of pieces) expect(connection.write(piece)).toBe(true);
    connection.close('Client Closed');
    expect(await readAll(client)).toBe(Buffer.concat(pieces).toString());
  });

  it('coalesces everything queued in one turn of the event loop into one write', async () => {
    const { connection, client } = await pair();
    const chunks: string[] = [];
    client.on('data', (chunk) => chunks.push(String(chunk)));
    for (let n = 0; n < 100; n++) connection.write(Buffer.from('PONG\r\n'));
    await until(() => chunks.length > 0);
    expect(chunks).toEqual(['PONG\r\n'.repeat(100)]);
  });

  it('writes pending bytes before it closes and notifies its owner once', async () => {
    const { connection, client, told } = await pair();
    connection.write(Buffer.from("-ERR 'Stale Connection'\r\n"));
    connection.close('Stale Connection');
    connection.close('Server Shutdown');
    expect(connection.isOpen).toBe(false);
    expect(connection.write(Buffer.from('late'))).toBe(false);
    expect(await readAll(client)).toBe("-ERR 'Stale Connection'\r\n");
    client.end();
    await closed(client);
    expect(told).toEqual(['Stale Connection']);
  });

  it('delivers its last bytes to a client that is still sending', async () => {
    const { connection, client } = await pair();
    // Bytes that a server leaves unread make the kernel reset the connection, and the client loses what it was sent.
    for (let n = 0; n < 50; n++) client.write(Buffer.alloc(65_536));
    connection.write(Buffer.from("-ERR 'Maximum Payload Violation'\r\n"));
    connection.close('Maximum Message Payload Exceeded');
    for (let n = 0; n < 50; n++) client.write(Buffer.alloc(65_536));
    expect(await readAll(client)).toBe("-ERR 'Maximum Payload Violation'\r\n");
  });

  it('writes its answer to a client that has closed its sending side', async () => {
    const { connection, client, closed, received } = await pair();
    client.end('PING\r\n');
    await until(() => received() !== '');
    connection.write(Buffer.from('PONG\r\n'));
    expect(await closed).toBe('Client Closed');
    expect(await readAll(client)).toBe('PONG\r\n');
  });

  it('reports a read error when the client resets the connection', async () => {
    const { client, closed } = await pair();
    client.resetAndDestroy();
    expect(await closed).toBe('Read Error');
  });

  it('disconnects a client whose pending output exceeds max_pending', async () => {
    const { connection, client, told, closed } = await pair({ maxPending: 1_000_000 });
    client.pause();
    const piece = Buffer.alloc(100_000);
    while (connection.write(piece)) await new Promise((resolve) => setImmediate(resolve));
    expect(await closed).toBe('Slow Consumer (Pending Bytes)');
    expect(told[0]).toBe('Slow Consumer Detected: MaxPending of 1000000 Exceeded');
  });

  it('disconnects a client when a write exceeds write_deadline', async () => {
    const { connection, client, told, closed } = await pair({ writeDeadlineMs: 100 });
    client.pause();
    const piece = Buffer.alloc(1_000_000);
    for (let n = 0; n < 30; n++) connection.write(piece);
    expect(await closed).toBe('Slow Consumer (Write Deadline)');
    expect(told[0]).toMatch(
      /^Slow Consumer Detected: WriteDeadline of 100ms exceeded with \d+ bytes pending\.$/,
    );
  });

  it('closes within its flush time when the client reads nothing', async () => {
    const { connection, client } = await pair();
    client.pause();
    for (let n = 0; n < 30; n++) connection.write(Buffer.alloc(1_000_000));
    const server = servers[0] as Server;
    connection.close('Server Shutdown');
    server.close();
    await once(server, 'close');
  });
});

describe('input that takes long', () => {
  it('is read in one chunk per turn of the event loop, so that other connections are served in between', async () => {
    const { connection, client, received } = await pair();
    let turn = 0;
    let isOver = false;
    const count = () => {
      turn++;
      if (!isOver) setImmediate(count);
    };
    count();
    const turns: number[] = [];
    client.on('test:received', () => {
      turns.push(turn);
      // The time that thousands of subscriptions take.
      for (const end = performance.now() + 6; performance.now() < end; );
    });
    client.write(Buffer.alloc(20 * 4096));
    await until(() => received().length === 20 * 4096);
    isOver = true;
    expect(new Set(turns).size).toBe(turns.length);
    expect(turns.length).toBeGreaterThanOrEqual(20);
    connection.close('Client Closed');
  });
});

describe('a publisher whose consumer is behind', () => {
  /** A publisher and a consumer that share a transport. The consumer's client does not read, and has 20 MB pending. */
  async function behind() {
    const own = transport();
    const publisher = await pair({}, own);
    const consumer = await pair({}, own);
    consumer.client.pause();
    for (let n = 0; n < 200; n++) consumer.connection.write(Buffer.alloc(100_000));
    await until(() => consumer.connection.stallsPublishers);
    return { publisher, consumer };
  }

  it('is not read until that consumer has caught up', async () => {
    const { publisher, consumer } = await behind();
    // Fake timers keep the stall from timing out first on a slow machine.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    publisher.connection.stallFor(consumer.connection);
    publisher.client.write('PUB');
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(publisher.received()).toBe('');
    consumer.client.resume();
    await until(() => publisher.received() === 'PUB');
    expect(consumer.connection.pending).toBeLessThan(2 * 1024 * 1024);
  });

  it('is read again after the stall timeout when that consumer never reads', async () => {
    const { publisher, consumer } = await behind();
    const began = performance.now();
    publisher.connection.stallFor(consumer.connection);
    publisher.client.write('PUB');
    await until(() => publisher.received() === 'PUB');
    expect(performance.now() - began).toBeLessThan(1000);
    // After a timeout the consumer stalls no publisher until it reads again.
    expect(consumer.connection.stallsPublishers).toBe(false);
    consumer.client.resume();
    await until(() => consumer.connection.pending === 0);
  });

  it('is read again when that consumer disconnects', async () => {
    const { publisher, consumer } = await behind();
    publisher.connection.stallFor(consumer.connection);
    consumer.connection.abort('Write Error');
    publisher.client.write('PUB');
    await until(() => publisher.received() === 'PUB');
  });

  it('is stalled repeatedly when that consumer is far behind', async () => {
    const own = transport({ maxPending: 25_000_000 });
    const consumer = await pair({}, own);
    consumer.client.pause();
    for (let n = 0; n < 240; n++) consumer.connection.write(Buffer.alloc(100_000));
    const publisher = await pair({}, own);
    for (let n = 0; n < 2; n++) {
      expect(consumer.connection.stallsPublishers).toBe(true);
      publisher.connection.stallFor(consumer.connection);
      publisher.client.write('P');
      await until(() => publisher.received().length === n + 1);
    }
  });
});
