import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { keyTypes } from '../../src/x509/key.ts';
import { certificateFingerprint, pinOf } from '../../src/x509/pin.ts';
import { openssl, opensslBytes } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('pin');
const at = (name: string) => join(folder, name);

const algorithms = {
  p256: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  ed25519: ['-algorithm', 'ED25519'],
  rsa2048: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  rsa3072: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072'],
  rsa4096: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:4096'],
};

/** Computes the pin as the documentation of nats-server describes. */
function expectedPin(certificate: string): string {
  writeFileSync(at('public'), openssl('x509', '-in', certificate, '-pubkey', '-noout'));
  const spki = opensslBytes('pkey', '-pubin', '-in', at('public'), '-outform', 'DER');
  return createHash('sha256').update(spki).digest('hex');
}

const pin = (name: string) => pinOf(readFileSync(at(name)), name);

describe.each(keyTypes)('the pin of a key of type %s', (type) => {
  let expected = '';
  beforeAll(() => {
    openssl('genpkey', ...algorithms[type], '-out', at(`${type}.key`));
    openssl('req', '-x509', '-new', '-key', at(`${type}.key`), '-subj', '/CN=x', '-out', at(`${type}.pem`));
    expected = expectedPin(at(`${type}.pem`));
  });

  it('is the same as openssl computes', () => {
    expect(expected).toMatch(/^[0-9a-f]{64}$/);
    expect(pin(`${type}.pem`)).toBe(expected);
  });

  it('is the same from a certificate, request or key, PEM or DER', () => {
    const key = at(`${type}.key`);
    openssl('x509', '-in', at(`${type}.pem`), '-outform', 'DER', '-out', at('cert.der'));
    openssl('req', '-new', '-key', key, '-subj', '/CN=x', '-out', at('csr.pem'));
    openssl('req', '-in', at('csr.pem'), '-outform', 'DER', '-out', at('csr.der'));
    openssl('pkey', '-in', key, '-pubout', '-out', at('public.pem'));
    openssl('pkey', '-in', key, '-pubout', '-outform', 'DER', '-out', at('public.der'));
    openssl('pkey', '-in', key, '-outform', 'DER', '-out', at('key.der'));
    const files = ['cert.der', 'csr.pem', 'csr.der', 'public.pem', 'public.der', 'key.der', `${type}.key`];
    if (type !== 'ed25519') {
      openssl('pkey', '-in', key, '-traditional', '-out', at('traditional.pem'));
      openssl('pkey', '-in', key, '-traditional', '-outform', 'DER', '-out', at('traditional.der'));
      files.push('traditional.pem', 'traditional.der');
    }
    if (type.startsWith('rsa')) {
      openssl('rsa', '-in', key, '-RSAPublicKey_out', '-out', at('pkcs1.pem'));
      openssl('rsa', '-in', key, '-RSAPublicKey_out', '-outform', 'DER', '-out', at('pkcs1.der'));
      files.push('pkcs1.pem', 'pkcs1.der');
    }
    expect(Object.fromEntries(files.map((file) => [file, pin(file)]))).toEqual(
      Object.fromEntries(files.map((file) => [file, expected])),
    );
  });
});

describe('the pin of a file', () => {
  it('is that of its first certificate, request or key', () => {
    const text = ['p256.pem', 'p384.pem'].map((name) => readFileSync(at(name), 'utf8')).join('some text\n');
    expect(pinOf(Buffer.from(text), 'chain.pem')).toBe(pin('p256.pem'));
  });

  it('is also that of a certificate of version 1', () => {
    openssl('req', '-new', '-key', at('p256.key'), '-subj', '/CN=x', '-out', at('v1.csr'));
    openssl('x509', '-req', '-in', at('v1.csr'), '-signkey', at('p256.key'), '-out', at('v1.pem'));
    expect(openssl('x509', '-in', at('v1.pem'), '-noout', '-text')).toContain('Version: 1');
    expect(pin('v1.pem')).toBe(pin('p256.pem'));
  });

  it.each([
    ['empty-file', '', '"f" is empty'],
    ['no-material', 'hello', '"f" is neither PEM nor DER of a certificate, request or key'],
    ['foreign-format', '-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n', '"f" is PKCS#7, expected PEM'],
    [
      'no-material',
      '-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n',
      'no certificate, request, key or revocation list in "f"',
    ],
  ])('is missing: %s', (code, text, message) => {
    expect(() => pinOf(Buffer.from(text), 'f')).toThrow(expect.objectContaining({ code, message }));
  });

  it('cannot be computed for an encrypted key', () => {
    openssl('pkey', '-in', at('p256.key'), '-aes256', '-passout', 'pass:x', '-out', at('locked.pem'));
    expect(() => pin('locked.pem')).toThrow(expect.objectContaining({ code: 'passphrase-needed' }));
  });
});

describe('the fingerprint of a certificate', () => {
  it('is the same as openssl prints', () => {
    const printed = openssl('x509', '-in', at('p256.pem'), '-noout', '-fingerprint', '-sha256');
    const expected = printed.trim().split('=')[1]?.replaceAll(':', '').toLowerCase();
    expect(certificateFingerprint(readFileSync(at('p256.pem')), 'p256.pem')).toBe(expected);
  });

  it('is missing when the file has no certificate', () => {
    expect(() => certificateFingerprint(readFileSync(at('p256.key')), 'p256.key')).toThrow(
      '"p256.key" holds a private key, expected a certificate',
    );
  });
});
