// The checks on the files of a tls block before they are used; errors name the file and the reason.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NatspkiError } from '../../src/errors.ts';
import { defaultTlsBlock, type TlsBlock } from '../../src/tls/block.ts';
import { filesOf, loadMaterial } from '../../src/tls/material.ts';
import { systemTrust } from '../../src/tls/system-trust.ts';
import { decodePrivateKey, encodePrivateKey } from '../../src/x509/key.ts';
import { TestAuthority } from '../harness/certificates.ts';
import { testFolder } from '../support/folder.ts';
import { greeting, listenTls } from '../support/tls-listener.ts';

const folder = testFolder('material');
const ca = await TestAuthority.make();
const sub = await ca.intermediate('Sub CA');
const pair = await sub.server('n1');
const leaf = pair.certificate.toPem();
const other = await ca.server();
const encrypted = await encodePrivateKey(decodePrivateKey(Buffer.from(pair.key), 'key'), 'secret');
const [certFile, keyFile, caFile] = ['tls.crt', 'tls.key', 'ca.crt'].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];

/** Loads a block with these files. */
async function load(files: { cert?: string; key?: string; ca?: string }, options: Partial<TlsBlock> = {}) {
  writeFileSync(certFile, files.cert ?? pair.cert);
  writeFileSync(keyFile, files.key ?? pair.key);
  writeFileSync(caFile, files.ca ?? ca.pem);
  return loadMaterial({ ...defaultTlsBlock, pairs: [{ certFile, keyFile }], caFile, ...options }, new Date());
}

/** Returns the error of a load, with file names relative to the folder. */
async function refusal(files: Parameters<typeof load>[0], options: Partial<TlsBlock> = {}) {
  const error = await load(files, options).then(
    () => expect.fail('it was accepted'),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(NatspkiError);
  const { code, message, hint } = error as NatspkiError;
  expect(`${message} ${hint} ${(error as NatspkiError).cause}`).not.toMatch(/PRIVATE KEY-|MC4CAQ|MIGHAg/);
  return { code, message: message.replaceAll(`${folder}/`, ''), hint: hint?.replaceAll(`${folder}/`, '') };
}

it('returns the properties of the certificates that it has loaded', async () => {
  const material = await load({});
  expect(material.certificates).toEqual([
    {
      certFile,
      subject: 'CN=n1',
      issuer: 'CN=Sub CA',
      sans: ['dns:localhost', 'ip:127.0.0.1'],
      extendedKeyUsage: ['serverAuth'],
      serial: pair.certificate.serial,
      notBefore: pair.certificate.notBefore,
      notAfter: pair.certificate.notAfter,
      pin: pair.certificate.pin,
      ocspUrls: [],
    },
  ]);
  expect(material.authorities).toEqual([
    expect.objectContaining({ certFile: caFile, subject: 'CN=Test CA', notAfter: ca.certificate.notAfter }),
  ]);
  expect(material.notAfter).toEqual(pair.certificate.notAfter);
  expect(material.names).toEqual([
    { kind: 'dns', value: 'localhost' },
    { kind: 'ip', value: '127.0.0.1' },
  ]);
  expect(material.warnings).toEqual([]);
});

it('lists each file of a block once', () => {
  const block = {
    ...defaultTlsBlock,
    pairs: [
      { certFile: 'a', keyFile: 'a' },
      { certFile: 'b', keyFile: 'c' },
    ],
    caFile: 'b',
  };
  expect(filesOf(block)).toEqual(['a', 'b', 'c']);
});

it('reads a certificate and its key from one file, and ignores other text in it', async () => {
  const both = `some text\n${pair.key}${pair.cert}`;
  const material = await load({ cert: both, key: both });
  expect(material.certificates[0]?.subject).toBe('CN=n1');
});

describe('invalid files', () => {
  it.each<[string, Parameters<typeof load>[0], Awaited<ReturnType<typeof refusal>>]>([
    [
      'the key of another certificate',
      { key: other.key },
      {
        code: 'key-mismatch',
        message: `the key in "tls.key" does not belong to the certificate in "tls.crt" (CN=n1, serial ${pair.certificate.serial})`,
        hint: 'natspki pin "tls.crt" "tls.key" prints the same pin twice for a pair',
      },
    ],
    [
      'a chain that starts with the issuer',
      { cert: sub.pem + leaf },
      {
        code: 'key-mismatch',
        message: `the key in "tls.key" does not belong to the certificate in "tls.crt" (CN=Sub CA, serial ${sub.certificate.serial})`,
        hint: 'it belongs to certificate 2 of the file: put that one first',
      },
    ],
    [
      'an encrypted key',
      { key: encrypted },
      {
        code: 'key-encrypted',
        message: 'the key in "tls.key" is encrypted, and a server cannot prompt for the passphrase',
        hint: 'openssl pkey -in "tls.key" -out server-key.pem',
      },
    ],
    [
      'a list of authorities without a certificate',
      { ca: pair.key },
      {
        code: 'wrong-material',
        message: '"ca.crt" holds a private key, expected a certificate',
        hint: undefined,
      },
    ],
  ])('throws for %s', async (_, files, expected) => {
    expect(await refusal(files)).toEqual(expected);
  });

  it('throws for the first missing file of the block, even if another read fails earlier', async () => {
    const pairs = [{ certFile: join(folder, 'none.crt'), keyFile: join(folder, 'none.key') }];
    const loads = Array.from({ length: 200 }, () => loadMaterial({ ...defaultTlsBlock, pairs }, new Date()));
    const outcomes = await Promise.allSettled(loads);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringContaining('none.crt') },
      });
    }
  });

  it('throws for options that OpenSSL rejects, with its own reason', async () => {
    const unknown = await refusal({}, { cipherSuites: ['TLS_RSA_WITH_RC4_128_SHA'], minVersion: '1.2' });
    expect(unknown.message).toMatch(/^OpenSSL rejects "tls.crt": no cipher match$/);
    expect(unknown.code).toBe('tls-refused');
  });
});

describe('warnings', () => {
  it.each<[string, () => ReturnType<TestAuthority['leaf']>, string, RegExp]>([
    [
      'an expired certificate',
      () => ca.server('n1', { from: -3, until: -2 }),
      'expired',
      /^certificate CN=n1 in ".*tls.crt" expired at /,
    ],
    [
      'a certificate that is not valid yet',
      () => ca.server('n1', { from: 2, until: 3 }),
      'not-yet-valid',
      /^certificate CN=n1 in ".*" is not valid before /,
    ],
    [
      'a certificate that is not for servers',
      () => ca.leaf('n1'),
      'wrong-usage',
      /^certificate CN=n1 in ".*" is not for servers \(its extended key usage is clientAuth\): clients reject it$/,
    ],
  ])('accepts %s with a warning', async (_, make, code, warning) => {
    const { cert, key } = await make();
    expect((await load({ cert, key })).warnings).toEqual([
      { code, file: expect.stringContaining('tls.crt'), message: expect.stringMatching(warning) },
    ]);
  });

  it('accepts a chain with a gap, in another order or with duplicates, as peers do', async () => {
    const message = /^certificate 2 in ".*tls.crt" \(CN=Test CA\) did not issue certificate 1 \(CN=n1\)$/;
    for (const cert of [leaf + ca.pem, leaf + ca.pem + sub.pem]) {
      expect((await load({ cert })).warnings).toEqual([
        {
          code: 'chain-out-of-order',
          file: expect.stringContaining('tls.crt'),
          message: expect.stringMatching(message),
          hint: "put the server's own certificate first, then its issuer, then the issuer of that",
        },
      ]);
    }
    expect((await load({ cert: leaf + leaf + sub.pem + sub.pem })).warnings).toEqual([]);
  });

  it('accepts an expired authority with a warning', async () => {
    const old = await TestAuthority.make('Old CA', { until: -2 });
    expect((await load({ ca: ca.pem + old.pem })).warnings).toEqual([
      {
        code: 'expired',
        file: expect.stringContaining('ca.crt'),
        message: expect.stringMatching(/^certificate CN=Old CA in ".*ca.crt" expired at /),
      },
    ]);
  });
});

describe('without a ca_file', () => {
  it('trusts the authorities in SSL_CERT_FILE', async () => {
    writeFileSync(caFile, ca.pem);
    expect(await systemTrust({ SSL_CERT_FILE: caFile })).toEqual([ca.pem]);
  });

  it('trusts the authorities of the system, and no others', async () => {
    expect((await systemTrust({})).join('')).toContain('BEGIN CERTIFICATE');
    const listener = await listenTls({ pairs: [pair] }, { verify: true });
    const stranger = await ca.leaf('stranger');
    expect(await greeting(listener.port, { cert: stranger.cert, key: stranger.key })).not.toBe('hello');
    expect(await listener.outcome()).toMatchObject({
      code: 'client-certificate-untrusted',
      message:
        'client certificate CN=stranger is from an authority that is not trusted: CN=Test CA is not in the authorities of the system',
    });
    await listener.close();
  });
});
