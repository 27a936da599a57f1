// TLS on the wire: when the upgrade happens, which clients a verifying server accepts, and what a rejected client
// receives.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { makeAuthority, makeLeaf, type Pair } from '../harness/openssl.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { askJson, monitorUrlOf } from '../support/monitoring.ts';
import { conformance } from './suite.ts';

const folder = testFolder('wire-tls');

const ca = makeAuthority(folder);
const foreign = makeAuthority(folder, 'foreign');
const server = makeLeaf(folder, 'server', ca, { usage: 'serverAuth' });
const client = makeLeaf(folder, 'client', ca, { usage: 'clientAuth' });
const route = makeLeaf(folder, 'route', ca);
const stranger = makeLeaf(folder, 'stranger', foreign, { usage: 'clientAuth' });
const selfSigned = makeLeaf(folder, 'self', undefined, { usage: 'clientAuth' });
const expired = makeLeaf(folder, 'expired', ca, { usage: 'clientAuth', days: -1 });

const impostor = makeLeaf(folder, 'impostor', makeAuthority(testFolder('wire-tls-impostor')), {
  usage: 'clientAuth',
});
const stale = makeLeaf(folder, 'stale', foreign, { usage: 'clientAuth', days: -1 });

const suitesOfTls13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

/** The TLS options of a client: its certificate, and the authority that it trusts. */
function as(pair?: Pair, options: ConnectionOptions = {}): { tls: ConnectionOptions } {
  const own = pair ? { cert: readFileSync(pair.cert), key: readFileSync(pair.key) } : {};
  return { tls: { ca: readFileSync(ca.cert), host: '127.0.0.1', ...own, ...options } };
}

const files = `cert_file: "${server.cert}", key_file: "${server.key}"`;
const verifying = `${files}, ca_file: "${ca.cert}", verify: true`;

const optional = `${files}, ca_file: "${ca.cert}", verify: optional`;

conformance(
  'TLS with optional client certificates',
  `http: "127.0.0.1:-1", tls { ${optional} }`,
  (suite) => {
    it('does not announce verification in INFO', async () => {
      const { info } = await suite.open();
      expect(info).toMatchObject({ tls_required: true });
      expect(info).not.toHaveProperty('tls_verify');
    });

    const versions = ['TLSv1.2', 'TLSv1.3'] as const;
    const only = (version: (typeof versions)[number]) => ({ minVersion: version, maxVersion: version });

    it.each(versions)('accepts a client without a certificate over %s', async (version) => {
      const wire = await suite.connect({}, as(undefined, only(version)));
      await wire.receives('');
    });

    it.each(versions)(
      'accepts a client with a certificate over %s and shows the certificate in /connz',
      async (version) => {
        await suite.connect({ name: version }, as(client, only(version)));
        const { connections } = await askJson(`${monitorUrlOf(suite.server.log())}/connz?auth=1`);
        const [own] = connections.filter(({ name }: { name: string }) => name === version);
        expect(own.tls_peer_certs[0]).toMatchObject({ subject: expect.stringContaining('CN=client') });
      },
    );

    it.each(
      Object.entries({ stranger, selfSigned, expired, 'one for servers': server }).flatMap(([name, pair]) =>
        versions.map((version) => ({ name, pair, version })),
      ),
    )('rejects the certificate $name over $version', async ({ pair, version }) => {
      // In TLS 1.3 a client is done before the server has judged it: the verdict shows on the first PING.
      await expect(suite.connect({}, as(pair, only(version)))).rejects.toThrow();
    });
  },
  'optional-certificates',
);

conformance('mutual TLS', `tls { ${verifying} }`, (suite) => {
  it('is announced in the INFO, which is sent in plain text', async () => {
    const wire = await suite.open();
    expect(wire.info).toMatchObject({ tls_required: true, tls_verify: true });
    expect(wire.info).not.toHaveProperty('tls_available');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('accepts a client with a certificate over %s', async (version) => {
    const wire = await suite.connect({}, as(client, { minVersion: version, maxVersion: version }));
    const s = suite.subject();
    wire.send(`SUB ${s} 1\r\nPUB ${s} 2\r\nhi\r\n`);
    await wire.receives(`MSG ${s} 1 2\r\nhi\r\n`);
  });

  it('accepts a client certificate with both usages, as a route has', async () => {
    await suite.connect({}, as(route));
  });

  it('delivers large messages unchanged and in order', async () => {
    const [publisher, subscriber] = [
      await suite.connect({}, as(client)),
      await suite.connect({}, as(client)),
    ];
    const s = suite.subject();
    subscriber.send(`SUB ${s} 1\r\n`);
    await subscriber.receives('');
    const payloads = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(300_000));
    publisher.send(...payloads.map((payload) => `PUB ${s} 300000\r\n${payload}\r\n`));
    await publisher.receives('');
    await subscriber.receives(payloads.map((payload) => `MSG ${s} 1 300000\r\n${payload}\r\n`).join(''));
  });

  it('sends the same server_id in the INFO after CONNECT', async () => {
    const wire = await suite.open(as(client));
    const { server_id: id } = wire.info;
    wire.send('CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n');
    await wire.reads('PONG\r\n');
    expect(await wire.nextInfo()).toMatchObject({ server_id: id, connect_info: true, tls_required: true });
  });

  // A TLS 1.3 client completes its handshake before the server has verified its certificate; the rejection shows at
  // the first PING.
  describe.each(['TLSv1.2', 'TLSv1.3'] as const)('over %s', (version) => {
    it.each<[string, Pair | undefined]>([
      ['without a certificate', undefined],
      ['with a certificate of another authority', stranger],
      ['with a certificate that is self-signed', selfSigned],
      ['with an expired certificate', expired],
      ['with a certificate with the usage serverAuth only', server],
    ])('rejects a client %s without sending NATS protocol text', async (_, pair) => {
      const wire = await suite.open();
      const upgrade = wire.upgrade(as(pair, { minVersion: version, maxVersion: version }).tls);
      const refused = await upgrade.then(
        () => {
          wire.send('CONNECT {"verbose":true}\r\nPING\r\n');
          return wire.closed();
        },
        () => '',
      );
      expect(refused).toBe('');
      await suite.connect({}, as(client)); // the server still accepts others
    });
  });

  it('rejects a client that does not start TLS', async () => {
    const wire = await suite.open();
    wire.send('CONNECT {"verbose":true}\r\nPING\r\n');
    expect(await wire.closed()).not.toMatch(/OK|PONG|ERR/);
  });

  it('rejects a client that sends plain text and then starts a handshake', async () => {
    const wire = await suite.open();
    wire.send('PING\r\n');
    await expect(wire.upgrade(as(client).tls)).rejects.toThrow();
  });

  it('rejects TLS 1.1', async () => {
    const wire = await suite.open();
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(wire.upgrade(as(client, old).tls)).rejects.toThrow(/protocol version/);
  });

  it('presents a certificate that the client verifies', async () => {
    const wire = await suite.open();
    await expect(wire.upgrade(as(client, { ca: readFileSync(foreign.cert) }).tls)).rejects.toThrow(
      /verify|certificate/,
    );
  });
});

/** A certificate, and the alerts with which TLS 1.2 and TLS 1.3 refuse it. */
const refusals: [string, Pair | undefined, string, string][] = [
  ['without a certificate', undefined, 'HANDSHAKE_FAILURE', 'CERTIFICATE_REQUIRED'],
  ['with a certificate of another authority', stranger, 'UNKNOWN_CA', 'UNKNOWN_CA'],
  ['with a certificate that is self-signed', selfSigned, 'UNKNOWN_CA', 'UNKNOWN_CA'],
  ['whose issuer has the name of the authority', impostor, 'UNKNOWN_CA', 'UNKNOWN_CA'],
  ['with an expired certificate', expired, 'CERTIFICATE_EXPIRED', 'CERTIFICATE_EXPIRED'],
  ['with an expired certificate of another authority', stale, 'CERTIFICATE_EXPIRED', 'CERTIFICATE_EXPIRED'],
  ['with the usage serverAuth only', server, 'BAD_CERTIFICATE', 'BAD_CERTIFICATE'],
];

// A server for each: above its rate of rejections, the broker closes without an alert, and a fast machine gets there.
for (const [who, pair, inTls12, inTls13] of refusals) {
  conformance(`mutual TLS, for a client ${who}`, `tls { ${verifying} }`, (suite) => {
    it.each([
      ['TLSv1.2', undefined, inTls12],
      ...suitesOfTls13.map((ciphers) => ['TLSv1.3', ciphers, inTls13] as const),
    ] as const)('sends in %s with the cipher suite %s the alert %s', async (version, ciphers, alert) => {
      const raw = connect(suite.server.port, '127.0.0.1');
      await once(raw, 'data');
      const versions = { minVersion: version, maxVersion: version };
      const secure = connectTls({ ...as(pair).tls, socket: raw, ...versions, ciphers });
      const error = await new Promise((resolve) => {
        secure.once('error', resolve).once('close', () => resolve(new Error('closed without an alert')));
      });
      expect(error).toMatchObject({ code: expect.stringMatching(`_ALERT_${alert}$`) });
    });
  });
}

conformance('TLS timeout', `tls { ${verifying}, timeout: 0.3 }`, (suite) => {
  it('closes a connection that does not start the handshake in time', async () => {
    const wire = await suite.open();
    await wire.closes(''); // without a handshake the -ERR cannot be sent
  });
});

conformance('TLS without client certificates', `tls { ${files} }`, (suite) => {
  it('requests no client certificate', async () => {
    const wire = await suite.connect({}, as());
    expect(wire.info).toMatchObject({ tls_required: true });
    expect(wire.info).not.toHaveProperty('tls_verify');
  });

  it('accepts a client certificate of any authority', async () => {
    await suite.connect({}, as(stranger));
  });
});

conformance('TLS before the INFO', `tls { ${verifying}, handshake_first: true }`, (suite) => {
  it('sends no INFO before the handshake', async () => {
    const wire = await suite.connect({}, { ...as(client), tlsFirst: true });
    expect(wire.info).toMatchObject({ tls_required: true, tls_verify: true });
  });

  it('rejects a client that waits for the INFO and then sends plain text', async () => {
    const wire = await Wire.openSilent(suite.server.port);
    wire.send('CONNECT {}\r\nPING\r\n');
    expect(await wire.closed()).not.toMatch(/INFO|OK|PONG|ERR/);
  });
});

conformance('TLS before the INFO or after it', `tls { ${verifying}, handshake_first: "500ms" }`, (suite) => {
  it('accepts a client that starts the handshake at once', async () => {
    await suite.connect({}, { ...as(client), tlsFirst: true });
  });

  it('sends the INFO to a client that waits', async () => {
    await suite.connect({}, as(client));
  });
});

conformance('allow_non_tls', `allow_non_tls: true\ntls { ${files} }`, (suite) => {
  it('announces tls_available in the INFO', async () => {
    const { info } = await suite.open();
    expect(info).toMatchObject({ tls_available: true });
    expect(info).not.toHaveProperty('tls_required');
  });

  it('accepts plain and TLS clients on one port', async () => {
    const [plain, secure] = [await suite.connect(), await suite.connect({}, as())];
    const s = suite.subject();
    plain.send(`SUB ${s} 1\r\n`);
    await plain.receives('');
    secure.send(`PUB ${s} 2\r\nhi\r\n`);
    await secure.receives('');
    await plain.receives(`MSG ${s} 1 2\r\nhi\r\n`);
  });
});

conformance('no TLS', '', (suite) => {
  it('reports a TLS handshake as an unknown operation', async () => {
    const wire = await suite.open();
    wire.send(Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 0x01]));
    await wire.closes("-ERR 'Unknown Protocol Operation'\r\n");
  });
});
