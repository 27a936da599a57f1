// TLS on the wire: when the upgrade comes, whom a server that verifies its clients lets in, and what the others see.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { testFolder } from '../support/folder.ts';
import { makeAuthority, makeLeaf, type Pair } from '../support/openssl.ts';
import { Wire } from '../support/wire.ts';
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

/** What a client brings: its certificate, and the authority it checks the server's by. */
function as(pair?: Pair, options: ConnectionOptions = {}): { tls: ConnectionOptions } {
  const own = pair ? { cert: readFileSync(pair.cert), key: readFileSync(pair.key) } : {};
  return { tls: { ca: readFileSync(ca.cert), host: '127.0.0.1', ...own, ...options } };
}

const files = `cert_file: "${server.cert}", key_file: "${server.key}"`;
const verifying = `${files}, ca_file: "${ca.cert}", verify: true`;

conformance('mutual TLS', `tls { ${verifying} }`, (suite) => {
  it('is told in the INFO, which comes in the clear', async () => {
    const wire = await suite.open();
    expect(wire.info).toMatchObject({ tls_required: true, tls_verify: true });
    expect(wire.info).not.toHaveProperty('tls_available');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('takes a client with a certificate over %s', async (version) => {
    const wire = await suite.connect({}, as(client, { minVersion: version, maxVersion: version }));
    const s = suite.subject();
    wire.send(`SUB ${s} 1\r\nPUB ${s} 2\r\nhi\r\n`);
    await wire.receives(`MSG ${s} 1 2\r\nhi\r\n`);
  });

  it('takes a client whose certificate has both usages, as that of a route', async () => {
    await suite.connect({}, as(route));
  });

  it('carries large messages whole and in order', async () => {
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

  it('tells the INFO after CONNECT with the same server', async () => {
    const wire = await suite.open(as(client));
    const { server_id: id } = wire.info;
    wire.send('CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n');
    await wire.reads('PONG\r\n');
    expect(await wire.nextInfo()).toMatchObject({ server_id: id, connect_info: true, tls_required: true });
  });

  // In TLS 1.3 a client is done before the server has judged it: the verdict shows on the first PING.
  describe.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'over %s refuses, without a word of NATS, a client',
    (version) => {
      it.each<[string, Pair | undefined]>([
        ['without a certificate', undefined],
        ['with a certificate of another authority', stranger],
        ['with a certificate it has signed itself', selfSigned],
        ['with an expired certificate', expired],
        ['with a certificate for servers', server],
      ])('%s', async (_, pair) => {
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
        await suite.connect({}, as(client)); // and goes on with the others
      });
    },
  );

  it('refuses a client that speaks plainly', async () => {
    const wire = await suite.open();
    wire.send('CONNECT {"verbose":true}\r\nPING\r\n');
    expect(await wire.closed()).not.toMatch(/OK|PONG|ERR/);
  });

  it('refuses a client that speaks plainly and then begins a handshake', async () => {
    const wire = await suite.open();
    wire.send('PING\r\n');
    await expect(wire.upgrade(as(client).tls)).rejects.toThrow();
  });

  it('refuses TLS 1.1', async () => {
    const wire = await suite.open();
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(wire.upgrade(as(client, old).tls)).rejects.toThrow(/protocol version/);
  });

  it('shows a certificate that a client can check', async () => {
    const wire = await suite.open();
    await expect(wire.upgrade(as(client, { ca: readFileSync(foreign.cert) }).tls)).rejects.toThrow(
      /verify|certificate/,
    );
  });
});

conformance('TLS timeout', `tls { ${verifying}, timeout: 0.3 }`, (suite) => {
  it('ends a client that does not begin the handshake in time', async () => {
    const wire = await suite.open();
    await wire.closes(''); // the -ERR for it has no way through a handshake that never was
  });
});

conformance('TLS without client certificates', `tls { ${files} }`, (suite) => {
  it('asks for none', async () => {
    const wire = await suite.connect({}, as());
    expect(wire.info).toMatchObject({ tls_required: true });
    expect(wire.info).not.toHaveProperty('tls_verify');
  });

  it('takes one all the same, of whatever authority', async () => {
    await suite.connect({}, as(stranger));
  });
});

conformance('TLS before the INFO', `tls { ${verifying}, handshake_first: true }`, (suite) => {
  it('says nothing in the clear', async () => {
    const wire = await suite.connect({}, { ...as(client), tlsFirst: true });
    expect(wire.info).toMatchObject({ tls_required: true, tls_verify: true });
  });

  it('refuses a client that waits for the INFO and speaks plainly', async () => {
    const wire = await Wire.openSilent(suite.server.port);
    wire.send('CONNECT {}\r\nPING\r\n');
    expect(await wire.closed()).not.toMatch(/INFO|OK|PONG|ERR/);
  });
});

conformance('TLS before the INFO or after it', `tls { ${verifying}, handshake_first: "500ms" }`, (suite) => {
  it('takes a client that begins at once', async () => {
    await suite.connect({}, { ...as(client), tlsFirst: true });
  });

  it('greets a client that waits', async () => {
    await suite.connect({}, as(client));
  });
});

conformance('allow_non_tls', `allow_non_tls: true\ntls { ${files} }`, (suite) => {
  it('tells that TLS is there', async () => {
    const { info } = await suite.open();
    expect(info).toMatchObject({ tls_available: true });
    expect(info).not.toHaveProperty('tls_required');
  });

  it('takes plain and encrypted clients on one port', async () => {
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
  it('takes a handshake for an unknown operation', async () => {
    const wire = await suite.open();
    wire.send(Buffer.from([0x16, 0x03, 0x01, 0x00, 0x05, 0x01]));
    await wire.closes("-ERR 'Unknown Protocol Operation'\r\n");
  });
});
