// The parameters of password-based encryption (PBES2, RFC 8018 appendix A) as ASN.1 schemas. The packages load slowly, so
// only files that are loaded late import this one.
import { AsnConvert, AsnProp, AsnPropTypes, AsnType, AsnTypeTypes, OctetString } from '@peculiar/asn1-schema';
import { AlgorithmIdentifier } from '@peculiar/asn1-x509';

/** Object identifiers of the algorithms that natspki writes. */
export const algorithms = {
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  scrypt: '1.3.6.1.4.1.11591.4.11',
  hmacWithSha1: '1.2.840.113549.2.7',
  hmacWithSha256: '1.2.840.113549.2.9',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const;

/** PBES2-params. */
export class Pbes2Parameters {
  keyDerivationFunction = new AlgorithmIdentifier();
  encryptionScheme = new AlgorithmIdentifier();
}
AsnProp({ type: AlgorithmIdentifier })(Pbes2Parameters.prototype, 'keyDerivationFunction');
AsnProp({ type: AlgorithmIdentifier })(Pbes2Parameters.prototype, 'encryptionScheme');
AsnType({ type: AsnTypeTypes.Sequence })(Pbes2Parameters);

/** PBKDF2-params. */
export class Pbkdf2Parameters {
  salt = new OctetString();
  iterationCount = 0;
  keyLength: number | undefined;
  /** HMAC with SHA-1 when it is missing. */
  prf: AlgorithmIdentifier | undefined;
}
AsnProp({ type: OctetString })(Pbkdf2Parameters.prototype, 'salt');
AsnProp({ type: AsnPropTypes.Integer })(Pbkdf2Parameters.prototype, 'iterationCount');
AsnProp({ type: AsnPropTypes.Integer, optional: true })(Pbkdf2Parameters.prototype, 'keyLength');
AsnProp({ type: AlgorithmIdentifier, optional: true })(Pbkdf2Parameters.prototype, 'prf');
AsnType({ type: AsnTypeTypes.Sequence })(Pbkdf2Parameters);

/** scrypt-params (RFC 7914 section 7). */
export class ScryptParameters {
  salt = new OctetString();
  costParameter = 0;
  blockSize = 0;
  parallelizationParameter = 0;
}
AsnProp({ type: OctetString })(ScryptParameters.prototype, 'salt');
for (const number of ['costParameter', 'blockSize', 'parallelizationParameter'] as const) {
  AsnProp({ type: AsnPropTypes.Integer })(ScryptParameters.prototype, number);
}
AsnType({ type: AsnTypeTypes.Sequence })(ScryptParameters);

/** Returns an algorithm with its parameters. */
export function algorithmOf(algorithm: string, parameters: object): AlgorithmIdentifier {
  return new AlgorithmIdentifier({ algorithm, parameters: AsnConvert.serialize(parameters) });
}

/** Returns PBES2 with AES-256-CBC and a key derivation. */
export function pbes2With(derivation: AlgorithmIdentifier, iv: Buffer): AlgorithmIdentifier {
  const parameters = Object.assign(new Pbes2Parameters(), {
    keyDerivationFunction: derivation,
    encryptionScheme: algorithmOf(algorithms.aes256Cbc, new OctetString(iv)),
  });
  return algorithmOf(algorithms.pbes2, parameters);
}
