// Encrypts a private key with a passphrase (PKCS#8 EncryptedPrivateKeyInfo, RFC 5958 section 3): PBES2 (RFC 8018) with
// scrypt (RFC 7914) and AES-256-CBC. node:crypto can read that, but writes PBKDF2 with too few rounds. The packages load
// slowly, so import this file dynamically.
import { createCipheriv, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { EncryptedData, EncryptedPrivateKeyInfo } from '@peculiar/asn1-pkcs8';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { algorithmOf, algorithms, pbes2With, ScryptParameters } from './pbes2.ts';

/**
 * As strong as 600,000 rounds of PBKDF2. OpenSSL limits scrypt to 32 MB when it opens a key, hence the high
 * parallelization (p) and low cost (N).
 */
const scryptCost = { N: 2 ** 14, r: 8, p: 5 };

const derive = promisify<string, Buffer, number, typeof scryptCost, Buffer>(scrypt);

/** Encrypts a PKCS#8 key; takes and returns DER. */
export async function encryptPrivateKey(pkcs8: Buffer, passphrase: string): Promise<Buffer> {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', await derive(passphrase, salt, 32, scryptCost), iv);
  const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
  const cost = Object.assign(new ScryptParameters(), {
    salt: new OctetString(salt),
    costParameter: scryptCost.N,
    blockSize: scryptCost.r,
    parallelizationParameter: scryptCost.p,
  });
  const info = new EncryptedPrivateKeyInfo({
    encryptionAlgorithm: pbes2With(algorithmOf(algorithms.scrypt, cost), iv),
    encryptedData: new EncryptedData(encrypted),
  });
  return Buffer.from(AsnConvert.serialize(info));
}
