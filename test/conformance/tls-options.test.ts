// The options of a tls block, from configuration text to a client's handshake: each test fails if its option has no
// effect. Options that only the bundled broker supports run on the broker alone.
import { createHash, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { agree } from '../harness/agree.ts';
import { makeAuthority, makeLeaf, openssl, type Pair } from '../harness/openssl.ts';
import { bundledBroker } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { conformance, Suite } from './suite.ts';

const folder = testFolder('wire-tls-options');
const ca = makeAuthority(folder);
const foreign = makeAuthority(folder, 'foreign');
const server = makeLeaf(folder, 'server', ca, { usage: 'serverAuth' });
const other = makeLeaf(folder, 'other', ca, { usage: 'serverAuth', hosts: ['other.test'] });
const client = makeLeaf(folder, 'client', ca, { usage: 'clientAuth' });
const second = makeLeaf(folder, 'second', ca, { usage: 'clientAuth' });
const stranger = makeLeaf(folder, 'stranger', foreign, { usage: 'clientAuth' });

const as = (pair: Pair): ConnectionOptions => ({
  cert: readFileSync(pair.cert),
  key: readFileSync(pair.key),
});
const only = (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): ConnectionOptions => ({
  minVersion: version,
  maxVersion: version,
});
const files = `cert_file: "${server.cert}", key_file: "${server.key}"`;
const verifying = `${files}, ca_file: "${ca.cert}", verify: true`;

/** Declares tests for the bundled broker only. */
function onTheBroker(title: string, configuration: string, cases: (suite: Suite) => void): void {
  describe(`${title}, on the bundled broker`, () => cases(new Suite('broker', bundledBroker, configuration)));
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('over %s', (version) => {
  conformance('a certificate of the authority in ca_file', `tls { ${verifying} }`, (suite) => {
    it('is presented without its issuer, as in its file', async () => {
      const { shown } = await agree(suite.server.port, { ...as(client), ...only(version) });
      expect(shown).toBe(1);
    });
  });

  const whole = join(folder, 'whole.pem');
  writeFileSync(whole, readFileSync(server.cert, 'utf8') + readFileSync(ca.cert, 'utf8'));
  const chained = `cert_file: "${whole}", key_file: "${server.key}", ca_file: "${ca.cert}", verify: true`;
  conformance('a cert_file with the issuer after the certificate', `tls { ${chained} }`, (suite) => {
    it('is presented with its issuer', async () => {
      const { shown } = await agree(suite.server.port, { ...as(client), ...only(version) });
      expect(shown).toBe(2);
    });
  });
});

conformance('min_version 1.3', `tls { ${files}, min_version: "1.3" }`, (suite) => {
  it('accepts TLS 1.3', async () => {
    expect(await agree(suite.server.port)).toMatchObject({ version: 'TLSv1.3' });
  });

  it('rejects TLS 1.2', async () => {
    await expect(agree(suite.server.port, only('TLSv1.2'))).rejects.toThrow(/protocol version/);
  });
});

onTheBroker('min_version 1.1', `tls { ${files}, min_version: "1.1" }`, (suite) => {
  it('accepts TLS 1.1', async () => {
    const old = { ...only('TLSv1.1'), ciphers: 'DEFAULT@SECLEVEL=0' };
    expect(await agree(suite.server.port, old)).toMatchObject({ version: 'TLSv1.1' });
  });
});

conformance(
  'cipher_suites',
  `tls { ${files}, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_AES_256_GCM_SHA384] }`,
  (suite) => {
    it('restricts TLS 1.2', async () => {
      const { port } = suite.server;
      const suites = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384';
      expect(await agree(port, { ...only('TLSv1.2'), ciphers: suites })).toMatchObject({
        suite: 'ECDHE-ECDSA-AES256-GCM-SHA384',
      });
      const another = { ...only('TLSv1.2'), ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' };
      await expect(agree(port, another)).rejects.toThrow(/handshake failure/);
    });

    it(`${suite.kind === 'broker' ? 'restricts' : 'does not restrict'} TLS 1.3`, async () => {
      const another = { ...only('TLSv1.3'), ciphers: 'TLS_CHACHA20_POLY1305_SHA256' };
      const found = agree(suite.server.port, another);
      // Go always offers all TLS 1.3 suites.
      if (suite.kind === 'broker') await expect(found).rejects.toThrow(/handshake failure/);
      else expect(await found).toMatchObject({ suite: 'TLS_CHACHA20_POLY1305_SHA256' });
    });
  },
);

conformance('curve_preferences', `tls { ${files}, curve_preferences: [CurveP384, CurveP256] }`, (suite) => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('are applied to %s', async (version) => {
    const curves = { ...only(version), ecdhCurve: 'X25519:P-256:P-384' };
    const { curve } = await agree(suite.server.port, curves);
    // Go treats the list as a set and uses an order of its own.
    expect(curve).toBe(suite.kind === 'broker' ? 'secp384r1' : 'prime256v1');
  });

  it('reject a client that supports none of them', async () => {
    await expect(agree(suite.server.port, { ecdhCurve: 'X25519:P-521' })).rejects.toThrow();
  });
});

conformance(
  'certificates',
  `tls { certificates: [ { ${files} }, { cert_file: "${other.cert}", key_file: "${other.key}" } ] }`,
  (suite) => {
    it.each([
      ['localhost', 'server'],
      ['other.test', 'other'],
    ])('are selected by the server name %s', async (servername, expected) => {
      expect(await agree(suite.server.port, { servername })).toMatchObject({ server: expected });
    });

    it('default to the first one when the client sends no server name', async () => {
      expect(await agree(suite.server.port)).toMatchObject({ server: 'server' });
    });
  },
);

/** The pin as openssl computes it. */
function pinOf(pair: Pair): string {
  const publicKey = createPublicKey(openssl('x509', '-in', pair.cert, '-noout', '-pubkey'));
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

conformance('pinned_certs', `tls { ${verifying}, pinned_certs: ["${pinOf(client)}"] }`, (suite) => {
  it('accepts the pinned key, and rejects another certificate of the same authority', async () => {
    const { port } = suite.server;
    expect(await agree(port, as(client))).toMatchObject({ server: 'server' });
    await expect(agree(port, as(second))).rejects.toThrow();
  });
});

conformance(
  'pinned_certs with optional certificates',
  `tls { ${verifying.replace('verify: true', 'verify: optional')}, pinned_certs: ["${pinOf(client)}"] }`,
  (suite) => {
    it('accept only the pinned key, and no client without a certificate', async () => {
      const { port } = suite.server;
      expect(await agree(port, as(client))).toMatchObject({ server: 'server' });
      await expect(agree(port, as(second))).rejects.toThrow();
      await expect(agree(port)).rejects.toThrow();
    });
  },
  'optional-certificates',
);

conformance('insecure', `tls { ${verifying}, insecure: true }`, (suite) => {
  it('accepts no client that would be rejected without it', async () => {
    const { port } = suite.server;
    await agree(port, as(client));
    await expect(agree(port, as(stranger))).rejects.toThrow();
    await expect(agree(port)).rejects.toThrow();
  });
});

conformance('connection_rate_limit', `tls { ${files}, connection_rate_limit: 2 }`, (suite) => {
  it('throttles further connections in the same second and sends an error', async () => {
    const { port } = suite.server;
    const all = await Promise.allSettled(Array.from({ length: 12 }, () => agree(port)));
    const admitted = all.filter(({ status }) => status === 'fulfilled').length;
    // The connections may fall into two seconds.
    expect(admitted).toBeGreaterThanOrEqual(2);
    expect(admitted).toBeLessThanOrEqual(4);
    const told = Array.from({ length: 5 }, async () => {
      const wire = await suite.open();
      await wire.closes("-ERR 'Connection throttling is active. Please try again later.'\r\n");
    });
    await Promise.any(told);
  });
});

onTheBroker('rate_limit', `tls { ${files}, rate_limit: 4000, timeout: 10 }`, (suite) => {
  it('delays handshakes beyond its number of bytes a second', async () => {
    const { port } = suite.server;
    const begin = performance.now();
    await Promise.all(Array.from({ length: 6 }, () => agree(port)));
    // A handshake costs over 1,000 bytes; without a limit, six take a few hundredths of a second.
    expect(performance.now() - begin).toBeGreaterThan(800);
  });
});

conformance('handshake_first: auto', `tls { ${verifying}, handshake_first: auto }`, (suite) => {
  it('accepts a client that starts the handshake at once and one that waits for the INFO', async () => {
    const { port } = suite.server;
    await agree(port, as(client), { first: true });
    await agree(port, as(client));
  });
});

onTheBroker(
  'handshake_first_fallback',
  `tls { ${verifying}, handshake_first: true, handshake_first_fallback: "100ms" }`,
  (suite) => {
    it('sends the INFO to a client that waits', async () => {
      await agree(suite.server.port, as(client), { first: true });
      await agree(suite.server.port, as(client));
    });
  },
);

conformance('handshake_first', `tls { ${verifying}, handshake_first: true, timeout: 0.5 }`, (suite) => {
  it('closes a silent connection without an error', async () => {
    const wire = await Wire.openSilent(suite.server.port);
    await wire.closes('');
  });

  it.each([
    ['text', 'CONNECT {}\r\nPING\r\n'],
    ['zeros', '\0'.repeat(64)],
    ['the start of a handshake followed by garbage', '\x16\x03\x01\x00\x10garbagegarbage!!'],
  ])('closes a connection that sends %s', async (_what, garbage) => {
    const wire = await Wire.openSilent(suite.server.port);
    wire.send(Buffer.from(garbage, 'latin1'));
    expect(await wire.closed()).not.toMatch(/INFO|OK|PONG/);
    await agree(suite.server.port, as(client), { first: true });
  });
});

conformance(
  'handshake_first with a long timeout',
  `tls { ${verifying}, handshake_first: auto, timeout: 8 }`,
  (suite) => {
    it('accepts a handshake that arrives byte by byte', async () => {
      const proxy = createServer((from) => {
        const to = connect({ port: suite.server.port, host: '127.0.0.1', noDelay: true });
        to.pipe(from);
        dribble(from, to);
        for (const socket of [from, to]) socket.on('error', () => socket.destroy());
        from.on('close', () => to.destroy());
      });
      proxy.listen(0, '127.0.0.1');
      await once(proxy, 'listening');
      await agree((proxy.address() as AddressInfo).port, as(client), { first: true });
      proxy.close();
    });
  },
);

/** Forwards one byte at a time, each in a packet of its own. */
async function dribble(from: Socket, to: Socket): Promise<void> {
  for await (const chunk of from) {
    for (const byte of chunk as Buffer) {
      await new Promise((resolve) => to.write(Buffer.of(byte), resolve));
    }
  }
}

conformance('an empty tls block', 'allow_non_tls: true\ntls {}', (suite) => {
  it('accepts plain clients', async () => {
    await suite.connect();
  });
});
