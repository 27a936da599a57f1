// Which clients a handshake accepts and which it rejects. In TLS 1.3 the client is done before the server has verified it,
// so rejections are asserted on the server, and acceptance on the first data.
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { HandshakeError } from '../../src/tls/handshake-error.ts';
import { clientChainOf } from '../../src/tls/peer.ts';
import { Certificate } from '../../src/x509/certificate.ts';
import { type DerValue, readChildren, readDer, tags } from '../../src/x509/der.ts';
import { writePem } from '../../src/x509/pem.ts';
import { type MadePair, selfSigned, TestAuthority } from '../harness/certificates.ts';
import { closed } from '../harness/socket.ts';
import { writeDer } from '../support/der.ts';
import { collectGarbage } from '../support/garbage.ts';
import { greeting, listenTls, type Outcome, type TlsListener } from '../support/tls-listener.ts';

const ca = await TestAuthority.make('NATS CA');
const foreignCa = await TestAuthority.make('Other CA');
const namesakeCa = await TestAuthority.make('NATS CA');
const server = await ca.server();
const alice = await ca.leaf('alice');

function failureOf(outcome: Outcome): { code: string; message: string } {
  expect(outcome).toBeInstanceOf(HandshakeError);
  const { code, message } = outcome as HandshakeError;
  return { code, message: message.replace(/"\S*\/ca.pem"/, '"ca.pem"') };
}

function as(pair: MadePair | undefined, options: ConnectionOptions = {}): ConnectionOptions {
  return { ca: ca.pem, ...(pair === undefined ? {} : { cert: pair.cert, key: pair.key }), ...options };
}

/** Duplicates the last extension of a certificate, which RFC 5280 forbids; the signature is no longer valid. */
function doubleLastExtension(pair: MadePair): MadePair {
  const [tbs, algorithm, signature] = readChildren(readDer(pair.certificate.der)) as [
    DerValue,
    DerValue,
    DerValue,
  ];
  const fields = readChildren(tbs);
  const [list] = readChildren(fields.at(-1), 0xa3) as [DerValue];
  const last = readChildren(list).at(-1) as DerValue;
  const extensions = writeDer(0xa3, writeDer(tags.sequence, list.content, last.raw));
  const body = writeDer(tags.sequence, ...fields.slice(0, -1).map(({ raw }) => raw), extensions);
  const der = writeDer(tags.sequence, body, algorithm.raw, signature.raw);
  return { ...pair, cert: writePem('CERTIFICATE', der) };
}

describe('a listener that verifies', () => {
  let listener: TlsListener;
  beforeAll(async () => {
    listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true, timeoutMs: 300 });
  });
  afterAll(() => listener.close());

  describe.each(['TLSv1.2', 'TLSv1.3'] as const)('over %s', (version) => {
    const only = { minVersion: version, maxVersion: version };

    it.each<[string, () => Promise<MadePair>]>([
      ['a client of its authority', () => ca.leaf('bob')],
      ['a client with both usages', () => ca.leaf('route', { purposes: ['clientAuth', 'serverAuth'] })],
      ['a client of an intermediate authority', async () => (await ca.intermediate('Sub CA')).leaf('carol')],
      ['a client with an Ed25519 key', () => ca.leaf('dave', { keyType: 'ed25519' })],
      ['a client with an RSA key', () => ca.leaf('erin', { keyType: 'rsa2048' })],
    ])('accepts %s', async (_, make) => {
      expect(await greeting(listener.port, as(await make(), only))).toBe('hello');
      await listener.outcome();
    });

    it.each<[string, () => Promise<MadePair | undefined>, string, RegExp]>([
      [
        'of a foreign authority',
        () => foreignCa.leaf('mallory'),
        'client-certificate-untrusted',
        /^client certificate CN=mallory is from an authority that is not trusted: CN=Other CA is not in "ca.pem"$/,
      ],
      [
        'of a foreign authority with the same name',
        () => namesakeCa.leaf('mallory'),
        'client-certificate-untrusted',
        /^client certificate CN=mallory is (not )?from an authority .*CN=NATS CA/,
      ],
      [
        'of an intermediate authority that it does not send',
        async () => {
          const pair = await (await ca.intermediate('Sub CA')).leaf('carol');
          return { ...pair, cert: pair.certificate.toPem() };
        },
        'client-certificate-untrusted',
        /^client certificate CN=carol is from an authority that is not trusted: CN=Sub CA is not in "ca.pem"$/,
      ],
      [
        'with a self-signed certificate',
        () => selfSigned('self'),
        'client-certificate-untrusted',
        /^client certificate CN=self is self-signed and is not in "ca.pem"$/,
      ],
      [
        'whose certificate has expired',
        () => ca.leaf('old', { from: -3, until: -2 }),
        'client-certificate-expired',
        /^client certificate CN=old expired at \d{4}-\d\d-\d\dT/,
      ],
      [
        'whose certificate is not valid yet',
        () => ca.leaf('early', { from: 1, until: 2 }),
        'client-certificate-not-yet-valid',
        /^client certificate CN=early, or .* is not valid yet \(not before \d{4}/,
      ],
      [
        'without a certificate',
        async () => undefined,
        'no-client-certificate',
        /^client sent no certificate, expected one from an authority in "ca.pem"$/,
      ],
      [
        'with a certificate for servers',
        () => ca.server('n1'),
        'client-certificate-usage',
        /^client certificate CN=n1 is not for clients: its extended key usage is serverAuth$/,
      ],
    ])('rejects a client %s, and explains why', async (_, make, code, message) => {
      const said = await greeting(listener.port, as(await make(), only));
      const failure = failureOf(await listener.outcome());
      expect(failure.message).toMatch(message);
      expect(failure.code).toBe(code);
      expect(said).not.toBe('hello');
      expect(await greeting(listener.port, as(alice, only))).toBe('hello');
      await listener.outcome();
    });

    it('reports a client that does not trust the authority of the server', async () => {
      const strict = { ...only, ca: foreignCa.pem, rejectUnauthorized: true };
      expect(await greeting(listener.port, as(alice, strict))).not.toBe('hello');
      const outcome = await listener.outcome();
      // Node verifies after the handshake and disconnects without an alert; in TLS 1.3 the server is done by then.
      if (outcome instanceof HandshakeError)
        expect(outcome.code).toMatch(/refused-by-client|connection-lost/);
    });
  });

  it('reports a client whose TLS versions are all too old', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    expect(await greeting(listener.port, as(alice, old))).not.toBe('hello');
    expect(failureOf(await listener.outcome())).toEqual({
      code: 'nothing-in-common',
      message: 'client does not support TLS 1.2 or later',
    });
  });

  it.each([
    ['NATS', 'CONNECT {}\r\nPING\r\n'],
    ['HTTP', 'GET /healthz HTTP/1.1\r\nHost: n1\r\n\r\n'],
    ['anything else', Buffer.alloc(64, 0x80)],
  ])('recognizes that a client which speaks %s does not speak TLS', async (_, data) => {
    const socket = connectPlain(listener.port, '127.0.0.1').on('error', () => {});
    socket.write(data);
    const outcome = await listener.outcome();
    expect(failureOf(outcome).code).toBe('not-tls');
    expect((outcome as HandshakeError).isProbe).toBe(true);
    socket.destroy();
  });

  it('disconnects a client that sends nothing until the timeout', async () => {
    const socket = connectPlain(listener.port, '127.0.0.1');
    expect(failureOf(await listener.outcome())).toEqual({
      code: 'handshake-timeout',
      message: 'client sent nothing for 300ms, expected a TLS handshake',
    });
    await closed(socket);
  });

  it('disconnects a client that sends single bytes of its handshake until the timeout', async () => {
    const socket = connectPlain(listener.port, '127.0.0.1').on('error', () => {});
    socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]));
    const dripping = setInterval(() => socket.write(Buffer.from([1])), 50);
    const failure = failureOf(await listener.outcome());
    clearInterval(dripping);
    expect(failure).toEqual({
      code: 'handshake-timeout',
      message: 'client did not finish the TLS handshake within 300ms',
    });
    socket.destroy();
  });

  it('classifies a client that disconnects immediately as a probe', async () => {
    const socket = connectPlain(listener.port, '127.0.0.1');
    socket.end();
    const outcome = await listener.outcome();
    expect(failureOf(outcome).code).toBe('connection-lost');
    expect((outcome as HandshakeError).isProbe).toBe(true);
  });

  it('reports a connection reset in the middle of a handshake', async () => {
    const socket = connectPlain(listener.port, '127.0.0.1');
    socket.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]), () => socket.resetAndDestroy());
    const outcome = await listener.outcome();
    expect(failureOf(outcome).code).toBe('connection-lost');
    expect((outcome as HandshakeError).isProbe).toBe(false);
  });

  it('does not resume sessions, so that every connection is verified', async () => {
    const options = { port: listener.port, host: '127.0.0.1', ...as(alice) };
    const first = connect(options);
    const [session] = await once(first, 'session');
    const second = connect({ ...options, session });
    await once(second, 'data');
    expect(second.isSessionReused()).toBe(false);
    for (const socket of [first, second]) socket.destroy();
    await listener.outcome();
    await listener.outcome();
  });

  it('does not renegotiate, which could replace a verified client by another one', async () => {
    const only = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' } as const;
    const socket = connect({ port: listener.port, host: '127.0.0.1', ...as(alice, only) });
    await once(socket, 'data');
    await listener.outcome();
    const error = await new Promise<Error | null>((resolve) => {
      socket.once('error', resolve);
      socket.renegotiate({}, resolve);
    });
    expect(error).toBeInstanceOf(Error);
    socket.destroy();
  });
});

it('rejects a client with a resumed session', async () => {
  const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true });
  const spy = vi.spyOn(TLSSocket.prototype, 'isSessionReused').mockReturnValue(true);
  try {
    expect(await greeting(listener.port, as(alice))).not.toBe('hello');
    expect(failureOf(await listener.outcome()).code).toBe('client-certificate-invalid');
  } finally {
    spy.mockRestore();
    await listener.close();
  }
});

it('requests no certificate without verification, and accepts a client that has one', async () => {
  const listener = await listenTls({ pairs: [server] });
  expect(await greeting(listener.port, as(undefined))).toBe('hello');
  expect(await greeting(listener.port, as(await foreignCa.leaf('mallory')))).toBe('hello');
  await listener.close();
});

it('requests no certificate on a listener that never verifies', async () => {
  const listener = await listenTls(
    { pairs: [server], ca: ca.pem },
    { verify: true },
    { clients: 'only-with-ocsp' },
  );
  expect(await greeting(listener.port, as(undefined))).toBe('hello');
  await listener.close();
});

it('takes any certificate with its chain, or none, on a listener that leaves the checks to its owner', async () => {
  const listener = await listenTls({ pairs: [server] }, {}, { clients: 'unverified' });
  const sub = await foreignCa.intermediate('Another Sub CA');
  const mallory = await sub.leaf('mallory');
  const presented = async (end: Parameters<typeof as>[0]) => {
    expect(await greeting(listener.port, as(end))).toBe('hello');
    const outcome = await listener.outcome();
    if (outcome instanceof Error) throw outcome;
    return clientChainOf(outcome).map((der) => new Certificate(der).commonName);
  };
  expect(await presented(undefined)).toEqual([]);
  expect(await presented(mallory)).toEqual(['mallory', 'Another Sub CA']);
  expect(await presented(await selfSigned('lone'))).toEqual(['lone']);
  await listener.close();
});

it('trusts a single leaf certificate and an intermediate authority in the ca_file, as Go does', async () => {
  const sub = await foreignCa.intermediate('Sub CA');
  const lone = await selfSigned('lone');
  const listener = await listenTls({ pairs: [server], ca: sub.pem + lone.cert }, { verify: true });
  expect(await greeting(listener.port, as(await sub.leaf('carol')))).toBe('hello');
  expect(await greeting(listener.port, as(lone))).toBe('hello');
  expect(await greeting(listener.port, as(await foreignCa.leaf('mallory')))).not.toBe('hello');
  await listener.close();
});

it('rejects a certificate that OpenSSL accepts but our parser does not, and keeps accepting others', async () => {
  const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true });
  expect(await greeting(listener.port, as(doubleLastExtension(alice)))).not.toBe('hello');
  expect(failureOf(await listener.outcome()).code).toBe('client-certificate-invalid');
  expect(await greeting(listener.port, as(alice))).toBe('hello');
  await listener.close();
});

it('keeps the allowHalfOpen setting of the accepted socket', async () => {
  const listener = await listenTls({ pairs: [server] });
  const socket = connect({ port: listener.port, host: '127.0.0.1', ca: ca.pem });
  const outcome = await listener.outcome();
  expect(outcome).toMatchObject({ allowHalfOpen: true });
  socket.destroy();
  await listener.close();
});

it('rejects a client whose pin was removed during its handshake', async () => {
  const pins = (...pairs: MadePair[]) => new Set(pairs.map(({ certificate }) => certificate.pin));
  const bob = await ca.leaf('bob');
  const listener = await listenTls(
    { pairs: [server], ca: ca.pem },
    { verify: true, pinnedCerts: pins(alice, bob) },
  );
  const raw = connectPlain(listener.port, '127.0.0.1');
  let goOn: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let written = 0;
  // Passes the first flight on, and holds back the one with the certificate.
  const halting = new Duplex({
    read: () => {},
    write: (chunk, _encoding, done) => {
      void (written++ === 0 ? Promise.resolve() : held).then(() => raw.write(chunk, done));
    },
  });
  raw.on('data', (chunk) => halting.push(chunk)).on('error', () => {});
  const client = connect({ ...as(alice), socket: halting }).on('error', () => {});
  await once(raw, 'data');
  const { source } = listener;
  await source.adopt(await source.prepare({ ...source.block, pinnedCerts: pins(bob) }));
  goOn();
  expect(failureOf(await listener.outcome()).code).toBe('client-certificate-not-pinned');
  client.destroy();
  raw.destroy();
  await listener.close();
});

it('keeps no reference from an established connection to the material of its handshake', async () => {
  const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true });
  const client = connect({ port: listener.port, host: '127.0.0.1', ...as(alice) });
  await once(client, 'data');
  const secure = await listener.outcome();
  const { source, handshaker } = listener;
  const material = new WeakRef(source.material);
  await source.adopt(await source.prepare({ ...source.block }));
  handshaker.admit();
  await vi.waitFor(() => {
    collectGarbage();
    expect(material.deref() === undefined).toBe(true);
  });
  expect(secure).toMatchObject({ destroyed: false });
  client.destroy();
  await listener.close();
});

it('reports an error after the handshake to the owner of the connection', async () => {
  const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true });
  const raw = connectPlain(listener.port, '127.0.0.1').on('error', () => {});
  const client = connect({ ...as(alice), socket: Duplex.from({ readable: raw, writable: raw }) });
  client.on('error', () => {});
  await once(client, 'data');
  const secure = (await listener.outcome()) as TLSSocket;
  const broken = once(secure.resume(), 'error');
  // An application data record that was never encrypted.
  raw.write(Buffer.from([0x17, 0x03, 0x03, 0x00, 0x20, ...Buffer.alloc(0x20)]));
  expect((await broken)[0]).toMatchObject({ code: expect.stringMatching(/^ERR_SSL_/) });
  client.destroy();
  raw.destroy();
  await listener.close();
});

it('reports that its block has no certificate', async () => {
  const listener = await listenTls({ pairs: [] });
  expect(await greeting(listener.port, as(undefined))).not.toBe('hello');
  expect(failureOf(await listener.outcome()).message).toMatch(/names no certificate/);
  await listener.close();
});

it('fails handshakes in progress when it is closed, and rejects new ones', async () => {
  const listener = await listenTls({ pairs: [server] });
  const socket = connectPlain(listener.port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  const outcome = listener.outcome();
  await new Promise(setImmediate);
  listener.handshaker.close();
  expect(failureOf(await outcome).code).toBe('closed');
  expect(await greeting(listener.port, as(undefined))).not.toBe('hello');
  expect(failureOf(await listener.outcome()).code).toBe('closed');
  await listener.close();
});
