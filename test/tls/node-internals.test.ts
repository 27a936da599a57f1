// The private interfaces of Node that natspki uses do what tls.Server and net.Socket use them for. A failure here means
// that this version of Node has changed one.
import { once } from 'node:events';
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect, createSecureContext, TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import {
  isServerSide,
  onClientHello,
  readIntoBuffer,
  releaseControl,
  verificationResult,
} from '../../src/tls/node-internals.ts';
import { TestAuthority } from '../harness/certificates.ts';

const authority = await TestAuthority.make();
const served = await authority.server();
const open: Socket[] = [];

afterEach(() => {
  // A TLS connection before the socket below it: Node crashes when a server-side one is destroyed right after its socket.
  for (const socket of open.splice(0).reverse()) socket.destroy();
});

/** Returns the two ends of a connection: the accepted socket first. */
async function connected(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connectPlain((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  server.close();
  open.push(accepted, client);
  return [accepted, client];
}

/**
 * Returns both ends of a TLS connection after the handshake, and the client's socket below it.
 * @param prepare called with the server's end before the handshake
 */
async function secured(prepare: (server: TLSSocket) => void, options: ConnectionOptions = {}) {
  const [accepted, raw] = await connected();
  const server = new TLSSocket(accepted, {
    isServer: true,
    requestCert: true,
    rejectUnauthorized: false,
    secureContext: createSecureContext(),
  });
  open.push(server);
  prepare(server);
  const handshake = once(server, 'secure');
  const client = connect({ socket: raw, ca: authority.pem, servername: 'localhost', ...options });
  open.push(client);
  await Promise.all([handshake, once(client, 'secureConnect')]);
  return { server, client, raw };
}

const context = createSecureContext({ cert: served.cert, key: served.key, ca: authority.pem });
const serve = (server: TLSSocket) => void server.setKeyCert(context);

describe('onClientHello', () => {
  it('passes the host that the client names, and serves the certificate set in the callback', async () => {
    const hosts: (string | undefined)[] = [];
    const { client } = await secured((server) =>
      onClientHello(server, (host) => {
        hosts.push(host);
        serve(server);
      }),
    );
    expect(hosts).toEqual(['localhost']);
    expect(client.authorized).toBe(true);
  });

  it('passes undefined for a client that names no host', async () => {
    const hosts: (string | undefined)[] = [];
    const prepare = (server: TLSSocket) =>
      onClientHello(server, (host) => {
        hosts.push(host);
        serve(server);
      });
    await secured(prepare, { servername: '', checkServerIdentity: () => undefined });
    expect(hosts).toEqual([undefined]);
  });

  it('destroys the connection with the error that the callback throws', async () => {
    let error: Promise<unknown[]> | undefined;
    const attempt = secured((server) => {
      error = once(server, 'error');
      onClientHello(server, () => {
        throw new Error('no certificate');
      });
    });
    await expect(attempt).rejects.toThrow();
    expect(await error).toMatchObject([{ message: 'no certificate' }]);
  });
});

describe('verificationResult', () => {
  it('returns null for a peer whose certificate the authority has signed', async () => {
    const { cert, key } = await authority.leaf('alice');
    const { server, client } = await secured(serve, { cert, key });
    expect(verificationResult(server)).toBeNull();
    expect(verificationResult(client)).toBeNull();
  });

  it('returns an error with the code of OpenSSL for a peer of another authority', async () => {
    const { cert, key } = await (await TestAuthority.make('other')).leaf('mallory');
    const { server } = await secured(serve, { cert, key });
    expect(verificationResult(server)).toMatchObject({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  });

  it('returns undefined once the socket is closed', async () => {
    const { server } = await secured(serve);
    const closed = once(server, 'close');
    server.destroy();
    await closed;
    expect(verificationResult(server)).toBeUndefined();
  });
});

describe('releaseControl', () => {
  it('makes the server side emit errors that follow the handshake', async () => {
    const { server, raw } = await secured(serve);
    releaseControl(server);
    const failed = once(server, 'error');
    server.resume();
    raw.write('this is not a TLS record');
    expect((await failed)[0]).toMatchObject({ code: expect.stringMatching(/^ERR_SSL_/) });
  });
});

describe('isServerSide', () => {
  it('distinguishes the two sides of a connection', async () => {
    const { server, client } = await secured(serve);
    expect([isServerSide(server), isServerSide(client)]).toEqual([true, false]);
  });
});

describe('readIntoBuffer', () => {
  it.each([
    ['an accepted socket', () => connected()],
    ['a TLS connection', () => secured(serve).then(({ server, client }) => [server, client] as const)],
  ])('makes %s read into the buffer of the caller', async (_what, ends) => {
    const [socket, client] = await ends();
    const buffer = Buffer.alloc(64);
    const read = new Promise<number>((resolve) => {
      expect(readIntoBuffer(socket, buffer, resolve)).toBe(true);
    });
    socket.resume();
    client.write('PING\r\n');
    expect(await read).toBe(6);
    expect(buffer.toString('latin1', 0, 6)).toBe('PING\r\n');
  });
});
