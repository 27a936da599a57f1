import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatName } from '../../src/x509/distinguished-name.ts';
import { keyTypeOf } from '../../src/x509/key.ts';
import { formatSan } from '../../src/x509/name.ts';
import { readPem } from '../../src/x509/pem.ts';
import { readRequest, readRequestDer } from '../../src/x509/request.ts';
import { openssl } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('request');
const at = (name: string) => join(folder, name);

function request(name: string, algorithm: string[], ...more: string[]) {
  openssl('genpkey', ...algorithm, '-out', at('key'));
  openssl('req', '-new', '-key', at('key'), '-subj', '/O=Example/CN=n1', '-out', at(name), ...more);
  return readRequest(readFileSync(at(name)), name);
}

const p256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];

describe('a certificate request', () => {
  it.each([
    ['p256', p256, 'ecdsa-with-SHA256'],
    ['p384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'], 'ecdsa-with-SHA256'],
    ['ed25519', ['-algorithm', 'ED25519'], 'ed25519'],
    ['rsa2048', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'sha256WithRSAEncryption'],
  ])('with a key of type %s is read, and its signature verified', (type, algorithm, signature) => {
    const read = request(`${type}.csr`, algorithm);
    expect(formatName(read.subject)).toBe('O=Example,CN=n1');
    expect(keyTypeOf(read.publicKey)).toBe(type);
    expect(read).toMatchObject({
      sans: [],
      otherExtensions: [],
      signatureAlgorithm: signature,
      signatureValid: true,
    });
  });

  it('has the requested names and the object identifiers of other extensions', () => {
    const names = 'subjectAltName=DNS:n1,IP:10.0.0.1,email:a@b.example,URI:urn:x:y';
    const read = request('names.csr', p256, '-addext', names, '-addext', 'basicConstraints=critical,CA:TRUE');
    expect(read.sans.map(formatSan)).toEqual(['dns:n1', 'ip:10.0.0.1', 'email:a@b.example', 'uri:urn:x:y']);
    expect(read.otherExtensions).toEqual(['2.5.29.19']);
  });

  it('has an invalid signature when it was changed after signing', () => {
    request('changed.csr', p256);
    const der = Buffer.from(readPem(readFileSync(at('changed.csr')), 'changed.csr')[0]?.der ?? []);
    der[der.indexOf('n1')] = 'm'.charCodeAt(0);
    expect(readRequestDer(der, 'changed.csr')).toMatchObject({ signatureValid: false });
  });

  it('has an invalid signature when the hash is broken', () => {
    const algorithm = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];
    expect(request('sha1.csr', algorithm, '-sha1')).toMatchObject({
      signatureAlgorithm: 'sha1WithRSAEncryption',
      signatureValid: false,
    });
  });

  it('is missing when the file has other material', () => {
    request('any.csr', p256);
    expect(() => readRequest(readFileSync(at('key')), 'key')).toThrow(
      '"key" holds a private key, expected a certificate request',
    );
  });

  it('is damaged when bytes are missing', () => {
    request('whole.csr', p256);
    const lines = readFileSync(at('whole.csr'), 'utf8').split('\n').toSpliced(2, 1);
    expect(() => readRequest(Buffer.from(lines.join('\n')), 'torn.csr')).toThrow(
      expect.objectContaining({ code: 'damaged-request' }),
    );
  });
});
