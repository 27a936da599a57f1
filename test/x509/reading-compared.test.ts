// Compares the strict reader with @peculiar/x509: both read the same in certificates, requests and revocation lists of
// natspki, openssl and other tools.
import 'reflect-metadata';
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Crypto } from '@peculiar/webcrypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type Name,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509Crl,
  X509CrlReason,
} from '@peculiar/x509';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ProfileName, profileNames, profiles } from '../../src/pki/store/profile.ts';
import { Certificate, readCertificates } from '../../src/x509/certificate.ts';
import { readMaterial } from '../../src/x509/decode.ts';
import type { NameAttribute } from '../../src/x509/distinguished-name.ts';
import { generateKey, keyTypes } from '../../src/x509/key.ts';
import { parseSan, type San } from '../../src/x509/name.ts';
import { readRequestDer } from '../../src/x509/request.ts';
import { readRevocationList } from '../../src/x509/revocation-list.ts';
import { makeRequest, type Purpose, Signer } from '../../src/x509/sign.ts';
import { makeAuthority, makeIntermediate, makeLeaf, openssl, opensslBytes } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';
import { easyRsaLayout, mkcertLayout, opensslRecipe } from '../support/foreign.ts';

const folder = testFolder('reading-compared');
cryptoProvider.set(new Crypto());

/** Attributes in these tests that @peculiar/x509 names differently. */
const attributeTypes: Record<string, string> = { E: 'emailAddress' };

/** Our names of signature algorithms by the names of @peculiar/x509. */
const signatureAlgorithms: Record<string, string> = {
  'ECDSA SHA-256': 'ecdsa-with-SHA256',
  'ECDSA SHA-384': 'ecdsa-with-SHA384',
  'ECDSA SHA-512': 'ecdsa-with-SHA512',
  Ed25519: 'ed25519',
  'RSASSA-PKCS1-v1_5 SHA-1': 'sha1WithRSAEncryption',
  'RSASSA-PKCS1-v1_5 SHA-256': 'sha256WithRSAEncryption',
  'RSASSA-PKCS1-v1_5 SHA-384': 'sha384WithRSAEncryption',
  'RSASSA-PKCS1-v1_5 SHA-512': 'sha512WithRSAEncryption',
};

const sanKinds: Record<string, San['kind']> = { dns: 'dns', ip: 'ip', email: 'email', url: 'uri' };

function attributesOf(name: Name): NameAttribute[] {
  return name
    .toJSON()
    .flatMap((rdn) =>
      Object.entries(rdn).flatMap(([type, values]) =>
        values.map((value) => ({ type: attributeTypes[type] ?? type, value: String(value) })),
      ),
    );
}

function algorithmOf(algorithm: object): string {
  const { name, hash } = algorithm as { name: string; hash?: { name: string } };
  return signatureAlgorithms[hash === undefined ? name : `${name} ${hash.name}`] ?? name;
}

function sansOf(extensions: readonly Extension[]): San[] {
  const names = extensions.find((each) => each instanceof SubjectAlternativeNameExtension)?.names;
  return (names?.items ?? []).flatMap(({ type, value }) => {
    const kind = sanKinds[type];
    return kind === undefined ? [] : [{ kind, value }];
  });
}

/** The extensions that our reader knows or leaves to OpenSSL and Go. */
const known = [14, 15, 17, 19, 30, 31, 32, 35, 36, 37, 54].map((arc) => `2.5.29.${arc}`);

/** Returns what @peculiar/x509 reads in a certificate, with the field names of our reader. */
function theirReading(certificate: X509Certificate): Partial<Certificate> {
  const constraints = certificate.getExtension(BasicConstraintsExtension);
  const usages = certificate.getExtension(KeyUsagesExtension)?.usages;
  const purposes = certificate.getExtension(ExtendedKeyUsageExtension)?.usages;
  const purposeNames = new Map(Object.entries(ExtendedKeyUsage).map(([name, oid]) => [oid as string, name]));
  purposeNames.set(ExtendedKeyUsage.ocspSigning, 'OCSPSigning');
  return {
    serial: certificate.serialNumber,
    subject: attributesOf(certificate.subjectName),
    issuer: attributesOf(certificate.issuerName),
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    spki: Buffer.from(certificate.publicKey.rawData),
    signatureAlgorithm: algorithmOf(certificate.signatureAlgorithm),
    sans: sansOf(certificate.extensions),
    authority: constraints?.ca ?? false,
    pathLength: constraints?.pathLength,
    keyUsage:
      usages === undefined
        ? undefined
        : (Object.keys(KeyUsageFlags).filter(
            (name) => usages & (KeyUsageFlags[name as keyof typeof KeyUsageFlags] as number),
          ) as Certificate['keyUsage'] & string[]),
    extendedKeyUsage: purposes?.map((oid) => purposeNames.get(oid as string) ?? (oid as string)),
    subjectKeyId: certificate.getExtension(SubjectKeyIdentifierExtension)?.keyId,
    authorityKeyId: certificate.getExtension(AuthorityKeyIdentifierExtension)?.keyId,
    unknownCritical: certificate.extensions
      .filter(({ critical, type }) => critical && !known.includes(type))
      .map(({ type }) => type),
  };
}

/** Returns whether one certificate signed another according to @peculiar/x509: checks the names and the signature. */
async function verifies(certificate: X509Certificate, issuer: X509Certificate): Promise<boolean> {
  if (certificate.issuer !== issuer.subject) return false;
  try {
    return await certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true });
  } catch (error) {
    // The signature is too long for the curve of the key.
    expect(error).toBeInstanceOf(RangeError);
    return false;
  }
}

/** Expects both readers to read the same in a certificate, and to find the same issuers. */
async function expectSameReading(der: Buffer, issuers: readonly Certificate[] = []): Promise<void> {
  const ours = new Certificate(der);
  const theirs = new X509Certificate(der);
  const expected = theirReading(theirs);
  expect(
    Object.fromEntries(Object.keys(expected).map((key) => [key, ours[key as keyof Certificate]])),
  ).toEqual(expected);
  for (const issuer of issuers) {
    expect(ours.isSignedBy(issuer)).toBe(await verifies(theirs, new X509Certificate(issuer.der)));
  }
}

const lives = [
  { notBefore: new Date('2026-01-01T00:00:00.123Z'), notAfter: new Date('2049-12-31T23:59:59Z') },
  { notBefore: new Date('2049-12-31T23:59:59Z'), notAfter: new Date('2050-01-01T00:00:00.999Z') },
  { notBefore: new Date('1999-12-31T23:59:59Z'), notAfter: new Date('2125-06-07T08:09:10Z') },
] as const;
const sans = [
  'dns:n1.example.com',
  'dns:*.example.com',
  'ip:10.0.0.1',
  'ip:::1',
  'ip:2001:db8::8:800:200c:417a',
  'ip:2001:db8::',
  'ip:1:2:3:4:5:6:7:8',
  'email:a@example.com',
  'uri:urn:x:y',
].map(parseSan);
const serials = ['7f'.repeat(20), `00ff${'12'.repeat(18)}`, `${'00'.repeat(19)}80`, `a0${'00'.repeat(18)}01`];

const authorityTypes = [...keyTypes, 'p521'] as const;
const keys = new Map<string, KeyObject>();
beforeAll(async () => {
  await Promise.all(keyTypes.map(async (type) => keys.set(type, await generateKey(type))));
  keys.set('p521', generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey);
}, 120_000);
const keyOf = (type: (typeof authorityTypes)[number]) => keys.get(type) as KeyObject;

async function authority(
  type: (typeof authorityTypes)[number],
  commonName = 'Zürich, 東京 "x"',
  key = keyOf(type),
) {
  const contents = { commonName, publicKey: createPublicKey(key), ...lives[0], pathLength: 1 };
  const certificate = await Signer.selfSigned(contents, key, randomBytes);
  return { certificate, contents, key };
}

describe.each(authorityTypes)(
  'the strict reader and @peculiar/x509, with an authority of type %s,',
  (type) => {
    it.each(profileNames)('agree on %s certificates with keys of all types', async (profile: ProfileName) => {
      const { certificate: issuer, key } = await authority(type);
      const { certificate: namesake } = await authority(type === 'p256' ? 'p384' : 'p256');
      for (const [index, leafType] of authorityTypes.entries()) {
        const serial = Buffer.from(serials[index % serials.length] as string, 'hex');
        const signer = await Signer.of(issuer, key, () => serial);
        const leaf = await signer.leaf({
          commonName: `n${index}`,
          publicKey: createPublicKey(keyOf(leafType)),
          ...(lives[index % lives.length] as (typeof lives)[number]),
          sans: sans.slice(index),
          purposes: profiles[profile].purposes,
        });
        await expectSameReading(leaf.der, [issuer, namesake]);
      }
    });

    it('agree on the authority, on a root that it cross-signs and on an intermediate', async () => {
      const old = await authority(type);
      const next = await authority('p256', 'Next authority', await generateKey('p256'));
      const signer = await Signer.of(old.certificate, old.key, randomBytes);
      const crossed = await signer.authority({ ...next.contents, subjectDer: next.certificate.subjectDer });
      const below = await signer.authority({ ...next.contents, commonName: 'Below', pathLength: 0 });
      const issuers = [old.certificate, next.certificate];
      for (const { der } of [...issuers, crossed, below]) await expectSameReading(der, issuers);
      expect(crossed.isSignedBy(old.certificate)).toBe(true);
      expect(crossed.subjectDer).toEqual(next.certificate.subjectDer);
    });

    it('find the extensions in the same order, the first two critical', async () => {
      const { certificate, key, contents } = await authority(type);
      const extensionsOf = ({ der }: Certificate) =>
        new X509Certificate(der).extensions.map((each) => `${each.type}${each.critical ? ' critical' : ''}`);
      const [constraints, usage] = ['2.5.29.19 critical', '2.5.29.15 critical'];
      expect(extensionsOf(certificate)).toEqual([constraints, usage, '2.5.29.14', '2.5.29.35']);
      const signer = await Signer.of(certificate, key, randomBytes);
      const purposes: Purpose[] = ['serverAuth', 'clientAuth'];
      expect(extensionsOf(await signer.leaf({ ...contents, sans, purposes }))).toEqual([
        constraints,
        usage,
        '2.5.29.37',
        '2.5.29.17',
        '2.5.29.14',
        '2.5.29.35',
      ]);
    });

    it('agree on requests signed with its key', async () => {
      for (const names of [sans, []]) {
        const der = await makeRequest({ commonName: 'Zürich', sans: names }, keyOf(type));
        await expectSameRequest(der);
      }
    });
  },
);

/** Expects both readers to read the same in a request. */
async function expectSameRequest(der: Buffer): Promise<void> {
  const ours = readRequestDer(der, 'request');
  const theirs = new Pkcs10CertificateRequest(der);
  expect(ours).toMatchObject({
    subject: attributesOf(theirs.subjectName),
    sans: sansOf(theirs.extensions),
    otherExtensions: theirs.extensions.map(({ type }) => type).filter((type) => type !== '2.5.29.17'),
    signatureAlgorithm: algorithmOf(theirs.signatureAlgorithm),
    signatureValid: await theirs.verify(),
  });
  const spki = ours.publicKey.export({ type: 'spki', format: 'der' });
  expect(spki).toEqual(Buffer.from(theirs.publicKey.rawData));
}

describe('the strict reader and @peculiar/x509', () => {
  const at = (...parts: string[]) => join(folder, ...parts);

  /** Reads every certificate below a folder, in PEM or DER. */
  function certificatesBelow(path: string): Certificate[] {
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(pem|crt|der)$/.test(name) && name !== 'dh.pem')
      .flatMap((name) => {
        const materials = readMaterial(readFileSync(join(path, name)), name);
        return materials.filter(({ kind }) => kind === 'certificate').map(({ der }) => new Certificate(der));
      });
  }

  async function expectSameBelow(path: string, least: number): Promise<void> {
    const certificates = certificatesBelow(path);
    expect(certificates.length).toBeGreaterThanOrEqual(least);
    for (const { der } of certificates) await expectSameReading(der, certificates);
  }

  it('agree on certificates of version 1, as the documentation of nats-server makes them', async () => {
    opensslRecipe(at('recipe'));
    await expectSameBelow(at('recipe'), 3);
  });

  it('agree on certificates of mkcert', async () => {
    mkdirSync(at('mkcert'));
    mkcertLayout(at('mkcert'));
    await expectSameBelow(at('mkcert'), 3);
  });

  it('agree on the certificates and the revocation list of easy-rsa', async () => {
    mkdirSync(at('easy-rsa'));
    easyRsaLayout(at('easy-rsa'));
    await expectSameBelow(at('easy-rsa'), 8);
    const [list] = readMaterial(readFileSync(at('easy-rsa', 'crl.pem')), 'crl.pem');
    const { certificate } = readPair(at('easy-rsa', 'ca.crt'));
    await expectSameList(list?.der as Buffer, certificate);
  });

  it('agree on certificates of openssl with names of all kinds and many attributes in the subject', async () => {
    mkdirSync(at('openssl'));
    const ca = makeAuthority(at('openssl'), 'ca');
    const between = makeIntermediate(at('openssl'), 'between', ca);
    makeLeaf(at('openssl'), 'leaf', between, {
      hosts: ['n1.example.com', '*.example.com', '10.0.0.1', '::1'],
    });
    makeLeaf(at('openssl'), 'alone', undefined, { names: 'email:a@example.com,URI:spiffe://example.com/n1' });
    makeLeaf(at('openssl'), 'other-kinds', ca, {
      names: 'DNS:x,otherName:1.2.3.4;UTF8:y,RID:1.2.3.4',
      usage: 'clientAuth',
      days: -1,
    });
    const subject = '/C=DE/DC=example/O=Beispiel GmbH/OU=a+OU=b/CN=Zürich/emailAddress=a@example.com';
    makeLeaf(at('openssl'), 'subject', ca, { subject });
    await expectSameBelow(at('openssl'), 6);
  });

  it('agree on certificates that natspki rejects or warns about, such as those with other curves or broken hashes', async () => {
    mkdirSync(at('odd'));
    const ca = makeAuthority(at('odd'), 'ca');
    const signed = (name: string, key: string[], subject: string, extensions: string, ...how: string[]) => {
      openssl(...key, '-out', at(`${name}.key`));
      openssl('req', '-new', '-key', at(`${name}.key`), '-subj', subject, '-out', at(`${name}.csr`));
      writeFileSync(at(`${name}.ext`), extensions);
      openssl(
        ...['x509', '-req', '-in', at(`${name}.csr`), '-CA', ca.cert, '-CAkey', ca.key, '-days', '90'],
        ...['-extfile', at(`${name}.ext`), '-out', at('odd', `${name}.pem`), ...how],
      );
    };
    const p256 = ['ecparam', '-name', 'prime256v1', '-genkey', '-noout'];
    signed('curve', ['ecparam', '-name', 'secp256k1', '-genkey', '-noout'], '/CN=x', 'subjectAltName=DNS:x');
    signed('no-names', p256, '/CN=localhost', '', '-set_serial', '5');
    signed(
      'disguised',
      p256,
      '/CN=CN\\=bob',
      'extendedKeyUsage=clientAuth',
      '-set_serial',
      '0x8000000000000001',
    );
    signed('v3', p256, '/CN=x', 'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=none\n');
    signed('usages', p256, '/CN=x', 'keyUsage=nonRepudiation,keyAgreement,encipherOnly,decipherOnly');
    signed('purposes', p256, '/CN=x', 'extendedKeyUsage=critical,serverAuth,codeSigning,OCSPSigning,1.2.3.4');
    signed('critical', p256, '/CN=x', '1.2.3.4=critical,ASN1:NULL\n1.2.3.5=ASN1:UTF8String:x\n');
    signed('issuer', p256, '/CN=x', 'authorityKeyIdentifier=keyid,issuer:always\n');
    const selfSigned = (name: string, ...how: string[]) => {
      const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', at(`${name}.key`)];
      openssl('req', '-x509', ...key, '-subj', '/CN=L', '-out', at('odd', `${name}.pem`), ...how);
    };
    selfSigned('constrained', '-addext', 'nameConstraints=critical,permitted;DNS:.internal');
    selfSigned('sha384', '-sha384');
    selfSigned('sha512', '-sha512', '-days', '36500');
    openssl('x509', '-in', ca.cert, '-outform', 'DER', '-out', at('odd', 'ca.der'));
    await expectSameBelow(at('odd'), 13);
    // Both name the hash; only our reader rejects the signature.
    selfSigned('sha1', '-sha1');
    const { der } = readPair(at('odd', 'sha1.pem')).certificate;
    await expectSameReading(der);
    expect(new Certificate(der).isSignedBy(new Certificate(der))).toBe(false);
  });

  function readPair(file: string): { certificate: Certificate } {
    return { certificate: readCertificates(readFileSync(file), file)[0] };
  }

  it.each([
    ['with names', '-addext', 'subjectAltName=DNS:n1.example.com,IP:::1,email:a@example.com,URI:urn:x:y'],
    [
      'with other extensions',
      '-addext',
      'keyUsage=digitalSignature',
      '-addext',
      'extendedKeyUsage=serverAuth',
    ],
    ['with names of other kinds', '-addext', 'subjectAltName=DNS:x,otherName:1.2.3.4;UTF8:y'],
    ['with only a subject'],
  ])('agree on a request %s', async (_, ...extensions) => {
    for (const key of ['rsa:2048', 'ec', 'ed25519']) {
      const curve = key === 'ec' ? ['-pkeyopt', 'ec_paramgen_curve:P-384'] : [];
      const where = ['-nodes', '-keyout', at('request.key'), '-subj', '/O=Example/CN=n1', '-outform', 'DER'];
      const der = opensslBytes('req', '-new', '-newkey', key, ...curve, ...where, ...extensions);
      await expectSameRequest(der);
      der[der.length - 1] = (der.at(-1) as number) ^ 1;
      await expectSameRequest(der);
    }
  });

  it.each([
    ['empty', ''],
    ['complete with reasons', undefined],
  ])('agree on a revocation list that is %s', async (_, entries) => {
    const ca = makeAuthority(folder, 'list-ca');
    const reasons = [
      'unspecified',
      'keyCompromise',
      'CACompromise',
      'affiliationChanged',
      'superseded',
      'cessationOfOperation',
      'certificateHold',
      'removeFromCRL',
    ];
    const revoked = ['', ...reasons.map((reason) => `,${reason}`)].map(
      (reason, index) =>
        `R\t300101000000Z\t26010100000${index}Z${reason}\t0${index + 1}80FF\tunknown\t/CN=x\n`,
    );
    writeFileSync(at('index'), entries ?? revoked.join(''));
    writeFileSync(at('number'), '01\n');
    writeFileSync(
      at('ca.conf'),
      `[ca]\ndefault_ca=d\n[d]\ndatabase=${at('index')}\ncrlnumber=${at('number')}\ndefault_md=sha256\ndefault_crl_days=30\n`,
    );
    const how = ['ca', '-config', at('ca.conf'), '-cert', ca.cert, '-keyfile', ca.key, '-gencrl'];
    openssl(...how, '-out', at('list.pem'));
    const [list] = readMaterial(readFileSync(at('list.pem')), 'list.pem');
    await expectSameList(list?.der as Buffer, readPair(ca.cert).certificate);
  });

  /** Expects both readers to read the same in a revocation list. */
  async function expectSameList(der: Buffer, issuer: Certificate): Promise<void> {
    const theirs = new X509Crl(der);
    expect(await theirs.verify({ publicKey: new X509Certificate(issuer.der) })).toBe(true);
    expect(readRevocationList(der, 'list')).toMatchObject({
      issuer: attributesOf(theirs.issuerName),
      thisUpdate: theirs.thisUpdate,
      nextUpdate: theirs.nextUpdate,
      signatureAlgorithm: algorithmOf(theirs.signatureAlgorithm),
      revoked: theirs.entries.map(({ serialNumber, revocationDate, reason }) => ({
        serial: serialNumber,
        revokedAt: revocationDate,
        ...(reason === undefined ? {} : { reason: X509CrlReason[reason] }),
      })),
    });
  }
});
