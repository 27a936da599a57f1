// Verifies a certificate file and its key file against each other. Errors never contain the content of a key file.

import type { KeyObject } from 'node:crypto';
import { NatspkiError } from '../errors.ts';
import { type Certificate, readCertificates } from '../x509/certificate.ts';
import { formatName } from '../x509/distinguished-name.ts';
import { decodePrivateKey } from '../x509/key.ts';
import type { CertificatePair } from './block.ts';

/** A certificate with its key; the first certificate of the chain is the leaf. */
export interface VerifiedPair {
  readonly certFile: string;
  readonly leaf: Certificate;
  readonly chain: readonly Certificate[];
  readonly key: KeyObject;
}

/** A problem that does not prevent the use of a file. */
export interface FileWarning {
  readonly code: 'expired' | 'not-yet-valid' | 'wrong-usage';
  readonly file: string;
  readonly message: string;
}

/** Verifies a pair; throws a NatspkiError that names the file and the problem. */
export function verifyPair(
  { certFile, keyFile }: CertificatePair,
  bytesOf: (file: string) => Buffer,
): VerifiedPair {
  const chain = readCertificates(bytesOf(certFile), certFile);
  const [leaf] = chain;
  const key = readKey(bytesOf(keyFile), keyFile);
  if (!belongs(leaf, key)) throw mismatch(chain, key, certFile, keyFile);
  for (const [index, certificate] of chain.slice(0, -1).entries()) {
    const next = chain[index + 1] as Certificate;
    if (certificate.isSignedBy(next)) continue;
    throw new NatspkiError(
      'chain-out-of-order',
      `certificate ${index + 2} in "${certFile}" (${formatName(next.subject)}) did not issue certificate ${index + 1} (${formatName(certificate.subject)})`,
      { hint: "put the server's own certificate first, then its issuer, then the issuer of that" },
    );
  }
  return { certFile, leaf, chain, key };
}

/** Lists the problems of a pair that do not prevent its use. */
export function warningsOfPair({ certFile, leaf, chain }: VerifiedPair, now: Date): FileWarning[] {
  const warnings = chain.flatMap((certificate) => warningsOfTime(certificate, certFile, now));
  const purposes = leaf.extendedKeyUsage;
  if (
    purposes !== undefined &&
    !purposes.includes('serverAuth') &&
    !purposes.includes('anyExtendedKeyUsage')
  ) {
    warnings.push({
      code: 'wrong-usage',
      file: certFile,
      message: `certificate ${formatName(leaf.subject)} in "${certFile}" is not for servers (its extended key usage is ${purposes.join(', ')}): clients reject it`,
    });
  }
  return warnings;
}

/** Returns a warning if a certificate is outside its validity period. */
export function warningsOfTime(certificate: Certificate, file: string, now: Date): FileWarning[] {
  const { subject, notBefore, notAfter } = certificate;
  const name = `certificate ${formatName(subject)} in "${file}"`;
  if (notAfter < now) {
    const message = `${name} expired at ${notAfter.toISOString()}: peers that verify it reject it`;
    return [{ code: 'expired', file, message }];
  }
  if (notBefore > now) {
    return [
      { code: 'not-yet-valid', file, message: `${name} is not valid before ${notBefore.toISOString()}` },
    ];
  }
  return [];
}

function readKey(bytes: Buffer, file: string): KeyObject {
  try {
    return decodePrivateKey(bytes, file);
  } catch (error) {
    if (!(error instanceof NatspkiError) || error.code !== 'passphrase-needed') throw error;
    throw new NatspkiError(
      'key-encrypted',
      `${error.message}, and a server cannot prompt for the passphrase`,
      {
        hint: `openssl pkey -in "${file}" -out server-key.pem`,
      },
    );
  }
}

function mismatch(
  chain: readonly Certificate[],
  key: KeyObject,
  certFile: string,
  keyFile: string,
): NatspkiError {
  const position = chain.findIndex((certificate) => belongs(certificate, key)) + 1;
  const [leaf] = chain as [Certificate];
  return new NatspkiError(
    'key-mismatch',
    `the key in "${keyFile}" does not belong to the certificate in "${certFile}" (${formatName(leaf.subject)}, serial ${leaf.serial})`,
    {
      hint:
        position > 0
          ? `it belongs to certificate ${position} of the file: put that one first`
          : `natspki pin "${certFile}" "${keyFile}" prints the same pin twice for a pair`,
    },
  );
}

function belongs(certificate: Certificate, key: KeyObject): boolean {
  try {
    return certificate.hasKey(key);
  } catch {
    // A public key that OpenSSL cannot read.
    return false;
  }
}
