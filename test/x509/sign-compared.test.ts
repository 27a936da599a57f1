// Our certificates are those that @peculiar/x509 makes with @peculiar/webcrypto to sign: byte for byte, but for the random
// number in a signature of ECDSA.
import 'reflect-metadata';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { Crypto } from '@peculiar/webcrypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import type { Certificate } from '../../src/x509/certificate.ts';
import { readChildren, readDer } from '../../src/x509/der.ts';
import { generateKey, type KeyType } from '../../src/x509/key.ts';
import { parseSan } from '../../src/x509/name.ts';
import { type Purpose, Signer } from '../../src/x509/sign.ts';

const crypto = new Crypto();
cryptoProvider.set(crypto);

const algorithms = {
  p256: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  p384: { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  ed25519: { name: 'Ed25519' },
  rsa2048: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
} satisfies Partial<Record<KeyType, object>>;
type ComparedType = keyof typeof algorithms;
const types = Object.keys(algorithms) as ComparedType[];

/** As the random source of a signer gives them; it clears the first bit. */
const serials = ['7f'.repeat(20), `00ff${'12'.repeat(18)}`, `${'00'.repeat(19)}80`, `a0${'00'.repeat(18)}01`];
const cleared = (serial: string) => serial.replace(/^a/, '2');
const lives = [
  { notBefore: new Date('2026-01-01T00:00:00.123Z'), notAfter: new Date('2049-12-31T23:59:59Z') },
  { notBefore: new Date('2049-12-31T23:59:59Z'), notAfter: new Date('2050-01-01T00:00:00.999Z') },
];
const sans: [string, JsonGeneralNames[number]][] = [
  ['dns:n1.example.com', { type: 'dns', value: 'n1.example.com' }],
  ['dns:*.example.com', { type: 'dns', value: '*.example.com' }],
  ['ip:10.0.0.1', { type: 'ip', value: '10.0.0.1' }],
  ['ip:::1', { type: 'ip', value: '::1' }],
  ['ip:2001:db8::8:800:200c:417a', { type: 'ip', value: '2001:db8::8:800:200c:417a' }],
  ['ip:2001:db8::', { type: 'ip', value: '2001:db8::' }],
  ['ip:1:2:3:4:5:6:7:8', { type: 'ip', value: '1:2:3:4:5:6:7:8' }],
  ['email:a@example.com', { type: 'email', value: 'a@example.com' }],
  ['uri:urn:x:y', { type: 'url', value: 'urn:x:y' }],
];

interface Wanted {
  readonly subject: Name;
  readonly issuer: Name;
  readonly serial: string;
  readonly life: (typeof lives)[number];
  readonly publicKey: KeyObject;
  readonly extensions: Extension[];
}

/** Makes a certificate the way the documentation of @peculiar/x509 does. */
async function generated(wanted: Wanted, key: KeyObject, type: ComparedType): Promise<Buffer> {
  const algorithm = algorithms[type];
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  const made = await X509CertificateGenerator.create({
    subject: wanted.subject,
    issuer: wanted.issuer,
    serialNumber: cleared(wanted.serial),
    ...wanted.life,
    publicKey: wanted.publicKey.export({ type: 'spki', format: 'der' }),
    signingAlgorithm: algorithm,
    signingKey: await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    extensions: wanted.extensions,
  });
  return Buffer.from(made.rawData);
}

function expectAlike(certificate: Certificate, expected: Buffer, type: ComparedType): void {
  const parts = (der: Buffer) => readChildren(readDer(der)).map(({ raw }) => raw.toString('hex'));
  const random = type.startsWith('p');
  expect(parts(certificate.der).slice(0, random ? 2 : 3)).toEqual(parts(expected).slice(0, random ? 2 : 3));
}

const nameOf = (commonName: string) => new Name([{ CN: [{ utf8String: commonName }] }]);

async function authority(type: ComparedType, commonName = 'Example authority') {
  const key = await generateKey(type);
  const serial = serials[0] as string;
  const [life] = lives as [(typeof lives)[number]];
  const contents = { commonName, publicKey: createPublicKey(key), ...life, pathLength: 1 };
  const certificate = await Signer.selfSigned(contents, key, () => Buffer.from(serial, 'hex'));
  const id = certificate.subjectKeyId as string;
  const extensions = [
    new BasicConstraintsExtension(true, 1, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    new SubjectKeyIdentifierExtension(id),
    new AuthorityKeyIdentifierExtension(id),
  ];
  const name = nameOf(commonName);
  const wanted = { subject: name, issuer: name, serial, life, publicKey: contents.publicKey, extensions };
  return { key, certificate, wanted };
}

describe.each(types)('with a key of type %s', (type) => {
  it('an authority is what the generator of @peculiar/x509 makes', async () => {
    const { key, certificate, wanted } = await authority(type, 'Zürich, 東京 "x"');
    expectAlike(certificate, await generated(wanted, key, type), type);
  });

  it.each([[['serverAuth']], [['serverAuth', 'clientAuth']], [['clientAuth']]] as Purpose[][][])(
    'a leaf for %s is what the generator of @peculiar/x509 makes',
    async (purposes) => {
      const ca = await authority(type);
      for (const [index, serial] of serials.entries()) {
        const leafType = types[index % types.length] as ComparedType;
        const publicKey = createPublicKey(await generateKey(leafType));
        const life = lives[index % lives.length] as (typeof lives)[number];
        const named = sans.slice(index);
        const enciphers = leafType === 'rsa2048' && purposes.includes('serverAuth');
        const encipherment = enciphers ? KeyUsageFlags.keyEncipherment : 0;
        const signer = await Signer.of(ca.certificate, ca.key, () => Buffer.from(serial, 'hex'));
        const leaf = await signer.leaf({
          ...{ commonName: 'n1', publicKey, ...life, purposes },
          sans: named.map(([text]) => parseSan(text)),
        });
        const extensions = [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature | encipherment, true),
          new ExtendedKeyUsageExtension(purposes.map((purpose) => ExtendedKeyUsage[purpose])),
          new SubjectAlternativeNameExtension(named.map(([, name]) => name)),
          new SubjectKeyIdentifierExtension(leaf.subjectKeyId as string),
          new AuthorityKeyIdentifierExtension(ca.certificate.subjectKeyId as string),
        ];
        const { subject: issuer } = ca.wanted;
        const wanted = { subject: nameOf('n1'), issuer, serial, life, publicKey, extensions };
        expectAlike(leaf, await generated(wanted, ca.key, type), type);
      }
    },
  );
});
