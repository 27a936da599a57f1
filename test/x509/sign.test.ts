// Certificates and requests that natspki signs, verified with openssl, Node's TLS and our own reader.
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Certificate } from '../../src/x509/certificate.ts';
import { tags } from '../../src/x509/der.ts';
import { generateKey, keyTypes } from '../../src/x509/key.ts';
import { formatSan, parseSan } from '../../src/x509/name.ts';
import { writePem } from '../../src/x509/pem.ts';
import { readRequestDer } from '../../src/x509/request.ts';
import { readRevocationList } from '../../src/x509/revocation-list.ts';
import { makeRequest, type Purpose, Signer } from '../../src/x509/sign.ts';
import { openssl } from '../harness/openssl.ts';
import { writeDer } from '../support/der.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('sign');
const p521 = { namedCurve: 'P-521' };
const random = (size: number) => randomBytes(size);
const life = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2046-01-01T00:00:00Z') };
const sans = [
  'dns:n1.example.com',
  'dns:*.example.com',
  'ip:10.0.0.1',
  'ip:::1',
  'email:a@example.com',
  'uri:urn:x:y',
];

/** Every key type of an authority; only imported ones have P-521. */
const authorityTypes = [...keyTypes, 'p521'] as const;

async function keyOfType(type: (typeof authorityTypes)[number]): Promise<KeyObject> {
  return type === 'p521' ? generateKeyPairSync('ec', p521).privateKey : generateKey(type);
}

async function authority(type: (typeof authorityTypes)[number], commonName = 'Example authority') {
  const key = await keyOfType(type);
  const contents = { commonName, publicKey: createPublicKey(key), ...life, pathLength: 1 };
  const certificate = await Signer.selfSigned(contents, key, random);
  return { key, certificate, signer: await Signer.of(certificate, key, random) };
}

function leafContents(key: KeyObject) {
  const purposes = ['serverAuth', 'clientAuth'] as const;
  return { commonName: 'n1', publicKey: createPublicKey(key), ...life, sans: sans.map(parseSan), purposes };
}

function write(name: string, certificate: Certificate): string {
  const file = join(folder, name);
  writeFileSync(file, certificate.toPem());
  return file;
}

function text(certificate: Certificate): string {
  return openssl('x509', '-in', write('text.pem', certificate), '-noout', '-text');
}

const algorithms = {
  p256: 'ecdsa-with-SHA256',
  p384: 'ecdsa-with-SHA384',
  p521: 'ecdsa-with-SHA512',
  ed25519: 'ED25519',
  rsa2048: 'sha256WithRSAEncryption',
  rsa3072: 'sha256WithRSAEncryption',
  rsa4096: 'sha256WithRSAEncryption',
};

describe.each(authorityTypes)('an authority with a key of type %s', (type) => {
  let ca: Awaited<ReturnType<typeof authority>>;
  let leaf: Certificate;
  beforeAll(async () => {
    ca = await authority(type);
    leaf = await ca.signer.leaf(leafContents(await generateKey('p256')));
  });

  it('signs with the algorithm of its key, and openssl verifies the result', () => {
    expect(text(leaf)).toContain(`Signature Algorithm: ${algorithms[type]}`);
    const trusted = write('ca.pem', ca.certificate);
    const file = write('leaf.pem', leaf);
    for (const purpose of ['sslserver', 'sslclient']) {
      expect(openssl('verify', '-x509_strict', '-purpose', purpose, '-CAfile', trusted, file)).toBe(
        `${file}: OK\n`,
      );
    }
  });

  it('is read by our own reader', () => {
    expect(leaf.isSignedBy(ca.certificate)).toBe(true);
    expect(ca.certificate.isSignedBy(ca.certificate)).toBe(true);
    expect(leaf.authorityKeyId).toBe(ca.certificate.subjectKeyId);
  });
});

describe.each([
  ['p256', 200],
  ['p384', 100],
  ['p521', 50],
] as const)('the signature of a key of type %s', (type, times) => {
  // Of its two numbers, one in 256 begins with a zero byte, and half begin with a set bit, which DER pads.
  it('is valid regardless of the first bits of its numbers', async () => {
    const ca = await authority(type);
    const contents = { ...leafContents(await generateKey('p256')), sans: [] };
    for (let i = 0; i < times; i++) {
      expect((await ca.signer.leaf(contents)).isSignedBy(ca.certificate)).toBe(true);
    }
  });
});

describe('the profile of RFC 5280', () => {
  let ca: Awaited<ReturnType<typeof authority>>;
  let key: KeyObject;
  beforeAll(async () => {
    ca = await authority('p256');
    key = await generateKey('p256');
  });

  it('makes an authority of version 3, with critical constraints and usage, and key identifiers', () => {
    const printed = text(ca.certificate).replaceAll(/ +\n/g, '\n');
    expect(printed).toContain('Version: 3 (0x2)');
    expect(printed).toMatch(/X509v3 Basic Constraints: critical\n\s+CA:TRUE, pathlen:1\n/);
    expect(printed).toMatch(/X509v3 Key Usage: critical\n\s+Certificate Sign, CRL Sign\n/);
    expect(printed).toMatch(/X509v3 Subject Key Identifier:\n\s+[0-9A-F:]{59}\n/);
    expect(printed).toMatch(/X509v3 Authority Key Identifier:\n\s+[0-9A-F:]{59}\n/);
    expect(printed).not.toContain('Extended Key Usage');
  });

  it('makes a leaf with usages, purposes and names of all four kinds', async () => {
    const leaf = await ca.signer.leaf(leafContents(key));
    const printed = text(leaf).replaceAll(/ +\n/g, '\n');
    expect(printed).toContain('Version: 3 (0x2)');
    expect(printed).toMatch(/X509v3 Basic Constraints: critical\n\s+CA:FALSE\n/);
    expect(printed).toMatch(/X509v3 Key Usage: critical\n\s+Digital Signature\n/);
    expect(printed).toMatch(
      /X509v3 Extended Key Usage:\n\s+TLS Web Server Authentication, TLS Web Client Authentication\n/,
    );
    expect(printed).toContain(
      'DNS:n1.example.com, DNS:*.example.com, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1, email:a@example.com, URI:urn:x:y',
    );
    expect(leaf.sans.map(formatSan)).toEqual(sans);
    expect(leaf).toMatchObject({
      commonName: 'n1',
      issuerCommonName: 'Example authority',
      ...life,
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['serverAuth', 'clientAuth'],
      authority: false,
    });
  });

  it('allows key encipherment for the RSA key of a server, which RSA key exchange in TLS 1.2 needs', async () => {
    const contents = leafContents(await generateKey('rsa2048'));
    for (const purposes of [['serverAuth'], ['serverAuth', 'clientAuth']] as Purpose[][]) {
      const leaf = await ca.signer.leaf({ ...contents, purposes });
      expect(leaf.keyUsage).toEqual(['digitalSignature', 'keyEncipherment']);
    }
  });

  it('allows only signatures for the RSA key of a client (RFC 5280 section 4.2.1.12)', async () => {
    const contents = leafContents(await generateKey('rsa2048'));
    const leaf = await ca.signer.leaf({ ...contents, purposes: ['clientAuth'] });
    expect(leaf.keyUsage).toEqual(['digitalSignature']);
  });

  it('leaves out the extension for names when there are none', async () => {
    const leaf = await ca.signer.leaf({ ...leafContents(key), sans: [] });
    expect(text(leaf)).not.toContain('Alternative Name');
  });

  it('makes positive serial numbers of 159 random bits', async () => {
    const serials: Buffer[] = [];
    for (let i = 0; i < 200; i++) {
      const { serial } = await ca.signer.leaf({ ...leafContents(key), sans: [] });
      serials.push(Buffer.from(serial.padStart(40, '0'), 'hex'));
    }
    expect(serials.every((serial) => serial.length === 20 && (serial[0] as number) < 0x80)).toBe(true);
    // Each of the 159 bits is set in some and clear in others, except with a probability of 2^-191.
    for (let bit = 1; bit < 160; bit++) {
      const set = serials.filter((serial) => (serial[bit >> 3] as number) & (0x80 >> (bit & 7))).length;
      expect(set, `bit ${bit}`).toBeGreaterThan(0);
      expect(set, `bit ${bit}`).toBeLessThan(200);
    }
  });

  it.each([
    ['00ff', '00'.repeat(18)],
    ['80', `${'00'.repeat(18)}01`],
    ['ff', 'ff'.repeat(19)],
  ])('encodes a serial number that begins with %s so that it is read back', async (start, rest) => {
    const bytes = Buffer.from(start + rest, 'hex');
    const signer = await Signer.of(ca.certificate, ca.key, () => Buffer.from(bytes));
    const leaf = await signer.leaf(leafContents(key));
    const expected = Buffer.from(bytes);
    expected[0] = (expected[0] as number) & 0x7f;
    expect(BigInt(`0x${leaf.serial}`)).toBe(BigInt(`0x${expected.toString('hex')}`));
    expect(openssl('x509', '-in', write('serial.pem', leaf), '-noout', '-serial')).toBe(
      `serial=${leaf.serial.toUpperCase()}\n`,
    );
  });

  it('encodes years from 2050 in the long form of time', async () => {
    const notAfter = new Date('2077-07-07T07:07:07Z');
    const leaf = await ca.signer.leaf({ ...leafContents(key), notAfter });
    expect(leaf.notAfter).toEqual(notAfter);
    expect(openssl('x509', '-in', write('late.pem', leaf), '-noout', '-enddate')).toBe(
      'notAfter=Jul  7 07:07:07 2077 GMT\n',
    );
  });

  it('encodes names in any script', async () => {
    const leaf = await ca.signer.leaf({ ...leafContents(key), commonName: 'Zürich, 東京 "x"' });
    expect(leaf.commonName).toBe('Zürich, 東京 "x"');
    expect(
      openssl('x509', '-in', write('utf8.pem', leaf), '-noout', '-subject', '-nameopt', 'utf8'),
    ).toContain('Zürich, 東京');
  });

  it('copies a subject byte for byte', async () => {
    const name = (...attributes: [number, Buffer][]) => {
      const rdns = attributes.map(([tag, value]) =>
        writeDer(tags.set, writeDer(tags.sequence, organization, writeDer(tag, value))),
      );
      return writeDer(tags.sequence, ...rdns);
    };
    const organization = Buffer.from('060355040a', 'hex');
    const utf16 = Buffer.from('Bücher 東京 😀', 'utf16le').swap16();
    const subjectDer = name(
      [tags.utf8String, Buffer.from('Bücher 東京 😀')],
      [tags.utf8String, Buffer.alloc(0)],
      [0x12, Buffer.from('123')],
      [0x13, Buffer.from('printable')],
      [0x14, Buffer.from('B\xfccher', 'latin1')],
      [0x16, Buffer.from('a@example.com')],
      [0x1a, Buffer.from('visible')],
      [0x1e, utf16],
    );
    expect((await ca.signer.leaf({ ...leafContents(key), subjectDer })).subjectDer).toEqual(subjectDer);
    const contents = { ...leafContents(key), subjectDer: name([tags.utf8String, Buffer.of(0xff)]) };
    await expect(ca.signer.leaf(contents)).rejects.toThrow(
      expect.objectContaining({
        code: 'unwritable-name',
        message: 'the distinguished name "O=\ufffd" has text that is not valid in its string type',
      }),
    );
  });

  it('lets an authority cross-sign another one, whose leaves verify with either as root', async () => {
    const next = await authority('p256', 'Next authority');
    const contents = {
      commonName: 'Next authority',
      publicKey: createPublicKey(next.key),
      ...life,
      pathLength: 0,
    };
    const crossed = await ca.signer.authority(contents);
    const leaf = await next.signer.leaf(leafContents(key));
    const file = write('leaf.pem', leaf);
    const between = write('crossed.pem', crossed);
    for (const trusted of [ca.certificate, next.certificate]) {
      const bundle = write('bundle.pem', trusted);
      const parameters = ['-x509_strict', '-purpose', 'sslserver', '-CAfile', bundle, '-untrusted', between];
      expect(openssl('verify', ...parameters, file)).toBe(`${file}: OK\n`);
    }
  });

  it('rejects a key that cannot sign', async () => {
    const { privateKey } = generateKeyPairSync('x25519');
    await expect(Signer.of(ca.certificate, privateKey, random)).rejects.toThrow(
      expect.objectContaining({
        code: 'wrong-key-type',
        message:
          'an authority cannot sign with a key of type x25519, expected one of p256, p384, ed25519, rsa2048, rsa3072, rsa4096',
      }),
    );
  });
});

describe('a certificate request', () => {
  /** Returns a request as openssl prints it; throws when its signature is invalid. */
  const printed = (der: Buffer) => {
    const file = join(folder, 'request.pem');
    writeFileSync(file, writePem('CERTIFICATE REQUEST', der));
    return openssl('req', '-verify', '-noout', '-text', '-in', file).replaceAll(/ +\n/g, '\n');
  };

  it.each(authorityTypes)(
    'has the subject and the names asked for, signed by its key of type %s',
    async (type) => {
      const key = await keyOfType(type);
      const der = await makeRequest({ commonName: 'Zürich', sans: sans.map(parseSan) }, key);
      expect(printed(der)).toContain(
        'DNS:n1.example.com, DNS:*.example.com, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1, email:a@example.com, URI:urn:x:y',
      );
      const request = readRequestDer(der, 'request.pem');
      expect(request).toMatchObject({
        subject: [{ type: 'CN', value: 'Zürich' }],
        otherNameKinds: [],
        otherExtensions: [],
        signatureAlgorithm: algorithms[type].replace('ED25519', 'ed25519'),
        signatureValid: true,
      });
      expect(request.sans.map(formatSan)).toEqual(sans);
      expect(request.publicKey.equals(createPublicKey(key))).toBe(true);
    },
  );

  it('requests no extension when there are no names', async () => {
    const der = await makeRequest({ commonName: 'n1', sans: [] }, await generateKey('p256'));
    expect(printed(der)).toMatch(/Attributes:\n\s+\(none\)\n/);
    const nothing = { sans: [], otherExtensions: [], signatureValid: true };
    expect(readRequestDer(der, 'request.pem')).toMatchObject(nothing);
  });

  it('copies the subject of a certificate byte for byte', async () => {
    const { key, certificate } = await authority('p256', 'Zürich');
    const { subjectDer } = certificate;
    const der = await makeRequest({ commonName: 'other', subjectDer, sans: [] }, key);
    expect(der.includes(subjectDer)).toBe(true);
    expect(readRequestDer(der, 'request.pem').subject).toEqual(certificate.subject);
  });

  it('cannot be made with a key that cannot sign', async () => {
    const { privateKey } = generateKeyPairSync('x25519');
    await expect(makeRequest({ commonName: 'n1', sans: [] }, privateKey)).rejects.toThrow(
      expect.objectContaining({
        code: 'wrong-key-type',
        message: expect.stringMatching(/^a certificate request cannot be signed with a key of type x25519, /),
      }),
    );
  });
});

describe('a signed revocation list', () => {
  const revokedAt = new Date('2026-01-02T03:04:05Z');
  const list = { number: 2n ** 63n, thisUpdate: revokedAt, nextUpdate: new Date('2049-12-31T23:59:59Z') };

  it.each(authorityTypes)(
    'is verified by openssl and by the own reader, by an authority of type %s',
    async (type) => {
      const { certificate, signer } = await authority(type);
      const revoked = [
        { serial: '01', revokedAt },
        { serial: 'ff'.repeat(19), revokedAt, reason: 'keyCompromise' },
      ];
      const der = await signer.revocationList({ ...list, revoked });
      const read = readRevocationList(der, 'list');
      expect(read).toMatchObject({ ...list, revoked });
      expect(read.isSignedBy(certificate)).toBe(true);
      expect(read.isSignedBy((await authority('p256')).certificate)).toBe(false);
      const file = join(folder, 'list.pem');
      writeFileSync(file, writePem('X509 CRL', der));
      const issuer = write('issuer.pem', certificate);
      expect(openssl('crl', '-in', file, '-noout', '-CAfile', issuer, '-verify')).not.toContain('failure');
    },
  );

  it('gives no extensions to an entry without a reason, and no entries to an empty list', async () => {
    const { signer } = await authority('p256');
    const bytes = async (revoked: { serial: string; revokedAt: Date; reason?: string }[]) =>
      (await signer.revocationList({ ...list, revoked })).toString('hex');
    const entry = '3012020101170d3236303130323033303430355a';
    expect(await bytes([{ serial: '01', revokedAt }])).toContain(`3014${entry}`);
    expect(await bytes([{ serial: '01', revokedAt, reason: 'unspecified' }])).toContain(`3014${entry}`);
    expect(await bytes([])).not.toContain(entry.slice(4));
  });

  it('keeps 2,000 certificates in their order', async () => {
    const { signer, certificate } = await authority('p256');
    const revoked = Array.from({ length: 2_000 }, () => ({
      serial: `7f${randomBytes(18).toString('hex')}`,
      revokedAt,
    }));
    const read = readRevocationList(await signer.revocationList({ ...list, revoked }), 'list');
    expect(read.revoked).toEqual(revoked);
    expect(read.isSignedBy(certificate)).toBe(true);
  });
});
