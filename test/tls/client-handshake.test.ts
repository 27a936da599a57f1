// The client side of TLS between servers, tested against Node's own servers: which servers it accepts, under which name,
// and how it explains a rejection.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { join } from 'node:path';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { defaultTlsBlock, type TlsBlock } from '../../src/tls/block.ts';
import { CertificateSource } from '../../src/tls/certificate-source.ts';
import { connectTls } from '../../src/tls/client-handshake.ts';
import type { HandshakeError } from '../../src/tls/handshake-error.ts';
import { peerOf } from '../../src/tls/peer.ts';
import { Certificate } from '../../src/x509/certificate.ts';
import type { Pin } from '../../src/x509/pin.ts';
import { type MadeLeafOptions, type MadePair, TestAuthority } from '../harness/certificates.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('outgoing');
let authority: TestAuthority;
let own: MadePair;
const ends: (() => void)[] = [];

beforeAll(async () => {
  authority = await TestAuthority.make('Cluster CA');
  own = await routePair('n1');
  writeFileSync(join(folder, 'ca.pem'), authority.pem);
});

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function routePair(name: string, options: MadeLeafOptions = {}, issuer = authority): Promise<MadePair> {
  return issuer.server(name, { purposes: ['serverAuth', 'clientAuth'], ...options });
}

function write(name: string, { cert, key }: MadePair) {
  const pair = { certFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) };
  writeFileSync(pair.certFile, cert);
  writeFileSync(pair.keyFile, key);
  return pair;
}

async function sourceOf(options: Partial<TlsBlock> = {}): Promise<CertificateSource> {
  const block = {
    ...defaultTlsBlock,
    verify: true,
    caFile: join(folder, 'ca.pem'),
    pairs: [write('own', own)],
  };
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const source = await CertificateSource.open({ ...block, ...options }, { where: 'cluster.tls', log });
  ends.push(() => source.close());
  return source;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Starts a server with this certificate that requests one from clients; returns its end of each connection. */
async function serve(pair: MadePair, options: TlsOptions = {}) {
  const accepted: TLSSocket[] = [];
  const server = createServer(
    { cert: pair.cert, key: pair.key, ca: authority.pem, requestCert: true, ...options },
    (socket) => {
      accepted.push(socket);
      socket.on('error', () => {});
      socket.write('hello');
    },
  );
  server.on('tlsClientError', () => {});
  return { port: await listen(server), accepted };
}

async function dial(port: number, source: CertificateSource, host = 'localhost'): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  ends.push(() => socket.destroy());
  const secure = await connectTls(socket, source, host);
  secure.on('error', () => {});
  return secure;
}

async function failure(port: number, source: CertificateSource, host?: string) {
  const error: HandshakeError = await dial(port, source, host).then(
    () => expect.fail('the handshake succeeded'),
    (reason) => reason,
  );
  return { code: error.code, message: error.message };
}

describe('a connection to another server', () => {
  it('presents its own certificate, names the host, and loses no data that is sent immediately', async () => {
    const { port, accepted } = await serve(await routePair('n2'));
    const secure = await dial(port, await sourceOf());
    expect(String((await once(secure, 'data'))[0])).toBe('hello');
    expect(accepted[0]).toMatchObject({ authorized: true, servername: 'localhost' });
    expect(accepted[0]?.getPeerX509Certificate()?.subject).toBe('CN=n1');
    expect(secure.getProtocol()).toBe('TLSv1.3');
  });

  it.each([
    ['localhost', undefined],
    ['LOCALHOST', undefined],
    ['localhost.', undefined],
    ['127.0.0.1', undefined],
    ['n7.example.com', ['dns:*.example.com']],
    ['::1', ['ip:::1']],
  ])('accepts a server with a certificate for %s', async (host, sans) => {
    const { port } = await serve(await routePair('n2', sans === undefined ? {} : { sans }));
    expect((await dial(port, await sourceOf(), host)).authorized).toBe(true);
  });

  it.each([
    [
      'other.example.com',
      ['dns:localhost', 'ip:127.0.0.1'],
      'its names are DNS:localhost, IP Address:127.0.0.1',
    ],
    ['127.0.0.2', ['ip:127.0.0.1'], 'its names are IP Address:127.0.0.1'],
    ['a.b.example.com', ['dns:*.example.com'], 'its names are DNS:*.example.com'],
    // The common name does not count, as in nats-server.
    ['localhost', [], 'it has none'],
  ])('rejects a certificate that is not for %s', async (host, sans, names) => {
    const { port } = await serve(await routePair('localhost', { sans }));
    expect(await failure(port, await sourceOf(), host)).toEqual({
      code: 'server-certificate-name',
      message: `server certificate is not for "${host}": ${names}`,
    });
  });

  it('rejects a certificate of a foreign authority, even one with the same name', async () => {
    const foreign = await TestAuthority.make('Foreign CA');
    const twin = await TestAuthority.make('Cluster CA');
    const source = await sourceOf();
    const { port } = await serve(await routePair('n2', {}, foreign));
    expect(await failure(port, source)).toEqual({
      code: 'server-certificate-untrusted',
      message: `server certificate CN=n2 is from an authority that is not trusted: CN=Foreign CA is not in "${join(folder, 'ca.pem')}"`,
    });
    const { port: other } = await serve(await routePair('n2', {}, twin));
    expect((await failure(other, source)).code).toBe('server-certificate-untrusted');
  });

  it.each([
    [{ from: -3, until: -2 }, 'server-certificate-expired', /^server certificate CN=n2 expired at /],
    [{ from: 2, until: 3 }, 'server-certificate-not-yet-valid', /^server certificate CN=n2, or an authority/],
    [
      { purposes: ['clientAuth'] as const },
      'server-certificate-usage',
      /^server certificate CN=n2 is not for servers: its extended key usage is clientAuth$/,
    ],
  ])('rejects a certificate with %j', async (options, code, message) => {
    const { port } = await serve(await routePair('n2', options as MadeLeafOptions));
    expect(await failure(port, await sourceOf())).toEqual({ code, message: expect.stringMatching(message) });
  });

  it('rejects a certificate that is not pinned, with or without insecure', async () => {
    const pair = await routePair('n2');
    const { port } = await serve(pair);
    const pins = new Set(['0'.repeat(64) as Pin]);
    for (const insecure of [false, true]) {
      expect(await failure(port, await sourceOf({ pinnedCerts: pins, insecure }))).toEqual({
        code: 'server-certificate-not-pinned',
        message: `server certificate CN=n2 is not pinned: its pin is ${pair.certificate.pin}`,
      });
    }
    const pinned = await sourceOf({ pinnedCerts: new Set([pair.certificate.pin]) });
    expect((await dial(port, pinned)).authorized).toBe(true);
  });

  it('accepts any certificate with insecure', async () => {
    const foreign = await TestAuthority.make('Foreign CA');
    const { port } = await serve(await routePair('n2', { sans: [] }, foreign));
    await dial(port, await sourceOf({ insecure: true }), 'other.example.com');
  });

  it('uses only the versions, suites and curves of the block', async () => {
    const { port } = await serve(await routePair('n2'));
    const source = await sourceOf({
      cipherSuites: ['TLS_AES_256_GCM_SHA384'],
      curvePreferences: ['CurveP384'],
      minVersion: '1.3',
    });
    const secure = await dial(port, source);
    expect(secure.getCipher().standardName).toBe('TLS_AES_256_GCM_SHA384');
    expect(secure.getEphemeralKeyInfo()).toMatchObject({ name: 'secp384r1' });
    const { port: older } = await serve(await routePair('n2'), { maxVersion: 'TLSv1.2' });
    expect((await failure(older, source)).code).toBe('nothing-in-common');
    const { port: others } = await serve(await routePair('n2'), { ciphers: 'TLS_CHACHA20_POLY1305_SHA256' });
    expect((await failure(others, source)).code).toBe('nothing-in-common');
  });

  it('returns the certificate of the server on repeated calls', async () => {
    const pair = await routePair('n2');
    const { port } = await serve(pair);
    const secure = await dial(port, await sourceOf());
    expect([peerOf(secure)?.pin, peerOf(secure)?.pin]).toEqual([pair.certificate.pin, pair.certificate.pin]);
  });

  it.each<[string, (socket: Socket) => void, string, string]>([
    [
      'that stays silent',
      () => {},
      'handshake-timeout',
      'server did not finish the TLS handshake within 100ms',
    ],
    [
      'that speaks another protocol',
      (socket) => socket.write('INFO {"server_id":"x"}\r\n'),
      'not-tls',
      'server does not speak TLS: its first bytes are not a handshake',
    ],
    [
      'that disconnects',
      (socket) => socket.end(),
      'connection-lost',
      'server closed the connection before the handshake was complete',
    ],
  ])('fails on a server %s', async (_, behave, code, message) => {
    const server = createTcpServer((socket) => {
      ends.push(() => socket.destroy());
      socket.on('error', () => {});
      behave(socket);
    });
    const timeoutMs = code === 'handshake-timeout' ? 100 : 5000;
    expect(await failure(await listen(server), await sourceOf({ timeoutMs }))).toEqual({ code, message });
  });

  it('uses reloaded material immediately, and keeps the previous material when the new files are invalid', async () => {
    const { port, accepted } = await serve(await routePair('n2'));
    const source = await sourceOf();
    const serial = () => new Certificate(accepted.at(-1)?.getPeerX509Certificate()?.raw as Buffer).serial;
    await once(await dial(port, source), 'data');
    expect(serial()).toBe(own.certificate.serial);
    const renewed = await routePair('n1');
    write('own', renewed);
    expect(await source.reload()).toBe(true);
    await once(await dial(port, source), 'data');
    expect(serial()).toBe(renewed.certificate.serial);
    write('own', { ...(await routePair('n1')), key: own.key });
    expect(await source.reload()).toBe(false);
    await once(await dial(port, source), 'data');
    expect(serial()).toBe(renewed.certificate.serial);
    // The trusted authorities are reloaded too.
    const foreign = await TestAuthority.make('Foreign CA');
    writeFileSync(join(folder, 'ca.pem'), foreign.pem);
    write('own', renewed);
    expect(await source.reload()).toBe(true);
    expect((await failure(port, source)).code).toBe('server-certificate-untrusted');
    writeFileSync(join(folder, 'ca.pem'), authority.pem);
  });
});
