// Reading a tls block and its problems with their positions; and printing one so that it parses back the same, here and in
// the real nats-server.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ConfProblem } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import { printTlsBlock, type TlsBlockOptions } from '../../src/rollout/block-printer.ts';
import { defaultTlsBlock, readTlsBlock, type TlsBlock, type TlsContext } from '../../src/tls/block.ts';
import type { Pin } from '../../src/x509/pin.ts';
import { TestAuthority } from '../harness/certificates.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';

const elsewhere = 'remove it, or run this configuration on nats-server';
const pin = 'ab'.repeat(32) as Pin;

/** Reads the options of a block that starts in line 1; returns problems as `error 2:3 message`. */
function read(
  text: string,
  context: TlsContext = 'client',
  baseDirectory?: string,
): { block: TlsBlock; problems: string[]; hints: (string | undefined)[] } {
  const problems: ConfProblem[] = [];
  const root = parseConf(`tls {\n${text}\n}`, { file: 'nats.conf' });
  const tls = root.entries.get('tls')?.value;
  if (tls?.kind !== 'map') throw new Error('no block');
  return {
    block: readTlsBlock(tls, problems, context, baseDirectory),
    problems: problems.map(
      ({ severity, position: { line, column }, message }) => `${severity} ${line}:${column} ${message}`,
    ),
    hints: problems.map(({ hint }) => hint),
  };
}

describe('reading', () => {
  it('uses the defaults of nats-server for an empty block', () => {
    expect(read('')).toEqual({ block: defaultTlsBlock, problems: [], hints: [] });
  });

  it.each<[string, Partial<TlsBlock>]>([
    ['cert_file: a.pem\nkey_file: a.key', { pairs: [{ certFile: 'a.pem', keyFile: 'a.key' }] }],
    [
      'certs [ { cert_file: a.pem, key_file: a.key }, { cert_file: b.pem, key_file: b.key } ]',
      {
        pairs: [
          { certFile: 'a.pem', keyFile: 'a.key' },
          { certFile: 'b.pem', keyFile: 'b.key' },
        ],
      },
    ],
    ['ca_file: ca.pem\nverify: true', { caFile: 'ca.pem', verify: true }],
    ['ca_file: ca.pem\nverify: Optional', { caFile: 'ca.pem', verifyOptional: true }],
    [
      `ca_file: ca.pem\nverify: optional\npinned_certs: ["${pin}"]`,
      { caFile: 'ca.pem', verifyOptional: true, pinnedCerts: new Set([pin]) },
    ],
    ['ca_file: ca.pem\nverify_and_map: true', { caFile: 'ca.pem', verify: true, verifyAndMap: true }],
    ['cipher_suites: [TLS_AES_128_GCM_SHA256]', { cipherSuites: ['TLS_AES_128_GCM_SHA256'] }],
    [
      'allow_insecure_cipher_suites: true\ncipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]',
      { allowInsecureCipherSuites: true, cipherSuites: ['TLS_RSA_WITH_AES_128_CBC_SHA'] },
    ],
    ['curve_preferences: [CurveP384, X25519]', { curvePreferences: ['CurveP384', 'X25519'] }],
    ['curve_preferences: [X25519, CurveP384, X25519]', { curvePreferences: ['X25519', 'CurveP384'] }],
    [
      'cert_file: a.pem, key_file: a.key, certificates: []',
      { pairs: [{ certFile: 'a.pem', keyFile: 'a.key' }] },
    ],
    ['min_version: "1.3"', { minVersion: '1.3' }],
    ['timeout: 10.5', { timeoutMs: 10_500 }],
    ['timeout: 3', { timeoutMs: 3000 }],
    ['timeout: "300ms"', { timeoutMs: 300 }],
    ['timeout: 0', {}],
    ['connection_rate_limit: 100', { connectionRateLimit: 100 }],
    ['connection_rate_limit: 0', {}],
    ['handshake_first: true', { handshakeFirst: { fallbackMs: undefined } }],
    ['handshake_first: "on"', { handshakeFirst: { fallbackMs: undefined } }],
    ['first: auto', { handshakeFirst: { fallbackMs: 50 } }],
    ['immediate: "300ms"', { handshakeFirst: { fallbackMs: 300 } }],
    ['handshake_first: "0s"', { handshakeFirst: { fallbackMs: undefined } }],
    ['handshake_first: "1000h"', { handshakeFirst: { fallbackMs: 2 ** 31 - 1 } }],
    ['handshake_first: false', {}],
    ['handshake_first: "off"', {}],
    [
      `pinned_certs: ["${pin.toUpperCase()}"]\nverify: true\nca_file: ca.pem`,
      { pinnedCerts: new Set([pin]), verify: true, caFile: 'ca.pem' },
    ],
    ['pinned_certs: []', {}],
    ['ocsp_peer: false\nverify_cert_and_check_known_urls: false\ninsecure: false', {}],
    ['CERT_FILE: a.pem\nKey_File: a.key', { pairs: [{ certFile: 'a.pem', keyFile: 'a.key' }] }],
  ])('reads %s', (text, expected) => {
    expect(read(text)).toEqual({ block: { ...defaultTlsBlock, ...expected }, problems: [], hints: [] });
  });

  it.each<[string, Partial<TlsBlock>, string]>([
    [
      'rate_limit: 1048576',
      { rateLimit: 1_048_576 },
      'nats-server does not support "rate_limit" and rejects the configuration',
    ],
    [
      'handshake_first: true\nhandshake_first_fallback: "2s"',
      { handshakeFirst: { fallbackMs: 2000 } },
      'nats-server does not support "handshake_first_fallback" and rejects the configuration',
    ],
    [
      'min_version: "1.0"',
      { minVersion: '1.0' },
      'TLS 1.0 is insecure, and nats-server rejects it as min_version',
    ],
    [
      'cipher_suites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305]',
      { cipherSuites: ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256'] },
      'nats-server does not support "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" and rejects the configuration',
    ],
    [
      'verify: true',
      { verify: true },
      'without "ca_file" a client certificate of any authority that this system trusts is accepted',
    ],
    [
      `pinned_certs: ["${pin}"]`,
      { pinnedCerts: new Set([pin]) },
      'no client can connect: "pinned_certs" without "verify: true" rejects clients that were not asked for a certificate',
    ],
    [
      'insecure: true',
      { insecure: true },
      '"insecure" has no effect here: it is for outgoing connections, and "verify" decides how clients are verified',
    ],
  ])('reads %s with a warning', (text, expected, warning) => {
    const { block, problems } = read(text);
    expect(block).toEqual({ ...defaultTlsBlock, ...expected });
    expect(problems).toEqual([expect.stringMatching(/^warning [23]:\d+ /)]);
    expect(problems[0]).toContain(warning);
  });

  it('always verifies peers in cluster and gateway blocks', () => {
    expect(read('ca_file: ca.pem', 'cluster').block.verify).toBe(true);
    expect(read('ca_file: ca.pem', 'gateway').block.verify).toBe(true);
    expect(read('ca_file: ca.pem', 'leafnodes').block.verify).toBe(false);
    const optional = read('ca_file: ca.pem\nverify: optional', 'cluster').block;
    expect(optional).toMatchObject({ verify: true, verifyOptional: false });
    expect(read('ca_file: ca.pem\ninsecure: true', 'cluster').problems).toEqual([
      expect.stringMatching(/^warning 3:11 "insecure" turns off the verification/),
    ]);
  });

  it('resolves relative file names from the given folder, and keeps them as they are without one', () => {
    const text = 'cert_file: certs/a.pem\nkey_file: /etc/a.key\nca_file: ca.pem';
    expect(read(text, 'client', '/srv').block).toMatchObject({
      pairs: [{ certFile: '/srv/certs/a.pem', keyFile: '/etc/a.key' }],
      caFile: '/srv/ca.pem',
    });
    expect(read(text).block).toMatchObject({ pairs: [{ certFile: 'certs/a.pem' }], caFile: 'ca.pem' });
  });

  it.each<[string, string, string | undefined]>([
    ['ca_fle: x', 'error 2:1 unknown field "ca_fle" in tls', 'did you mean "ca_file"'],
    ['cert_file: a.pem', 'error 2:12 "cert_file" in tls needs "key_file" beside it', undefined],
    ['key_file: a.key', 'error 2:11 "key_file" in tls needs "cert_file" beside it', undefined],
    [
      'cert_file: 1\nkey_file: a',
      'error 2:12 expected a string for "cert_file" in tls, found an integer',
      undefined,
    ],
    ['verify: "true"', 'error 2:9 "verify" must be true, false or "optional"', undefined],
    [
      'verify: optional\nverify_and_map: true\nca_file: ca.pem',
      'error 2:9 "verify: optional" contradicts an option that requires client certificates',
      'use verify: true, or remove verify_and_map and verify_cert_and_check_known_urls',
    ],
    [
      'certs: [ { cert_file: a.pem } ]',
      'error 2:10 an entry of tls.certificates needs both "cert_file" and "key_file"',
      undefined,
    ],
    [
      'certs: [ { cert_file: a.pem, key_file: b, ca_file: c } ]',
      'error 2:43 unknown field "ca_file" in tls.certificates',
      undefined,
    ],
    [
      'certs: [ a.pem ]',
      'error 2:10 an entry of tls.certificates must be a block with "cert_file" and "key_file"',
      undefined,
    ],
    [
      'certs: [ { cert_file: a, key_file: b } ]\ncert_file: c\nkey_file: d',
      'error 2:8 "certificates" in tls cannot be combined with "cert_file" and "key_file"',
      'make the pair another entry of certificates',
    ],
    ['cipher_suites: []', 'error 2:16 "cipher_suites" cannot be empty', undefined],
    [
      'cipher_suites: [TLS_AES_128_GCM_SHA265]',
      'error 2:17 unknown cipher suite "TLS_AES_128_GCM_SHA265"',
      'did you mean "TLS_AES_128_GCM_SHA256"',
    ],
    [
      'cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]',
      'error 2:17 cipher suite "TLS_RSA_WITH_AES_128_CBC_SHA" is insecure',
      'remove it, or set allow_insecure_cipher_suites: true',
    ],
    [
      'allow_insecure_cipher_suites: true\ncipher_suites: [TLS_RSA_WITH_RC4_128_SHA]',
      'error 3:17 cipher suite "TLS_RSA_WITH_RC4_128_SHA" is not in this build of OpenSSL',
      'remove it',
    ],
    [
      'curve_preferences: [CurveP256, 7 ]',
      'error 2:32 "curve_preferences" must be an array of strings',
      undefined,
    ],
    ['min_version: 1.2', 'error 2:14 "min_version" must be a string', 'write "1.2" with its quotes'],
    [
      'min_version: "2"',
      'error 2:14 "min_version" is not a TLS version',
      'use "1.2" or "1.3"; "1.0" and "1.1" work too, but are insecure',
    ],
    ['timeout: -1', 'error 2:10 "timeout" cannot be negative', undefined],
    [
      'handshake_first: sometimes',
      'error 2:18 "handshake_first" must be true, false, "auto" or a duration',
      'write "auto" or a duration such as "300ms"',
    ],
    [
      'pinned_certs: ["abc"]',
      'error 2:16 a pin is the hex SHA-256 of a public key (DER SubjectPublicKeyInfo): 64 digits',
      'natspki pin CERTIFICATE prints it',
    ],
    [
      'ocsp_peer: true',
      'error 2:12 "ocsp_peer" needs client certificates, which this block does not require',
      'add verify: true',
    ],
    ['verify: true, ocsp_peer: 5', 'error 2:26 "ocsp_peer" must be true, false or a block', undefined],
    [
      'verify: true, ocsp_peer { verify: true, ca_timeot: 1 }',
      'error 2:41 unknown field "ca_timeot" in ocsp_peer',
      'did you mean "ca_timeout"',
    ],
    ['cert_store: "x"', 'error 2:13 "cert_store" in tls is not supported by the bundled broker', elsewhere],
    ['cert_match: "x"', 'error 2:13 "cert_match" in tls is not supported by the bundled broker', elsewhere],
    [
      'verify_cert_and_check_known_urls: true',
      'error 2:35 "verify_cert_and_check_known_urls" works in cluster and gateway blocks only',
      'use verify: true',
    ],
  ])('reports an error for %s', (text, problem, hint) => {
    const { problems, hints } = read(text);
    expect(problems).toContain(problem);
    expect(hints[problems.indexOf(problem)]).toBe(hint);
  });

  it('reports an unknown curve, and lists the supported curves', () => {
    const { problems, hints } = read('curve_preferences: [CurveP265]');
    expect(problems).toEqual(['error 2:21 unknown curve "CurveP265"']);
    expect(hints[0]).toMatch(/^use one or more of .*X25519, CurveP256, CurveP384, CurveP521$/);
  });

  it('reports all problems of a block together', () => {
    expect(read('verify: 1\ntimeout: "x"\nmin_version: "9"\nfoo: 1').problems).toHaveLength(4);
  });
});

const printed: [string, TlsBlockOptions, TlsContext][] = [
  ['a pair', { pairs: [{ certFile: 'a.pem', keyFile: 'a.key' }] }, 'client'],
  [
    'all options',
    {
      pairs: [
        { certFile: 'a.pem', keyFile: 'a.key' },
        { certFile: 'b.pem', keyFile: 'b.key' },
      ],
      caFile: 'ca.pem',
      verifyAndMap: true,
      pinnedCerts: new Set([pin]),
      minVersion: '1.3',
      allowInsecureCipherSuites: true,
      cipherSuites: ['TLS_AES_256_GCM_SHA384', 'TLS_RSA_WITH_AES_128_CBC_SHA'],
      curvePreferences: ['X25519', 'CurveP256'],
      timeoutMs: 2500,
      handshakeFirst: { fallbackMs: 300 },
      connectionRateLimit: 100,
    },
    'client',
  ],
  ['TLS first with the automatic fallback', { handshakeFirst: { fallbackMs: 50 } }, 'client'],
  ['TLS first without a fallback', { handshakeFirst: { fallbackMs: undefined } }, 'client'],
  [
    'a cluster block',
    {
      pairs: [{ certFile: 'a.pem', keyFile: 'a.key' }],
      caFile: 'ca.pem',
      insecure: true,
      verifyKnownUrls: true,
    },
    'cluster',
  ],
];

describe('printing', () => {
  it('prints one option per line', () => {
    const pairs = [{ certFile: 'certs/a.pem', keyFile: 'certs/a "key".pem' }];
    expect(printTlsBlock({ pairs, caFile: 'certs/ca.pem', verify: true, timeoutMs: 3000 }, 'client')).toBe(
      [
        'tls {',
        '  cert_file: "certs/a.pem"',
        '  key_file: "certs/a \\"key\\".pem"',
        '  ca_file: "certs/ca.pem"',
        '  verify: true',
        '  timeout: 3',
        '}',
      ].join('\n'),
    );
  });

  it.each(printed)('prints %s so that it parses back the same', (_, options, context) => {
    const text = printTlsBlock(options, context).replace(/^tls \{\n|\n\}$/g, '');
    const { block, problems } = read(text, context);
    expect(problems.filter((problem) => !problem.startsWith('warning'))).toEqual([]);
    const verify = (options.verifyAndMap ?? false) || context === 'cluster';
    expect(block).toEqual({ ...defaultTlsBlock, ...options, verify });
  });
});

describePeer('nats-server', 'the real nats-server', (bin) => {
  const folder = testFolder('block');

  it.each(printed)('accepts %s as it is printed', async (_, options, context) => {
    const pair = await (await TestAuthority.make()).server();
    for (const name of ['a', 'b']) {
      writeFileSync(join(folder, `${name}.pem`), pair.cert);
      writeFileSync(join(folder, `${name}.key`), pair.key);
    }
    writeFileSync(join(folder, 'ca.pem'), pair.cert);
    const block = printTlsBlock(options, context);
    const text =
      context === 'client'
        ? block
        : `${context} {\n  name: x\n  port: -1\n  ${block.replaceAll('\n', '\n  ')}\n}`;
    writeFileSync(join(folder, 'nats.conf'), text);
    execFileSync(bin, ['-t', '-c', 'nats.conf'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  });
});
