// Untrusted connections to the route port of a broker: garbage, too much input, slow input, too many connections. The
// broker closes each and logs why, its memory does not grow, and it still accepts servers of the cluster.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closed } from '../harness/socket.ts';
import { askJson, monitorUrlOf } from '../support/monitoring.ts';
import { Cluster, type Node } from './cluster.ts';

/** Maximum growth in bytes that garbage collection may leave behind, in a process of a hundred megabytes. */
const mostGrowth = 64 * 1024 * 1024;

describe('untrusted connections to the route port', () => {
  let cluster: Cluster;
  let node: Node;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    cluster = await Cluster.make(['broker', 'broker'], {
      more: 'http: "127.0.0.1:-1"',
      inCluster: 'authorization { user: r, password: s, timeout: "1s" }',
      routes: [],
    });
    [node] = cluster.nodes as [Node];
    await node.start();
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  afterAll(() => cluster.stop());

  async function open(): Promise<Socket> {
    const socket = connect({ port: node.routePort, host: '127.0.0.1', noDelay: true });
    sockets.push(socket);
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  }

  /** Connects with a valid certificate. */
  async function openSecure(): Promise<Socket> {
    const { cert, key } = await cluster.routeCertificate('untrusted');
    const socket = connectTls({
      socket: await open(),
      cert,
      key,
      ca: cluster.authority.pem,
      servername: 'localhost',
    });
    sockets.push(socket);
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    return socket;
  }

  /** Resolves with the broker's answer once it has closed the connection. */
  async function lastWords(socket: Socket): Promise<string> {
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    await closed(socket);
    return answer;
  }

  async function memory(): Promise<number> {
    return (await askJson(`${monitorUrlOf(node.process.log())}/varz`)).mem;
  }

  const hello = Buffer.from('1603010200010001fc0303', 'hex');

  it.each([
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n'), /does not speak TLS/],
    ['the CONNECT of a client', Buffer.from('CONNECT {}\r\nPING\r\n'), /does not speak TLS/],
    ['zeros', Buffer.alloc(64 * 1024), /TLS route handshake error: /],
    [
      'the start of a handshake followed by garbage',
      Buffer.concat([hello, Buffer.alloc(2048, 'x')]),
      /TLS route handshake error: /,
    ],
  ])('are closed for sending %s', async (_, bytes, said) => {
    const before = node.process.log().length;
    const socket = await open();
    socket.write(bytes);
    await closed(socket);
    await expect.poll(() => node.process.log().slice(before)).toMatch(said);
  });

  it('are closed when their TLS handshake exceeds the timeout', async () => {
    const socket = await open();
    const gone = lastWords(socket);
    let isGone = false;
    void gone.then(() => {
      isGone = true;
    });
    const began = performance.now();
    // Single bytes never complete a handshake.
    for (let at = 0; !isGone; at++) {
      socket.write(hello.subarray(at % hello.length, (at % hello.length) + 1));
      await Promise.race([delay(25), gone]);
    }
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(node.process.log()).toMatch(/TLS route handshake error: /);
  });

  it.each([
    ['send nothing', ''],
    ['send half of their CONNECT', 'CONNECT {"user":"r","pass":"s","na'],
  ])('are closed when they present a valid certificate and %s', async (_, bytes) => {
    const socket = await openSecure();
    socket.write(bytes);
    expect(await lastWords(socket)).toContain("-ERR 'Authentication Timeout'");
  });

  it('are closed for exceeding the longest line, without retaining what they sent', async () => {
    const before = await memory();
    for (let times = 0; times < 20; times++) {
      const socket = await openSecure();
      socket.write(`CONNECT ${'x'.repeat(4 * 1024 * 1024)}`);
      await closed(socket);
    }
    expect(node.process.log()).toMatch(/maximum control line exceeded/i);
    expect((await memory()) - before).toBeLessThan(mostGrowth);
  });

  it('are closed for announcing a message that is too large, before its payload is read', async () => {
    const before = await memory();
    for (let times = 0; times < 20; times++) {
      const socket = await openSecure();
      const answer = lastWords(socket);
      socket.write(
        `CONNECT ${JSON.stringify({ user: 'r', pass: 's', name: `NSTRANGER${times}`, cluster: 'test' })}\r\n` +
          `INFO ${JSON.stringify({ server_id: `NSTRANGER${times}`, server_name: `x${times}`, proto: 2, host: 'x', port: 1, max_payload: 1048576, cluster: 'test' })}\r\n`,
      );
      socket.write('RMSG $G a 99999999\r\n');
      socket.write(Buffer.alloc(4 * 1024 * 1024));
      await answer;
    }
    expect(node.process.log()).toMatch(/maximum payload/i);
    expect((await memory()) - before).toBeLessThan(mostGrowth);
  });

  it('are closed oldest first when there are too many', async () => {
    const before = await memory();
    const crowd: Socket[] = [];
    for (let index = 0; index < 300; index++) crowd.push((await open()).resume());
    const surplus = crowd.slice(0, crowd.length - 256);
    await expect.poll(() => surplus.every(({ closed }) => closed)).toBe(true);
    expect(crowd.at(-1)?.closed).toBe(false);
    for (const socket of crowd) socket.destroy();
    expect((await memory()) - before).toBeLessThan(mostGrowth);
  });

  it('keep no server of the cluster out, however many come from another address and say nothing', async () => {
    let isOver = false;
    const crowd = new Set<Socket>();
    const occupy = () => {
      const socket = connect({ port: node.routePort, host: '127.0.0.1', localAddress: '127.0.0.2' });
      crowd.add(socket.on('error', () => {}).resume());
      socket.once('close', () => {
        crowd.delete(socket);
        if (!isOver) occupy();
      });
    };
    for (let count = 0; count < 400; count++) occupy();
    const [, second] = cluster.nodes as [Node, Node];
    cluster.configure(second, { ...second.options, routes: [node.url.replace('//', '//r:s@')] });
    await second.start();
    await cluster.complete();
    isOver = true;
    for (const socket of crowd) socket.destroy();
  });
});
