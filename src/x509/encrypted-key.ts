// Encrypts a private key with a passphrase (PKCS#8 EncryptedPrivateKeyInfo, RFC 5958 section 3): PBES2 (RFC 8018) with
// scrypt (RFC 7914) and AES-256-CBC. node:crypto can read that, but writes PBKDF2 with too few rounds. The packages load
// slowly, so import this file dynamically.
import { createCipheriv, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { EncryptedData, EncryptedPrivateKeyInfo } from '@peculiar/asn1-pkcs8';
import { AsnConvert, AsnProp, AsnPropTypes, AsnType, AsnTypeTypes, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';

/**
 * As strong as 600,000 rounds of PBKDF2. OpenSSL limits scrypt to 32 MB when it opens a key, hence the high
 * parallelization (p) and low cost (N).
 */
const scryptCost = { N: 2 ** 14, r: 8, p: 5 };

const derive = promisify<string, Buffer, number, typeof scryptCost, Buffer>(scrypt);

/** RFC 7914 section 7. */
class ScryptParameters {
  salt = new OctetString();
  costParameter = scryptCost.N;
  blockSize = scryptCost.r;
  parallelizationParameter = scryptCost.p;
}
AsnProp({ type: OctetString })(ScryptParameters.prototype, 'salt');
for (const number of ['costParameter', 'blockSize', 'parallelizationParameter'] as const) {
  AsnProp({ type: AsnPropTypes.Integer })(ScryptParameters.prototype, number);
}
AsnType({ type: AsnTypeTypes.Sequence })(ScryptParameters);

/** RFC 8018 appendix A.4. */
class Pbes2Parameters {
  keyDerivationFunction = new AlgorithmIdentifier();
  encryptionScheme = new AlgorithmIdentifier();
}
AsnProp({ type: AlgorithmIdentifier })(Pbes2Parameters.prototype, 'keyDerivationFunction');
AsnProp({ type: AlgorithmIdentifier })(Pbes2Parameters.prototype, 'encryptionScheme');
AsnType({ type: AsnTypeTypes.Sequence })(Pbes2Parameters);

/** Encrypts a PKCS#8 key; takes and returns DER. */
export async function encryptPrivateKey(pkcs8: Buffer, passphrase: string): Promise<Buffer> {
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', await derive(passphrase, salt, 32, scryptCost), iv);
  const encrypted = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
  const parameters = Object.assign(new Pbes2Parameters(), {
    keyDerivationFunction: new AlgorithmIdentifier({
      algorithm: '1.3.6.1.4.1.11591.4.11', // id-scrypt
      parameters: AsnConvert.serialize(
        Object.assign(new ScryptParameters(), { salt: new OctetString(salt) }),
      ),
    }),
    encryptionScheme: new AlgorithmIdentifier({
      algorithm: '2.16.840.1.101.3.4.1.42', // aes256-CBC
      parameters: AsnConvert.serialize(new OctetString(iv)),
    }),
  });
  const info = new EncryptedPrivateKeyInfo({
    encryptionAlgorithm: new AlgorithmIdentifier({
      algorithm: '1.2.840.113549.1.5.13', // id-PBES2
      parameters: AsnConvert.serialize(parameters),
    }),
    encryptedData: new EncryptedData(encrypted),
  });
  return Buffer.from(AsnConvert.serialize(info));
}
