// The effects of the options of a tls block, as clients observe them.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { type ConnectionOptions, connect, type DetailedPeerCertificate } from 'node:tls';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { describeConnection, supportedCurves } from '../../src/tls/ciphers.ts';
import { HandshakeError } from '../../src/tls/handshake-error.ts';
import { peerOf } from '../../src/tls/peer.ts';
import { spkiPin } from '../../src/x509/pin.ts';
import { type MadePair, TestAuthority } from '../harness/certificates.ts';
import { greeting, listenTls, type TlsListener } from '../support/tls-listener.ts';

const ca = await TestAuthority.make();
const server = await ca.server();
const client = await ca.leaf('client');
const example = await ca.server('example', { sans: ['dns:example.com', 'dns:*.example.com'] });
const exampleRsa = await ca.server('example', { sans: ['dns:example.com'], keyType: 'rsa2048' });
const api = await (await ca.intermediate('Sub CA')).server('api', { sans: ['dns:api.test'] });
const pairs = [example, api, exampleRsa];

function as(pair: MadePair | undefined, options: ConnectionOptions = {}): ConnectionOptions {
  return { ...(pair === undefined ? {} : { cert: pair.cert, key: pair.key }), ...options };
}

/** Returns the negotiated version and suite in Go's names, or the code of the failure. */
async function agreement(listener: TlsListener, options: ConnectionOptions): Promise<string> {
  await greeting(listener.port, options);
  const outcome = await listener.outcome();
  if (outcome instanceof HandshakeError) return outcome.code;
  const { tls_version, tls_cipher_suite } = describeConnection(outcome);
  return `${tls_version} ${tls_cipher_suite}`;
}

describe('min_version', () => {
  it.each([
    ['1.2', 'TLSv1.2', /^1\.2 TLS_ECDHE_ECDSA_WITH_AES_/],
    ['1.2', 'TLSv1.3', /^1\.3 TLS_AES_128_GCM_SHA256$/],
    ['1.2', 'TLSv1.1', /^nothing-in-common$/],
    ['1.3', 'TLSv1.3', /^1\.3 TLS_AES_128_GCM_SHA256$/],
    ['1.3', 'TLSv1.2', /^nothing-in-common$/],
    ['1.1', 'TLSv1.1', /^1\.1 TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA$/],
    ['1.1', 'TLSv1', /^nothing-in-common$/],
    ['1.0', 'TLSv1', /^1\.0 TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA$/],
    ['1.0', 'TLSv1.3', /^1\.3 TLS_AES_128_GCM_SHA256$/],
  ] as const)(
    'with min_version %s, a client limited to %s gets %s',
    async (minVersion, version, expected) => {
      const listener = await listenTls({ pairs: [server] }, { minVersion });
      // The suites are in the client's order, which the server overrides; level 0 enables the old versions in the client.
      const ciphers =
        'TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0';
      const options = { minVersion: version, maxVersion: version, ciphers } as const;
      expect(await agreement(listener, options)).toMatch(expected);
      await listener.close();
    },
  );
});

describe('cipher_suites', () => {
  const tls12 = { maxVersion: 'TLSv1.2' } as const;

  it('restricts TLS 1.3 as well as TLS 1.2', async () => {
    const listener = await listenTls(
      { pairs: [server] },
      { cipherSuites: ['TLS_CHACHA20_POLY1305_SHA256', 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'] },
    );
    expect(await agreement(listener, {})).toBe('1.3 TLS_CHACHA20_POLY1305_SHA256');
    expect(await agreement(listener, tls12)).toBe('1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384');
    const others = { ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256' };
    expect(await agreement(listener, others)).toBe('nothing-in-common');
    expect(await agreement(listener, { ...others, ...tls12 })).toBe('nothing-in-common');
    await listener.close();
  });

  it('keeps TLS 1.3 unrestricted when only TLS 1.2 suites are listed, as nats-server does', async () => {
    const listener = await listenTls(
      { pairs: [server] },
      { cipherSuites: ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'] },
    );
    expect(await agreement(listener, {})).toBe('1.3 TLS_AES_128_GCM_SHA256');
    expect(await agreement(listener, tls12)).toBe('1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256');
    await listener.close();
  });

  it('disables TLS 1.2 when only TLS 1.3 suites are listed, as nats-server does', async () => {
    const listener = await listenTls({ pairs: [server] }, { cipherSuites: ['TLS_AES_256_GCM_SHA384'] });
    expect(await agreement(listener, {})).toBe('1.3 TLS_AES_256_GCM_SHA384');
    expect(await agreement(listener, tls12)).toBe('nothing-in-common');
    await listener.close();
  });

  it('does not offer suites that nats-server considers insecure unless they are allowed', async () => {
    const rsa = await ca.server('localhost', { keyType: 'rsa2048' });
    const listener = await listenTls({ pairs: [rsa] });
    expect(await agreement(listener, { ...tls12, ciphers: 'AES128-GCM-SHA256' })).toBe('nothing-in-common');
    await listener.close();
    const insecure = { cipherSuites: ['TLS_RSA_WITH_AES_128_GCM_SHA256'], allowInsecureCipherSuites: true };
    const lax = await listenTls({ pairs: [rsa] }, insecure);
    expect(await agreement(lax, { ...tls12, ciphers: 'AES128-GCM-SHA256' })).toBe(
      '1.2 TLS_RSA_WITH_AES_128_GCM_SHA256',
    );
    await lax.close();
  });

  it('reports the ChaCha20 suites of TLS 1.2 by their Go names', async () => {
    const listener = await listenTls({ pairs: [server] });
    expect(await agreement(listener, { ...tls12, ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' })).toBe(
      '1.2 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
    );
    await listener.close();
  });
});

describe('curve_preferences', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('restricts the curves of %s', async (version) => {
    // In TLS 1.2 the curves of a client also limit the certificates that it accepts; hence the RSA certificate.
    const rsa = await ca.server('localhost', { keyType: 'rsa2048' });
    const listener = await listenTls({ pairs: [rsa] }, { curvePreferences: ['CurveP384', 'X25519'] });
    const only = { minVersion: version, maxVersion: version };
    for (const curve of ['P-384', 'X25519']) {
      expect(await agreement(listener, { ...only, ecdhCurve: curve })).toMatch(/^1\./);
    }
    expect(await agreement(listener, { ...only, ecdhCurve: 'P-521' })).toBe('nothing-in-common');
    await listener.close();
  });

  it('accepts every curve that this OpenSSL supports', async () => {
    expect(supportedCurves()).toEqual(
      expect.arrayContaining(['X25519', 'CurveP256', 'CurveP384', 'CurveP521']),
    );
    const listener = await listenTls({ pairs: [server] }, { curvePreferences: supportedCurves() });
    expect(await agreement(listener, {})).toMatch(/^1\.3/);
    await listener.close();
  });
});

describe('certificates', () => {
  /** Returns the serial number of the certificate that a client gets, in lower case. */
  async function shown(listener: TlsListener, options: ConnectionOptions): Promise<string> {
    const socket = connect({ port: listener.port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    await once(socket, 'data');
    const { serialNumber } = socket.getPeerCertificate() as DetailedPeerCertificate;
    socket.destroy();
    await listener.outcome();
    return serialNumber.toLowerCase();
  }

  // OpenSSL chooses the key type for a client that supports several.
  const ecOnly = { sigalgs: 'ecdsa_secp256r1_sha256' };
  const rsaOnly = { sigalgs: 'rsa_pss_rsae_sha256' };
  const serial = (pair: MadePair) => pair.certificate.serial;

  it('selects the certificate by the host that the client names', async () => {
    const listener = await listenTls({ pairs });
    expect(await shown(listener, { servername: 'example.com', ...ecOnly })).toBe(serial(example));
    expect(await shown(listener, { servername: 'n1.example.com' })).toBe(serial(example));
    expect(await shown(listener, { servername: 'api.test' })).toBe(serial(api));
    await listener.close();
  });

  it('sends the first certificate to a client that names no host or an unknown host', async () => {
    const listener = await listenTls({ pairs });
    expect(await shown(listener, ecOnly)).toBe(serial(example));
    expect(await shown(listener, { servername: 'other.test', ...ecOnly })).toBe(serial(example));
    await listener.close();
  });

  it('selects the certificate by the key type that the client supports', async () => {
    const listener = await listenTls({ pairs });
    expect(await shown(listener, { servername: 'example.com', ...rsaOnly })).toBe(serial(exampleRsa));
    expect(await shown(listener, rsaOnly)).toBe(serial(exampleRsa));
    await listener.close();
  });

  it.each(['rsa2048', 'ed25519'] as const)(
    'sends the first certificate, with a key of type %s, to a client that names no host and supports every type',
    async (keyType) => {
      const first = await ca.server('first', { sans: ['ip:127.0.0.1'], keyType });
      const listener = await listenTls({ pairs: [first, example, api] });
      expect(await shown(listener, {})).toBe(serial(first));
      expect(await shown(listener, ecOnly)).toBe(serial(example));
      await listener.close();
    },
  );

  it('sends each certificate with its own intermediates', async () => {
    const listener = await listenTls({ pairs });
    const strict = { rejectUnauthorized: true, ca: ca.pem };
    expect(await greeting(listener.port, { ...strict, servername: 'api.test' })).toBe('hello');
    expect(await greeting(listener.port, { ...strict, servername: 'example.com' })).toBe('hello');
    await listener.close();
  });

  it.each(['1_2', '1_3'])(
    'sends only certificates of the requested host, whatever key types the client supports, over TLS %s',
    async (version) => {
      const rsa = await ca.server('rsa', { sans: ['dns:rsa.test'], keyType: 'rsa2048' });
      const bare = await ca.server('bare', { sans: ['dns:bare.test'] });
      const listener = await listenTls({ pairs: [api, bare, rsa] });
      const chainFor = async (host: string[]) => {
        const args = [
          's_client',
          '-connect',
          `127.0.0.1:${listener.port}`,
          `-tls${version}`,
          '-showcerts',
          ...host,
        ];
        const client = promisify(execFile)('openssl', args);
        client.child.stdin?.end();
        const { stdout } = await client;
        return [...stdout.matchAll(/^ *\d+ s:.*CN ?= ?(.*)$/gm)].map(([, name]) => name);
      };
      expect(await chainFor(['-servername', 'rsa.test'])).toEqual(['rsa']);
      expect(await chainFor(['-servername', 'bare.test'])).toEqual(['bare']);
      expect(await chainFor(['-servername', 'api.test'])).toEqual(['api', 'Sub CA']);
      await listener.close();
    },
  );

  it('verifies clients the same way for every requested host', async () => {
    const listener = await listenTls({ pairs, ca: ca.pem }, { verify: true });
    const stranger = await (await TestAuthority.make('Other CA')).leaf('mallory');
    for (const servername of ['api.test', 'example.com', 'other.test']) {
      expect(await greeting(listener.port, as(client, { servername }))).toBe('hello');
      expect(await greeting(listener.port, as(stranger, { servername }))).not.toBe('hello');
      await listener.outcome();
      expect(await listener.outcome()).toMatchObject({ code: 'client-certificate-untrusted' });
    }
    await listener.close();
  });
});

describe('pinned_certs', () => {
  it('accepts only clients with pinned keys', async () => {
    const pinnedCerts = new Set([spkiPin(client.certificate.publicKey)]);
    const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true, pinnedCerts });
    expect(await greeting(listener.port, as(client))).toBe('hello');
    await listener.outcome();
    const other = await ca.leaf('other');
    expect(await greeting(listener.port, as(other))).not.toBe('hello');
    expect(await listener.outcome()).toMatchObject({
      code: 'client-certificate-not-pinned',
      message: `client certificate CN=other is not pinned: its pin is ${other.certificate.pin}`,
    });
    await listener.close();
  });

  it('rejects clients without a certificate when pins are set', async () => {
    const pinnedCerts = new Set([spkiPin(client.certificate.publicKey)]);
    const listener = await listenTls({ pairs: [server] }, { pinnedCerts });
    expect(await greeting(listener.port, as(undefined))).not.toBe('hello');
    expect(await listener.outcome()).toMatchObject({ code: 'client-certificate-not-pinned' });
    await listener.close();
  });
});

describe('rate limits', () => {
  it('connection_rate_limit admits that many handshakes per second', async () => {
    const listener = await listenTls({ pairs: [server] }, { connectionRateLimit: 3 });
    const admitted = Array.from({ length: 5 }, () => listener.handshaker.admit());
    expect(admitted).toEqual([true, true, true, false, false]);
    await listener.close();
  });

  it('rate_limit delays handshakes, and eventually completes them all', async () => {
    const listener = await listenTls({ pairs: [server] }, { rateLimit: 8000, timeoutMs: 10_000 });
    const began = performance.now();
    const said = await Promise.all(Array.from({ length: 12 }, () => greeting(listener.port, {})));
    expect(said).toEqual(Array(12).fill('hello'));
    // Twelve handshakes of 1.5 to 2.5 kB take the first second's budget and at least half a second of waiting.
    expect(performance.now() - began).toBeGreaterThan(500);
    await listener.close();
  });

  it('rate_limit counts the delay towards the timeout of a handshake', async () => {
    const listener = await listenTls({ pairs: [server] }, { rateLimit: 1, timeoutMs: 200 });
    expect(await greeting(listener.port, {})).toBe('hello');
    await listener.outcome();
    expect(await greeting(listener.port, {})).not.toBe('hello');
    expect(await listener.outcome()).toMatchObject({
      code: 'handshake-timeout',
      message: 'handshake did not start within 200ms because of rate_limit',
    });
    await listener.close();
  });

  it('rate_limit charges nothing for a client that disconnects while it waits', async () => {
    const listener = await listenTls({ pairs: [server] }, { rateLimit: 4000, timeoutMs: 10_000 });
    await Promise.all([greeting(listener.port, {}), greeting(listener.port, {})]);
    for (let index = 0; index < 20; index++) {
      const socket = connectPlain(listener.port, '127.0.0.1');
      await once(socket, 'connect');
      socket.resetAndDestroy();
    }
    expect(await greeting(listener.port, {})).toBe('hello');
    await listener.close();
  });
});

it('returns the certificate of a connected peer', async () => {
  const listener = await listenTls({ pairs: [server], ca: ca.pem }, { verify: true });
  const socket = connect({
    port: listener.port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...as(client),
  });
  const outcome = await listener.outcome();
  if (outcome instanceof HandshakeError) throw outcome;
  expect(peerOf(outcome)).toMatchObject({ subject: 'CN=client', pin: client.certificate.pin });
  socket.destroy();
  await listener.close();
});
