// Verifies a certificate file and its key file against each other. Errors never contain the content of a key file.

import type { KeyObject } from 'node:crypto';
import { NatspkiError } from '../errors.ts';
import type { Certificate } from '../x509/certificate.ts';
import { mayIssue } from '../x509/chain.ts';
import { formatName } from '../x509/distinguished-name.ts';
import { type GoVerdict, unusableInGo } from '../x509/go-rules.ts';
import { openPrivateKey, weaknessOf } from '../x509/key.ts';
import type { CertificatePair } from './block.ts';
import { type ReadCertificate, readServerChain, readServerKey, type Skipped } from './server-files.ts';

/** A certificate with its key; the first certificate of the chain is the leaf. */
export interface VerifiedPair {
  readonly certFile: string;
  readonly leaf: Certificate;
  readonly chain: readonly Certificate[];
  readonly key: KeyObject;
  /** Parts of the certificate file that nats-server skips. */
  readonly skipped: readonly Skipped[];
  /** How Go judges each certificate of the chain. */
  readonly verdicts: readonly GoVerdict[];
}

/** A problem that does not prevent the use of a file. */
export interface FileWarning {
  readonly code:
    | 'chain-out-of-order'
    | 'expired'
    | 'expired-extra'
    | 'not-an-authority'
    | 'not-yet-valid'
    | 'skipped-block'
    | 'unknown-extension'
    | 'unusable-certificate'
    | 'weak-key'
    | 'weak-signature'
    | 'wrong-usage';
  readonly file: string;
  readonly message: string;
  readonly hint?: string;
}

/** Verifies a pair; throws a NatspkiError that names the file and the problem. */
export function verifyPair(
  { certFile, keyFile }: CertificatePair,
  bytesOf: (file: string) => Buffer,
): VerifiedPair {
  const { chain, skipped, verdicts } = readServerChain(bytesOf(certFile), certFile);
  const [leaf] = chain;
  const key = readKey(bytesOf(keyFile), keyFile);
  if (!belongs(leaf, key)) throw mismatch(chain, key, certFile, keyFile);
  return { certFile, leaf, chain, key, skipped, verdicts };
}

/**
 * Lists the problems of a pair that do not prevent its use.
 * @param authorities the content of ca_file, where a chain may end
 */
export function warningsOfPair(
  { certFile: file, leaf, chain, skipped, verdicts }: VerifiedPair,
  authorities: readonly Certificate[],
  now: Date,
): FileWarning[] {
  const warnings: FileWarning[] = [
    ...skipped.map((one) => ({ code: 'skipped-block' as const, file, ...one })),
    ...warningsOfTime(leaf, file, now),
    ...warningsOfIssuers(chain, file, authorities, now),
    ...warningsOfOrder(chain, file),
    ...chain.flatMap((certificate, index) => warningsOfContent(certificate, verdicts[index] ?? {}, file)),
  ];
  const purposes = leaf.extendedKeyUsage;
  if (
    purposes !== undefined &&
    !purposes.includes('serverAuth') &&
    !purposes.includes('anyExtendedKeyUsage')
  ) {
    warnings.push({
      code: 'wrong-usage',
      file,
      message: `certificate ${formatName(leaf.subject)} in "${file}" is not for servers (its extended key usage is ${purposes.join(', ')}): clients reject it`,
    });
  }
  return warnings;
}

/** Lists the problems of the content of ca_file. */
export function warningsOfAuthority(
  { certificate, verdict }: ReadCertificate,
  file: string,
  now: Date,
): FileWarning[] {
  const warnings = [
    ...warningsOfTime(certificate, file, now),
    ...warningsOfContent(certificate, verdict, file),
  ];
  if (!mayIssue(certificate)) {
    const message = `certificate ${formatName(certificate.subject)} in "${file}" is not an authority: as ca_file it accepts no certificate but itself`;
    const hint = 'natspki inspect FILE shows which certificate is the authority: name its file as ca_file';
    warnings.push({ code: 'not-an-authority', file, message, hint });
  }
  return warnings;
}

/**
 * Lists the expired certificates behind a leaf. Peers build the chain from those that are valid, so that an expired one
 * only counts when it alone signed the leaf.
 */
function warningsOfIssuers(
  [leaf, ...behind]: readonly Certificate[],
  file: string,
  authorities: readonly Certificate[],
  now: Date,
): FileWarning[] {
  const signer = (some: readonly Certificate[]) =>
    some.some((each) => leaf?.isSignedBy(each) && now >= each.notBefore && now <= each.notAfter);
  const isReplaced = signer(behind) || signer(authorities);
  return behind.flatMap((certificate) => {
    const problems = warningsOfTime(certificate, file, now);
    if (!isReplaced && leaf?.isSignedBy(certificate)) return problems;
    return problems.map((problem) => (problem.code === 'expired' ? asExtra(problem) : problem));
  });
}

function asExtra({ file, message }: FileWarning): FileWarning {
  const [what] = message.split(': ');
  return {
    code: 'expired-extra',
    file,
    message: `${what}: peers ignore it if they trust another certificate of the chain`,
    hint: 'remove it from the file, and reload the server',
  };
}

/** Warns of the first certificate that did not issue the one before it; one that is there twice does no harm. */
function warningsOfOrder(chain: readonly Certificate[], file: string): FileWarning[] {
  const once = chain.filter((one, index) => chain.findIndex(({ der }) => der.equals(one.der)) === index);
  for (const [index, certificate] of once.slice(0, -1).entries()) {
    const next = once[index + 1] as Certificate;
    // Cross-signed or renewed issuers stand next to each other.
    if (once.slice(0, index + 1).some((earlier) => earlier.isSignedBy(next))) continue;
    const place = chain.indexOf(next) + 1;
    return [
      {
        code: 'chain-out-of-order',
        file,
        message: `certificate ${place} in "${file}" (${formatName(next.subject)}) did not issue certificate ${chain.indexOf(certificate) + 1} (${formatName(certificate.subject)})`,
        hint: "put the server's own certificate first, then its issuer, then the issuer of that",
      },
    ];
  }
  return [];
}

/** Lists what makes peers reject a certificate that a server loads. */
function warningsOfContent(certificate: Certificate, { rejected, unusable }: GoVerdict, file: string) {
  const name = `certificate ${formatName(certificate.subject)} in "${file}"`;
  const warnings: FileWarning[] = [];
  const warn = (code: FileWarning['code'], problem: string) =>
    warnings.push({ code, file, message: `${name} ${problem}` });
  const fault = rejected ?? unusable;
  if (fault !== undefined) warn('unusable-certificate', `cannot be used by peers written in Go: ${fault}`);
  const weakness =
    fault === undefined && certificate.keyType !== 'unknown' ? weaknessOf(certificate.publicKey) : undefined;
  if (weakness !== undefined) warn('weak-key', `has a weak key: ${weakness}`);
  if (certificate.unknownCritical.length > 0) {
    warn(
      'unknown-extension',
      `has the critical extension ${certificate.unknownCritical.join(', ')}, which peers do not know: they reject it`,
    );
  }
  const isSelfSigned = certificate.issuerDer.equals(certificate.subjectDer);
  if (certificate.brokenSignatureAlgorithm && !isSelfSigned) {
    warn('weak-signature', `is signed with ${certificate.signatureAlgorithm}: peers reject it`);
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
  const material = readServerKey(bytes, file);
  if (material.encryption !== undefined) {
    throw new NatspkiError(
      'key-encrypted',
      `the key in "${file}" is encrypted, and a server cannot prompt for the passphrase`,
      { hint: `openssl pkey -in "${file}" -out server-key.pem` },
    );
  }
  const key = openPrivateKey(material, file);
  const fault = unusableInGo(material, key);
  if (fault === undefined) return key;
  throw new NatspkiError('unusable-key', `nats-server rejects the key in "${file}": it is ${fault}`, {
    hint: 'natspki issue server NAME --san dns:HOST makes a new key and its certificate',
  });
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
