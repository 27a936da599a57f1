// Reads certificates of other tools; sign.test.ts reads those of natspki.
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, readCertificates } from '../../src/x509/certificate.ts';
import { formatName } from '../../src/x509/distinguished-name.ts';
import { formatSan } from '../../src/x509/name.ts';
import { makeAuthority, makeLeaf, openssl, type Pair } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('certificate');
const read = (file: string): Certificate => readCertificates(readFileSync(file), file)[0];

let ca: Pair;
let leaf: Pair;
beforeAll(() => {
  ca = makeAuthority(folder);
  leaf = makeLeaf(folder, 'leaf', ca, { usage: 'serverAuth', hosts: ['n1.example.com', '10.0.0.1', '::1'] });
});

describe('a certificate made by openssl', () => {
  it('has the fields that Node reads, and those that Node does not read', () => {
    const certificate = read(leaf.cert);
    const node = new X509Certificate(readFileSync(leaf.cert));
    expect(certificate.serial.toUpperCase()).toBe(node.serialNumber);
    expect(certificate.notBefore).toEqual(new Date(node.validFrom));
    expect(certificate.notAfter).toEqual(new Date(node.validTo));
    expect(certificate.fingerprint.toUpperCase()).toBe(node.fingerprint256.replaceAll(':', ''));
    expect(certificate.publicKey.equals(node.publicKey)).toBe(true);
    expect(certificate.sans.map(formatSan)).toEqual(['dns:n1.example.com', 'ip:10.0.0.1', 'ip:::1']);
    expect(certificate).toMatchObject({
      commonName: 'leaf',
      issuerCommonName: 'ca',
      keyType: 'p256',
      signatureAlgorithm: 'ecdsa-with-SHA256',
      brokenSignatureAlgorithm: false,
      authority: false,
      extendedKeyUsage: ['serverAuth'],
      keyUsage: undefined,
    });
    expect(certificate.authorityKeyId).toBe(read(ca.cert).subjectKeyId);
  });

  it('has the path length and usages of an authority', () => {
    expect(read(ca.cert)).toMatchObject({
      authority: true,
      pathLength: undefined,
      keyUsage: ['keyCertSign', 'cRLSign'],
      extendedKeyUsage: undefined,
    });
  });

  it('has its own key and no other', () => {
    const [own, other] = [leaf, ca].map(({ key }) => createPrivateKey(readFileSync(key)));
    const certificate = read(leaf.cert);
    expect(certificate.hasKey(own as NonNullable<typeof own>)).toBe(true);
    expect(certificate.hasKey(createPublicKey(own as NonNullable<typeof own>))).toBe(true);
    expect(certificate.hasKey(other as NonNullable<typeof other>)).toBe(false);
  });

  it('is signed by its issuer, and not by an authority with the same name', () => {
    const other = makeAuthority(folder, 'other');
    openssl(
      'req',
      '-x509',
      '-new',
      '-key',
      other.key,
      '-subj',
      '/CN=ca',
      '-out',
      join(folder, 'same-name.pem'),
    );
    const certificate = read(leaf.cert);
    expect(certificate.isSignedBy(read(ca.cert))).toBe(true);
    expect(certificate.isSignedBy(read(join(folder, 'same-name.pem')))).toBe(false);
    expect(certificate.isSignedBy(read(other.cert))).toBe(false);
    expect(read(ca.cert).isSignedBy(read(ca.cert))).toBe(true);
  });

  it('is not signed by its issuer when a byte of it has changed', () => {
    const der = Buffer.from(read(leaf.cert).der);
    der[der.indexOf('n1.example.com')] = 'x'.charCodeAt(0);
    const changed = readCertificates(der, 'changed.der')[0];
    expect(changed.sans[0]?.value).toBe('x1.example.com');
    expect(changed.isSignedBy(read(ca.cert))).toBe(false);
  });

  it('has a subject with many attributes, in any script', () => {
    const subject = '/C=DE/O=Beispiel GmbH/OU=Nachrichten/CN=Zürich';
    const pair = makeLeaf(folder, 'parts', ca, { subject });
    // makeLeaf does not tell openssl that the bytes are UTF-8.
    expect(formatName(read(pair.cert).subject)).toMatch(/^C=DE,O=Beispiel GmbH,OU=Nachrichten,CN=Z.+rich$/);
  });

  it.each(['sha1', 'md5'])('has a broken signature algorithm when it is signed with %s', (digest) => {
    openssl('genrsa', '-out', join(folder, 'rsa.key'), '2048');
    const file = join(folder, `${digest}.pem`);
    openssl(
      'req',
      '-x509',
      '-new',
      '-key',
      join(folder, 'rsa.key'),
      `-${digest}`,
      '-subj',
      '/CN=x',
      '-out',
      file,
    );
    const certificate = read(file);
    expect(certificate.signatureAlgorithm).toBe(`${digest}WithRSAEncryption`);
    expect(certificate.brokenSignatureAlgorithm).toBe(true);
    expect(certificate.isSignedBy(certificate)).toBe(false);
  });

  it('is encoded byte for byte as it was read', () => {
    expect(read(leaf.cert).toPem()).toBe(readFileSync(leaf.cert, 'utf8'));
  });
});

describe('a file of certificates', () => {
  it('is read in order, without the keys in it', () => {
    const text = [leaf.key, leaf.cert, ca.cert].map((file) => readFileSync(file, 'utf8')).join('');
    expect(readCertificates(Buffer.from(text), 'chain.pem').map(({ commonName }) => commonName)).toEqual([
      'leaf',
      'ca',
    ]);
  });

  it('can be DER', () => {
    expect(readCertificates(read(leaf.cert).der, 'leaf.der')).toHaveLength(1);
  });

  it('leads to an error with the kinds that it has instead of certificates', () => {
    expect(() => read(leaf.key)).toThrow(
      expect.objectContaining({
        code: 'wrong-material',
        message: `"${leaf.key}" holds a private key, expected a certificate`,
      }),
    );
  });

  it('is damaged wherever a certificate is truncated, and the reader throws no other error', () => {
    const { der } = read(leaf.cert);
    for (let length = 1; length < der.length; length++) {
      expect(() => readCertificates(der.subarray(0, length), 'cut.der')).toThrow(
        /"cut.der" is neither PEM nor whole DER/,
      );
    }
  });

  it('is read or damaged whichever byte is wrong, and the reader throws no other error', () => {
    const { der } = read(leaf.cert);
    for (let at = 0; at < der.length; at++) {
      for (const value of [0x00, 0x30, 0x7f, 0xff]) {
        const changed = Buffer.from(der);
        changed[at] = value;
        try {
          const [certificate] = readCertificates(changed, 'changed.der');
          expect(certificate.isSignedBy(read(ca.cert)) && !changed.equals(der)).toBe(false);
        } catch (error) {
          expect(error).toMatchObject({ name: 'NatspkiError' });
        }
      }
    }
  });
});
