// The best practices that `natspki check` warns of: what triggers each rule, and what does not.
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createUser } from '@nats-io/nkeys';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkConfiguration } from '../../../src/broker/options/check.ts';
import { type MadePair, TestAuthority } from '../../harness/certificates.ts';
import { run } from '../../harness/process.ts';
import { testFolder } from '../../support/folder.ts';
import { describePeer } from '../../support/peers.ts';

const scratch = testFolder('practices');
let ca: TestAuthority;
let server: MadePair;
let route: MadePair;

beforeAll(async () => {
  ca = await TestAuthority.make('Test CA', { until: 90 });
  server = await ca.server('server', { until: 30 });
  route = await ca.server('route', { until: 30, purposes: ['serverAuth', 'clientAuth'] });
});

interface Files {
  server?: MadePair;
  route?: MadePair;
  bundle?: string;
  keyMode?: number;
  users?: Record<string, MadePair>;
}

/** Writes a configuration and the files that it names; DIR in the text stands for their folder. */
function write(text: string, files: Files): string {
  const folder = mkdtempSync(join(scratch, 'x-'));
  const put = (file: string, data: string, mode = 0o600) => {
    writeFileSync(join(folder, file), data);
    chmodSync(join(folder, file), mode);
  };
  const pairs = { server: files.server ?? server, route: files.route ?? route, ...files.users };
  for (const [name, { cert, key }] of Object.entries(pairs)) {
    put(`${name}-cert.pem`, cert);
    put(`${name}-key.pem`, key, files.keyMode);
  }
  put('ca.pem', files.bundle ?? ca.pem);
  put('nats.conf', text.replaceAll('DIR', folder));
  return folder;
}

/**
 * Checks a configuration; returns `SEVERITY LINE:COLUMN CODE` of each finding, and the message of one without a code.
 */
async function check(text: string, files: Files = {}): Promise<string[]> {
  const folder = write(text, files);
  const found = await checkConfiguration(join(folder, 'nats.conf'));
  return found.map(({ code, severity, position: { line, column }, message }) =>
    code === undefined ? message : `${severity} ${line}:${column} ${code}`,
  );
}

const material = 'cert_file: "DIR/server-cert.pem", key_file: "DIR/server-key.pem", ca_file: "DIR/ca.pem"';
const block = (more = '') => `tls {\n${material}\nverify: true\n${more}\n}\n`;
const cluster = (name = 'route', more = '') =>
  `cluster {\nname: c, listen: "127.0.0.1:6222"\ntls {\ncert_file: "DIR/${name}-cert.pem", key_file: "DIR/${name}-key.pem", ca_file: "DIR/ca.pem"\n${more}\n}\n}\n`;

describe('a configuration that follows the best practices', () => {
  it.each([
    ['verify', block()],
    [
      'TLS 1.3 and all its cipher suites',
      block(
        'min_version: "1.3", cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256]',
      ),
    ],
    [
      'only cipher suites of TLS 1.2',
      block(
        'cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256]',
      ),
    ],
    ['a cluster', block() + cluster()],
    ['curves in the order of nats-server', block('curve_preferences: [X25519, CurveP256]')],
    ['a timeout of a second', block('timeout: 1')],
    [
      'users without a password or with a hashed one',
      `${block()}authorization { users: [ { user: a }, { user: b, password: "$2b$11$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" } ] }\n`,
    ],
    [
      'a hashed token',
      `${block()}authorization { token: "$2b$11$xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" }\n`,
    ],
  ])('triggers no warning with %s', async (_what, text) => {
    expect(await check(text)).toEqual([]);
  });
});

describe('a check of best practices', () => {
  it.each<[string, string, string[]]>([
    ['clients without TLS', 'port: 4222\n', ['warning 1:1 no-tls']],
    ['an empty tls block, which does not turn TLS on', 'port: 4222\ntls {}\n', ['warning 2:5 no-tls']],
    [
      'a cluster without TLS',
      `${block()}cluster {\nname: c, listen: "127.0.0.1:6222"\n}\n`,
      ['warning 6:9 no-tls'],
    ],
    [
      'WebSocket without TLS',
      `${block()}websocket {\nport: 8080, no_tls: true\n}\n`,
      ['warning 6:11 no-tls'],
    ],
    [
      'a websocket block without a port, which nats-server does not serve',
      `${block()}websocket {\nno_tls: true\n}\n`,
      ['warning 6:11 websocket-without-port'],
    ],
    [
      'OCSP while the certificates of the authority name no responder',
      block('ocsp_peer: true'),
      ['warning 2:12 no-ocsp-address'],
    ],
    [
      'OCSP that is off in its own block',
      block('ocsp_peer { ca_timeout: 1 }'),
      ['warning 4:11 ocsp-peer-off'],
    ],
    [
      'OCSP of routes, which no server does',
      block() + cluster('route', 'ocsp_peer: true'),
      ['warning 10:12 ocsp-peer-off'],
    ],
    [
      'clients with and without TLS on one port',
      `${block()}allow_non_tls: true\n`,
      ['warning 6:16 plain-text-allowed'],
    ],
    ['clients without verification', `tls {\n${material}\n}\n`, ['warning 1:5 no-client-verification']],
    [
      'clients with verify: false',
      `tls {\n${material}\nverify: false\n}\n`,
      ['warning 3:9 no-client-verification'],
    ],
    [
      'several plain-text passwords, in one warning',
      `${block()}authorization { users: [\n{ user: a, password: p1 }\n{ user: b, password: p2 }\n] }\n`,
      ['warning 7:22 plaintext-password'],
    ],
    ['a plain-text token', `${block()}authorization { token: t }\n`, ['warning 6:24 plaintext-password']],
    ['TLS 1.0', block('min_version: "1.0"'), ['warning 4:14 protocol-version']],
    ['TLS 1.1', block('min_version: "1.1"'), ['warning 4:14 protocol-version']],
    [
      'a cipher suite with CBC',
      block('cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]'),
      ['warning 4:56 weak-cipher'],
    ],
    [
      'each weak cipher suite',
      block(
        'allow_insecure_cipher_suites: true\ncipher_suites: [\nTLS_RSA_WITH_AES_128_GCM_SHA256\nTLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256\nTLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]',
      ),
      ['warning 6:1 weak-cipher', 'warning 7:1 weak-cipher'],
    ],
    ['a handshake timeout of half a second', block('timeout: 0.5'), ['warning 4:10 short-handshake-timeout']],
    [
      'a handshake timeout of two milliseconds',
      block('timeout: "2ms"'),
      ['warning 4:10 short-handshake-timeout'],
    ],
    [
      'insecure for the cluster, which skips the verification of servers',
      block() + cluster('route', 'insecure: true'),
      ['warning 10:11 skipped-verification'],
    ],
    [
      'insecure for clients, where it has no effect',
      block('insecure: true'),
      ['warning 4:11 skipped-verification'],
    ],
    [
      'curves in another order than that of nats-server',
      block('curve_preferences: [CurveP384, X25519]'),
      ['warning 4:20 nats-server-ignores'],
    ],
    [
      'one certificate for clients and cluster',
      block() + cluster('server'),
      ['warning 9:12 shared-certificate', 'warning 9:12 wrong-usage'],
    ],
    [
      'verify without ca_file, which trusts every authority of the system',
      `tls {\ncert_file: "DIR/server-cert.pem", key_file: "DIR/server-key.pem"\nverify: true\n}\n`,
      ['warning 3:9 system-authorities'],
    ],
    [
      'optional client certificates',
      block().replace('verify: true', 'verify: optional'),
      ['warning 3:9 no-client-verification'],
    ],
    [
      'pinned_certs without verify',
      `tls {\n${material}\npinned_certs: ["${'ab'.repeat(32)}"]\n}\n`,
      ['warning 1:5 no-client-verification', 'warning 3:15 pins-without-verify'],
    ],
  ])('warns of %s', async (_what, text, expected) => {
    expect(await check(text)).toEqual(expected);
  });

  it('warns of a cluster certificate that is a copy of the client port certificate', async () => {
    expect(await check(block() + cluster(), { route: server })).toEqual([
      'warning 9:12 shared-certificate',
      'warning 9:12 wrong-usage',
    ]);
  });

  it.each([
    [0o600, []],
    [0o400, []],
    [0o640, ['warning 2:57 key-mode']],
    [0o644, ['warning 2:57 key-mode']],
  ])('warns of a private key only if other users can access it, at mode %o', async (keyMode, expected) => {
    const column = block().split('\n')[1]?.indexOf('"DIR/server-key.pem"') ?? 0;
    const found = await check(block(), { keyMode });
    expect(found.map((line) => line.replace(/:\d+ /, `:${column} `))).toEqual(
      expected.map((line) => line.replace(/:\d+ /, `:${column} `)),
    );
  });

  it.each([
    ['in the last third of its lifetime', { from: -70, until: 30 }, ['warning certificate-due']],
    ['not yet in the last third of its lifetime', { from: -60, until: 40 }, []],
    ['expired', { from: -3, until: -1 }, ['error certificate-expired']],
    ['not yet valid', { from: 1, until: 3 }, ['warning not-yet-valid']],
    ['not for servers', { purposes: ['clientAuth' as const] }, ['warning wrong-usage']],
  ])('checks a certificate that is %s', async (_what, options, expected) => {
    const found = await check(block(), { server: await ca.server('s', { until: 30, ...options }) });
    expect(found.map((line) => line.replace(/ 2:12/, ''))).toEqual(expected);
  });

  it('warns of an authority that expires soon, unless the bundle has one that lasts longer', async () => {
    const old = await TestAuthority.make('Old CA', { until: 4 });
    const files = { server: await old.server('s', { until: 3 }), bundle: old.pem };
    const found = await check(block(), files);
    expect(found).toEqual([expect.stringMatching(/^warning 2:\d+ authority-due$/)]);
    expect(await check(block(), { ...files, bundle: ca.pem + old.pem })).toEqual([]);
  });

  it('warns of an expired authority in the bundle', async () => {
    const old = await TestAuthority.make('Old CA', { until: -1 });
    expect(await check(block(), { bundle: ca.pem + old.pem })).toEqual([
      expect.stringMatching(/^warning 2:\d+ authority-expired$/),
    ]);
  });

  it('adds no warning about an option that has an error', async () => {
    expect(await check(block().replace('verify: true', 'verify: maybe'))).toEqual([
      '"verify" must be true, false or "optional"',
    ]);
  });

  it('warns about the client port and the cluster port in the order of the file', async () => {
    const files = { server: await ca.server('s', { from: -70, until: 30 }), keyMode: 0o644 };
    expect(await check(`tls {\n${material}\n}\n${cluster()}`, files)).toEqual([
      'warning 1:5 no-client-verification',
      'warning 2:12 certificate-due',
      expect.stringMatching(/^warning 2:\d+ key-mode$/),
      expect.stringMatching(/^warning 7:\d+ key-mode$/),
    ]);
  });
});

describe('the warning of users that certificates name only by their common name', () => {
  const accounts = (...users: string[]) =>
    `accounts { A: { users: [ ${users.map((user) => `{user: "${user}"}`).join(', ')} ] } }\n`;
  const mapping = block().replace('verify: true', 'verify_and_map: true');
  const expected = ['warning 3:17 common-name-mapping'];

  it('does not apply to nkey users', async () => {
    const key = createUser().getPublicKey();
    expect(await check(`${mapping}accounts { A: { users: [ {nkey: ${key}} ] } }\n`)).toEqual([]);
  });

  it.each([
    ['applies to a bare word', accounts('alice'), expected],
    ['does not apply to an e-mail address', accounts('alice@example.com'), []],
    ['does not apply to a host name', accounts('alice.example.com'), []],
    ['does not apply to a URI', accounts('spiffe://example.com/alice'), []],
    ['does not apply to a distinguished name', accounts('CN=alice,O=Acme'), []],
  ])('%s', async (_what, users, found) => {
    expect(await check(mapping + users)).toEqual(found);
  });

  it('does not apply if the certificate of the user, stored next to ca_file, has another name of it', async () => {
    const users = { alice: await ca.leaf('alice', { sans: ['dns:alice'] }) };
    expect(await check(mapping + accounts('alice'), { users })).toEqual([]);
  });

  it('applies if the certificate of the user, stored next to ca_file, has only the common name', async () => {
    const users = { alice: await ca.leaf('alice') };
    expect(await check(mapping + accounts('alice'), { users })).toEqual(expected);
  });

  it('does not apply without verify_and_map', async () => {
    expect(await check(block() + accounts('alice'))).toEqual([]);
  });
});

describePeer('nats-server', 'nats-server, as the warnings describe it,', (bin) => {
  it.each([
    ['rate_limit: 1048576', 'nats-server-refuses'],
    ['handshake_first: true, handshake_first_fallback: "2s"', 'nats-server-refuses'],
    ['min_version: "1.1"', 'protocol-version'],
    ['cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305]', 'nats-server-refuses'],
  ])('rejects "%s"', async (option, code) => {
    const folder = write(block(option), {});
    const conf = join(folder, 'nats.conf');
    expect(await checkConfiguration(conf)).toEqual([expect.objectContaining({ severity: 'warning', code })]);
    expect((await run([bin, '-t', '-c', conf])).code).toBe(1);
  });

  it('accepts a list with only some TLS 1.3 cipher suites, which it ignores', async () => {
    const folder = write(block('cipher_suites: [TLS_AES_256_GCM_SHA384]'), {});
    const conf = join(folder, 'nats.conf');
    expect(await checkConfiguration(conf)).toEqual([
      expect.objectContaining({ severity: 'warning', code: 'nats-server-ignores' }),
    ]);
    expect((await run([bin, '-t', '-c', conf])).code).toBe(0);
  });
});
