import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readChildren, readDer, readOid, readSmallInteger } from '../../src/x509/der.ts';
import {
  decodePrivateKey,
  encodePrivateKey,
  generateKey,
  keyTypeOf,
  keyTypes,
  weaknessOf,
} from '../../src/x509/key.ts';
import { readPem } from '../../src/x509/pem.ts';
import { openssl } from '../harness/openssl.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('key');
const keys = new Map<string, KeyObject>();

beforeAll(async () => {
  await Promise.all(keyTypes.map(async (type) => keys.set(type, await generateKey(type))));
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe.each(keyTypes)('a key of type %s', (type) => {
  const key = () => keys.get(type) as KeyObject;

  it('has that type', () => {
    expect(keyTypeOf(key())).toBe(type);
    expect(weaknessOf(key())).toBe(undefined);
  });

  it('is encoded as PKCS#8 that openssl and natspki can read', async () => {
    const pem = await encodePrivateKey(key());
    expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(decodePrivateKey(Buffer.from(pem), 'key.pem').equals(key())).toBe(true);
    const file = write(`${type}.pem`, pem);
    expect(openssl('pkey', '-in', file, '-pubout')).toBe(
      createPublicKey(key()).export({ type: 'spki', format: 'pem' }),
    );
  });

  it('is encrypted so that openssl and natspki can read it, with the passphrase only', async () => {
    const pem = await encodePrivateKey(key(), 'sésame öffne dich');
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----\n/);
    const file = write(`${type}-encrypted.pem`, pem);
    const secret = write('passphrase', 'sésame öffne dich\n');
    expect(openssl('pkey', '-in', file, '-passin', `file:${secret}`, '-pubout')).toBe(
      createPublicKey(key()).export({ type: 'spki', format: 'pem' }),
    );
    expect(decodePrivateKey(Buffer.from(pem), file, 'sésame öffne dich').equals(key())).toBe(true);
    const failure = (passphrase?: string) => () => decodePrivateKey(Buffer.from(pem), file, passphrase);
    expect(failure('wrong')).toThrow(
      expect.objectContaining({ code: 'wrong-passphrase', message: `wrong passphrase for "${file}"` }),
    );
    expect(failure('')).toThrow(expect.objectContaining({ code: 'wrong-passphrase' }));
    expect(failure()).toThrow(
      expect.objectContaining({ code: 'passphrase-needed', hint: 'pass --passphrase-file FILE' }),
    );
  });
});

describe('the encryption of a key', () => {
  it('is PBES2 with scrypt, as strong as 600,000 rounds of PBKDF2, with a new salt each time', async () => {
    const parameters = async () => {
      const pem = await encodePrivateKey(keys.get('p256') as KeyObject, 'passphrase');
      const [block] = readPem(Buffer.from(pem), 'key.pem');
      const [algorithm] = readChildren(readDer(block?.der ?? Buffer.alloc(0)));
      const [pbes2, schemes] = readChildren(algorithm);
      expect(readOid(pbes2)).toBe('1.2.840.113549.1.5.13');
      const [kdf, cipher] = readChildren(schemes);
      expect(readOid(readChildren(cipher)[0])).toBe('2.16.840.1.101.3.4.1.42');
      const [scrypt, cost] = readChildren(kdf);
      expect(readOid(scrypt)).toBe('1.3.6.1.4.1.11591.4.11');
      const [salt, ...numbers] = readChildren(cost);
      expect(numbers.map(readSmallInteger)).toEqual([16384, 8, 5]);
      return salt?.content.toString('hex');
    };
    const [first, second] = [await parameters(), await parameters()];
    expect(first).toHaveLength(32);
    expect(first).not.toBe(second);
  });
});

describe('the key in a file', () => {
  const p256 = () => keys.get('p256') as KeyObject;

  it('can be SEC 1 or PKCS#1, follow parameters, or be DER', () => {
    const rsa = keys.get('rsa2048') as KeyObject;
    const forms: [KeyObject, string | Buffer][] = [
      [
        p256(),
        `${openssl('ecparam', '-name', 'prime256v1')}${p256().export({ type: 'sec1', format: 'pem' })}`,
      ],
      [p256(), p256().export({ type: 'sec1', format: 'der' })],
      [p256(), p256().export({ type: 'pkcs8', format: 'der' })],
      [rsa, rsa.export({ type: 'pkcs1', format: 'pem' }) as string],
      [rsa, rsa.export({ type: 'pkcs1', format: 'der' })],
    ];
    for (const [key, bytes] of forms) {
      expect(decodePrivateKey(Buffer.from(bytes), 'key.pem').equals(key)).toBe(true);
    }
  });

  it('is missing when the file has other material', () => {
    const pem = createPublicKey(p256()).export({ type: 'spki', format: 'pem' });
    expect(() => decodePrivateKey(Buffer.from(pem), 'ca-key.pem')).toThrow(
      expect.objectContaining({
        code: 'wrong-material',
        message: '"ca-key.pem" holds a public key, expected a private key',
      }),
    );
  });

  it('is rejected when it is encrypted in the old format, with a hint at how to convert it', () => {
    const pem = p256().export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' });
    expect(() => decodePrivateKey(Buffer.from(pem), 'old.pem', 'x')).toThrow(
      expect.objectContaining({
        code: 'unsupported-encryption',
        hint: 'openssl pkcs8 -topk8 -scrypt -in "old.pem" -out new-key.pem',
      }),
    );
  });

  it('is damaged when bytes are missing, whether encrypted or not', async () => {
    const der = p256().export({ type: 'pkcs8', format: 'der' });
    expect(() => decodePrivateKey(der.subarray(0, -10), 'key.der')).toThrow(
      /"key.der" is neither PEM nor whole DER/,
    );
    for (const passphrase of [undefined, 'x']) {
      const lines = (await encodePrivateKey(p256(), passphrase)).split('\n');
      const damaged = Buffer.from(lines.toSpliced(1, 1).join('\n'));
      expect(() => decodePrivateKey(damaged, 'key.pem', passphrase)).toThrow(/"key.pem" is damaged/);
    }
  });
});

describe('a weak key', () => {
  it('is described together with the expected keys', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
    expect(weaknessOf(rsa)).toBe('RSA with 1024 bits, expected 2048 or more');
    const x25519 = generateKeyPairSync('x25519').privateKey;
    expect(weaknessOf(x25519)).toBe('x25519, expected p256, p384, p521, ed25519 or rsa');
  });
});
