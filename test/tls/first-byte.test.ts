// Distinguishes TLS clients from plain ones by their first byte, without consuming it.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { firstByte } from '../../src/tls/first-byte.ts';
import { TestAuthority } from '../harness/certificates.ts';
import { listenTls } from '../support/tls-listener.ts';

const server = createServer({ allowHalfOpen: true });
let port = 0;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterAll(() => server.close());

/** The two ends of a connection. */
async function ends(): Promise<[client: Socket, accepted: Socket]> {
  const client = connect(port, '127.0.0.1');
  const [accepted] = await once(server, 'connection');
  return [client, accepted];
}

it.each([
  ['tls', Buffer.from([0x16, 3, 1, 0, 5])],
  ['plain', Buffer.from('CONNECT {}\r\n')],
])('recognizes a client that speaks %s, and leaves the bytes in the socket', async (expected, bytes) => {
  const [client, accepted] = await ends();
  client.write(bytes);
  expect(await firstByte(accepted, 5000)).toBe(expected);
  const [data] = await once(accepted, 'data');
  expect(data).toEqual(bytes);
  client.destroy();
});

it('reports a silent client after the timeout, and leaves later bytes in the socket', async () => {
  const [client, accepted] = await ends();
  expect(await firstByte(accepted, 20)).toBe('silent');
  client.write('late');
  expect(await firstByte(accepted, 5000)).toBe('plain');
  const [data] = await once(accepted, 'data');
  expect(String(data)).toBe('late');
  client.destroy();
});

it.each([
  ['ends', (client: Socket) => client.end()],
  ['resets', (client: Socket) => client.resetAndDestroy()],
])('reports a client that %s the connection as closed', async (_, leave) => {
  const [client, accepted] = await ends();
  leave(client);
  expect(await firstByte(accepted, 5000)).toBe('closed');
  accepted.destroy();
  expect(await firstByte(accepted, 5000)).toBe('closed');
});

it('does not disturb the handshake that follows', async () => {
  const pair = await (await TestAuthority.make()).server();
  const { handshaker, close } = await listenTls({ pairs: [pair] });
  const [client, accepted] = await ends();
  const secure = connectTls({ socket: client, rejectUnauthorized: false });
  expect(await firstByte(accepted, 5000)).toBe('tls');
  (await handshaker.accept(accepted)).write('hello');
  expect(String((await once(secure, 'data'))[0])).toBe('hello');
  secure.destroy();
  await close();
});
