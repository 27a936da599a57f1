// PKCS#12 files: natspki reads what openssl writes, and the other way round.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AuthenticatedSafe, id_pkcs8ShroudedKeyBag, PFX, SafeContents } from '@peculiar/asn1-pfx';
import { EncryptedPrivateKeyInfo } from '@peculiar/asn1-pkcs8';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCertificates } from '../../src/x509/certificate.ts';
import { decodePrivateKey } from '../../src/x509/key.ts';
import { readPkcs12, writePkcs12 } from '../../src/x509/pkcs12.ts';
import { type MadePair, TestAuthority } from '../harness/certificates.ts';
import { openssl } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('pkcs12');
const password = 'pässword 1';
const at = (name: string) => join(folder, name);
const rounds = 2000;
let root: TestAuthority;
let pair: MadePair;

beforeAll(async () => {
  root = await TestAuthority.make('Root of PKCS 12');
  pair = await (await root.intermediate('Issuer')).leaf('alice');
  writeFileSync(at('cert.pem'), pair.cert);
  writeFileSync(at('key.pem'), pair.key);
  writeFileSync(at('ca.pem'), root.pem);
  writeFileSync(at('password'), password);
});

const contents = (made = pair) => ({
  name: 'alice',
  key: decodePrivateKey(Buffer.from(made.key), 'key'),
  chain: readCertificates(Buffer.from(made.cert), 'cert'),
  authorities: [root.certificate],
});

/** Returns the encrypted key in a file. */
function keyBag(file: Buffer): ArrayBuffer {
  const octets = (bytes: ArrayBuffer) => AsnConvert.parse(bytes, OctetString).buffer;
  const parts = AsnConvert.parse(octets(AsnConvert.parse(file, PFX).authSafe.content), AuthenticatedSafe);
  const bags = AsnConvert.parse(octets((parts.at(-1) as { content: ArrayBuffer }).content), SafeContents);
  const bag = bags.find(({ bagId }) => bagId === id_pkcs8ShroudedKeyBag);
  return (bag as { bagValue: ArrayBuffer }).bagValue;
}

/** Has openssl write the pair. */
function opensslFile(name: string, ...options: string[]): Buffer {
  const input = ['-inkey', at('key.pem'), '-in', at('cert.pem'), '-certfile', at('ca.pem'), '-name', 'alice'];
  openssl('pkcs12', '-export', ...input, ...options, '-passout', `file:${at('password')}`, '-out', at(name));
  return readFileSync(at(name));
}

describe.each([
  { legacy: false, encryption: ['PBES2', 'PBKDF2', 'hmacWithSHA256', 'aes-256-cbc'], digest: 'sha256' },
  { legacy: true, encryption: ['pbeWithSHA1And3-KeyTripleDES-CBC'], digest: 'sha1' },
])('a PKCS#12 file with legacy: $legacy', ({ legacy, encryption, digest }) => {
  it('gives openssl the key, the chain and the root, under the password only', async () => {
    writeFileSync(at('own.p12'), await writePkcs12(contents(), password, { legacy, rounds }));
    const read = (...options: string[]) =>
      openssl('pkcs12', '-in', at('own.p12'), '-passin', `file:${at('password')}`, ...options);
    expect(read('-nodes', '-nocerts')).toContain(pair.key);
    const certificates = readCertificates(Buffer.from(read('-nokeys')), 'openssl').map(
      ({ commonName }) => commonName,
    );
    expect(certificates).toEqual(['alice', 'Issuer', 'Root of PKCS 12']);
    expect(() => openssl('pkcs12', '-in', at('own.p12'), '-passin', 'pass:other', '-nodes')).toThrow(
      /invalid password/,
    );
  });

  it('has the algorithms that were asked for', async () => {
    writeFileSync(at('own.p12'), await writePkcs12(contents(), password, { legacy, rounds }));
    const outer = openssl('asn1parse', '-inform', 'DER', '-in', at('own.p12'));
    const names = [...outer.matchAll(/OBJECT +:(\S+)/g)].map(([, name]) => name);
    expect(names.at(-1)).toBe(digest);
    const key = AsnConvert.parse(keyBag(readFileSync(at('own.p12'))), EncryptedPrivateKeyInfo);
    writeFileSync(at('algorithm.der'), Buffer.from(AsnConvert.serialize(key.encryptionAlgorithm)));
    const used = openssl('asn1parse', '-inform', 'DER', '-in', at('algorithm.der'));
    expect([...used.matchAll(/OBJECT +:(\S+)/g)].map(([, name]) => name)).toEqual(encryption);
  });

  it('is read back as it was written', async () => {
    const { keys, certificates } = await readPkcs12(
      await writePkcs12(contents(), password, { legacy, rounds }),
      password,
      'own.p12',
    );
    expect(keys).toEqual([{ name: 'alice', key: contents().key }]);
    expect(certificates.map(({ name, certificate }) => [name, certificate.commonName])).toEqual([
      ['alice', 'alice'],
      ['Issuer', 'Issuer'],
      ['Root of PKCS 12', 'Root of PKCS 12'],
    ]);
  });
});

describe('reading PKCS#12', () => {
  it.each([
    ['as it does by default', []],
    ['with 3DES', ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
    ['with AES-128 and SHA-512', ['-keypbe', 'AES-128-CBC', '-certpbe', 'AES-128-CBC', '-macalg', 'sha512']],
    ['with plain certificates', ['-certpbe', 'NONE']],
    ['with a plain key', ['-keypbe', 'NONE']],
    ['without a MAC', ['-nomac']],
  ])('finds everything in a file that openssl wrote %s', async (_how, options) => {
    const { keys, certificates } = await readPkcs12(
      opensslFile('openssl.p12', ...options),
      password,
      'openssl.p12',
    );
    expect(keys).toEqual([{ name: 'alice', key: contents().key }]);
    expect(certificates.map(({ certificate }) => certificate.commonName)).toEqual([
      'alice',
      ...['Issuer', 'Root of PKCS 12'],
    ]);
  });

  it('opens the key of each type that natspki generates', async () => {
    for (const keyType of ['p384', 'ed25519', 'rsa2048'] as const) {
      const made = await root.leaf('alice', { keyType });
      const written = await writePkcs12(contents(made), password, { rounds });
      const [found] = (await readPkcs12(written, password, 'own.p12')).keys;
      expect(found?.key.equals(contents(made).key), keyType).toBe(true);
    }
  });

  it.each([[[]], [['-nomac']]])('rejects a wrong password: openssl %j', async (options) => {
    const bytes = opensslFile('openssl.p12', ...options);
    await expect(readPkcs12(bytes, 'other', 'x.p12')).rejects.toMatchObject({
      code: 'wrong-passphrase',
      message: 'wrong password for "x.p12"',
    });
  });

  it('names an algorithm that Node does not have, with the command that converts the file', async () => {
    const bytes = opensslFile('rc2.p12', '-legacy', '-certpbe', 'PBE-SHA1-RC2-40');
    await expect(readPkcs12(bytes, password, 'rc2.p12')).rejects.toMatchObject({
      code: 'unsupported-encryption',
      message: '"rc2.p12" is encrypted with 40-bit RC2, which Node does not have',
      hint: 'openssl pkcs12 -legacy -in "rc2.p12" -nodes -out new.pem',
    });
  });

  it('refuses a number of rounds that would keep it busy for minutes', async () => {
    const file = AsnConvert.parse(await writePkcs12(contents(), password, { rounds }), PFX);
    file.macData.iterations = 2 ** 31 - 1;
    await expect(
      readPkcs12(Buffer.from(AsnConvert.serialize(file)), password, 'x.p12'),
    ).rejects.toMatchObject({
      code: 'unsupported-encryption',
      message: '"x.p12" asks for 2147483647 rounds of key derivation, expected 1 to 5000000',
    });
  });

  it('reports damage at any place of the file as an error with a code', async () => {
    const bytes = await writePkcs12(contents(), password, { rounds: 1 });
    for (let at = 0; at < bytes.length; at += 7) {
      const broken = Buffer.from(bytes);
      broken[at] = (broken[at] as number) ^ 0x55;
      const failure = await readPkcs12(broken, password, 'x.p12').catch((error) => error);
      if (failure instanceof Error) {
        expect(failure).toMatchObject({
          code: expect.stringMatching(/^(damaged-pkcs12|unsupported-encryption|wrong-passphrase)$/),
        });
      }
      await expect(readPkcs12(bytes.subarray(0, at), password, 'x.p12')).rejects.toMatchObject({
        code: 'damaged-pkcs12',
      });
    }
  });
});
