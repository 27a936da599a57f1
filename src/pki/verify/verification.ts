// Finds all problems in the folder of an authority. It repairs nothing.
import { promises } from 'node:fs';
import { dirname } from 'node:path';
import { formatDay } from '../../duration.ts';
import { NatspkiError } from '../../errors.ts';
import { exists, formatMode } from '../../files/files.ts';
import { hintToClose } from '../../files/key-access.ts';
import { readOwnFile } from '../../files/own-files.ts';
import { given } from '../../given.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { type ChainPurpose, verifyChain } from '../../x509/chain.ts';
import { decodePrivateKey, weaknessOf } from '../../x509/key.ts';
import { formatSan, parseSan } from '../../x509/name.ts';
import type { PairFiles, PkiDirectory } from '../store/directory.ts';
import { isAuthority, type LedgerEntry } from '../store/ledger.ts';
import { profiles } from '../store/profile.ts';

export interface Finding {
  /** Stable: `expired`, `key-mismatch`, `key-mode`, `untrusted`, `wrong-usage`, `no-san`, `orphan-key`, ... */
  readonly code: string;
  readonly file: string;
  readonly message: string;
  readonly hint?: string;
  /** Set when the operator may have intended it. */
  readonly severity?: 'warning';
}

type Report = (
  code: string,
  file: string,
  message: string,
  hint?: string,
  severity?: Finding['severity'],
) => void;

/** Checks chains, keys, usages, names, expiry, file modes and orphaned files of the whole folder; returns all findings. */
export async function verifyDirectory(
  directory: PkiDirectory,
  options: { now?: () => Date } = {},
): Promise<Finding[]> {
  await directory.recover();
  const now = (options.now ?? (() => new Date()))();
  const findings: Finding[] = [];
  const report: Report = (code, file, message, hint, severity) => {
    findings.push({
      code,
      file,
      message,
      ...given({ hint, severity }),
    });
  };
  const bundle = (await reading(report, directory.authorityFile, () => directory.readBundle())) ?? [];
  for (const [i, certificate] of bundle.entries())
    checkAuthority(report, directory, certificate, i === 0, now);
  const read = () => directory.readIntermediates();
  const intermediates = (await reading(report, directory.intermediateFile, read)) ?? [];
  await checkIntermediate(report, directory, intermediates, bundle, now);
  if (bundle[0] !== undefined) await checkRootKey(report, directory, bundle[0], intermediates.length > 0);
  await checkMode(report, directory.path, 0o022);
  await checkMode(report, directory.authorityFile, 0o022);
  const { entries, damagedLines } = await directory.ledger.read();
  for (const line of damagedLines) {
    report(
      'ledger-damaged',
      directory.ledger.file,
      `line ${line} of the ledger is damaged`,
      'delete that line',
    );
  }
  const issued = new Map(entries.map((entry) => [entry.serial, entry]));
  const { certificates, keys, leftovers } = await directory.contents();
  for (const name of certificates) await checkLeaf(report, directory, name, bundle, issued, now);
  for (const name of keys.filter((key) => !certificates.includes(key))) {
    const file = directory.keyFile(name);
    report('orphan-key', file, 'a key without a certificate', 'remove it if nothing uses it');
    await checkMode(report, file, 0o077);
  }
  for (const file of leftovers) report('leftover', file, 'a killed command left this', 'remove it');
  return findings;
}

function checkAuthority(
  report: Report,
  directory: PkiDirectory,
  certificate: Certificate,
  current: boolean,
  now: Date,
): void {
  const file = directory.authorityFile;
  const subject = `${current ? 'authority' : 'retired authority'} "${certificate.commonName}"`;
  checkIssuer(report, file, subject, certificate);
  const command = current
    ? 'make a new one with `natspki rotate --ca`'
    : 'drop it with `natspki rotate --ca --finish`';
  const hint = directory.isMember ? `on the host of the authority, ${command}` : command;
  checkLife(report, file, subject, certificate, now, hint);
  checkStrength(report, file, subject, certificate);
}

async function checkLeaf(
  report: Report,
  directory: PkiDirectory,
  name: string,
  bundle: readonly Certificate[],
  issued: ReadonlyMap<string, LedgerEntry>,
  now: Date,
): Promise<void> {
  const pair = directory.pair(name);
  const file = pair.certificateFile;
  await checkMode(report, file, 0o022);
  const chain = await reading(report, file, () => directory.readChain(name));
  if (chain === undefined) {
    await checkMode(report, pair.keyFile, 0o077);
    return;
  }
  const [leaf] = chain;
  const entry = issued.get(leaf.serial);
  const renew = `natspki ${directory.isMember ? 'renew' : 'rotate'} ${name}`;
  await checkKey(report, pair, leaf, entry?.request);
  if (bundle.length > 0) checkChain(report, file, chain, bundle, renew, now, purposesOf(entry));
  for (const issuer of chain.slice(1)) {
    const subject = `issuer "${issuer.commonName}"`;
    checkIssuer(report, file, subject, issuer);
    checkLife(report, file, subject, issuer, now, renew);
  }
  checkCritical(report, file, `certificate "${name}"`, leaf);
  checkLife(report, file, `certificate "${name}"`, leaf, now, renew);
  checkStrength(report, file, `certificate "${name}"`, leaf);
  checkUsage(report, file, leaf, entry, renew);
  checkSans(report, file, leaf, renew);
}

/** Checks whether peers accept certificates that this one signed. */
function checkIssuer(report: Report, file: string, subject: string, certificate: Certificate): void {
  if (!certificate.signsCertificates)
    report('not-an-authority', file, `${subject} may not sign certificates`);
  checkCritical(report, file, subject, certificate);
}

function checkCritical(
  report: Report,
  file: string,
  subject: string,
  { unknownCritical }: Certificate,
): void {
  if (unknownCritical.length === 0) return;
  report(
    'unknown-extension',
    file,
    `${subject} has a critical extension that peers do not know: ${unknownCritical.join(', ')}`,
  );
}

/** Checks the intermediates, and that the first one chains to the root. */
async function checkIntermediate(
  report: Report,
  directory: PkiDirectory,
  intermediates: readonly Certificate[],
  bundle: readonly Certificate[],
  now: Date,
): Promise<void> {
  const pair = directory.intermediatePair;
  const file = pair.certificateFile;
  const [issuer, ...above] = intermediates;
  if (issuer === undefined) return;
  const renew = 'make a new one with `natspki rotate --intermediate`';
  for (const each of intermediates) {
    const subject = `intermediate "${each.commonName}"`;
    checkIssuer(report, file, subject, each);
    checkLife(report, file, subject, each, now, renew);
    checkStrength(report, file, subject, each);
  }
  if (bundle.length > 0) checkChain(report, file, [issuer, ...above], bundle, renew, now);
  await checkKey(report, pair, issuer);
  await checkMode(report, file, 0o022);
}

/** Checks the key of the root. It may be offline on purpose: a warning, and with an intermediate not even that. */
async function checkRootKey(
  report: Report,
  directory: PkiDirectory,
  certificate: Certificate,
  intermediate: boolean,
): Promise<void> {
  if (exists(directory.authorityKeyFile)) return checkKey(report, directory.authorityPair, certificate);
  if (intermediate || directory.isMember) return;
  report(
    'missing-key',
    directory.authorityKeyFile,
    'the key of the authority is missing, so that nothing can be issued',
    'ignore this if the key is offline on purpose, or restore it',
    'warning',
  );
}

async function checkKey(
  report: Report,
  pair: PairFiles,
  certificate: Certificate,
  elsewhere = false,
): Promise<void> {
  const { name, keyFile } = pair;
  if (!exists(keyFile)) {
    if (!elsewhere)
      report('missing-key', keyFile, `the key of "${name}" is missing`, 'restore it from a backup');
    return;
  }
  await checkMode(report, keyFile, 0o077);
  try {
    const key = decodePrivateKey(await readOwnFile(dirname(keyFile), keyFile), keyFile);
    if (certificate.hasKey(key)) return;
    report('key-mismatch', keyFile, `not the key of the certificate in "${pair.certificateFile}"`);
  } catch (error) {
    // An encrypted key cannot be checked without its passphrase.
    if (!(error instanceof NatspkiError && error.code === 'passphrase-needed'))
      reportError(report, keyFile, error);
  }
}

function checkChain(
  report: Report,
  file: string,
  chain: readonly [Certificate, ...Certificate[]],
  bundle: readonly Certificate[],
  renew: string,
  now: Date,
  purposes: readonly (ChainPurpose | undefined)[] = [undefined],
): void {
  for (const [i, certificate] of chain.entries()) {
    const next = chain[i + 1];
    if (next !== undefined && !certificate.isSignedBy(next)) {
      const subject = `"${certificate.commonName}"`;
      report('chain-order', file, `${subject} is followed by "${next.commonName}", which did not sign it`);
      return;
    }
  }
  for (const purpose of purposes) {
    const verified = verifyChain(chain, { roots: bundle, now, purpose });
    if (verified.chain !== undefined) continue;
    const { code, certificate, reason } = verified.fault;
    // Each certificate is checked for these by itself, and the usages of the leaf against its profile.
    const isKnown = ['expired', 'not-yet-valid', 'unknown-extension', 'not-an-authority'].includes(code);
    if (isKnown || (code === 'wrong-usage' && certificate === chain[0])) continue;
    report(code, file, `"${certificate.commonName}" ${reason}`, code === 'path-too-long' ? undefined : renew);
    return;
  }
}

/** The purposes of a leaf by its profile; none in particular where the ledger does not have it. */
function purposesOf(entry: LedgerEntry | undefined): readonly (ChainPurpose | undefined)[] {
  return entry === undefined || isAuthority(entry.profile) ? [undefined] : profiles[entry.profile].purposes;
}

function checkLife(
  report: Report,
  file: string,
  subject: string,
  certificate: Certificate,
  now: Date,
  hint: string,
): void {
  const { notBefore, notAfter } = certificate;
  if (now >= notAfter) report('expired', file, `${subject} expired on ${formatDay(notAfter)}`, hint);
  if (now < notBefore)
    report('not-yet-valid', file, `${subject} is valid from ${formatDay(notBefore)} on`, hint);
}

function checkStrength(report: Report, file: string, subject: string, certificate: Certificate): void {
  if (certificate.brokenSignatureAlgorithm) {
    report('weak-signature', file, `${subject} is signed with ${certificate.signatureAlgorithm}`);
  }
  const weakness = certificate.keyType === 'unknown' ? 'an unknown type' : weaknessOf(certificate.publicKey);
  if (weakness !== undefined) report('weak-key', file, `${subject} has a key of ${weakness}`);
}

function checkUsage(
  report: Report,
  file: string,
  leaf: Certificate,
  entry: LedgerEntry | undefined,
  renew: string,
): void {
  if (leaf.authority) {
    report('wrong-usage', file, 'an authority, expected the certificate of a server or client');
    return;
  }
  if (leaf.keyUsage?.includes('digitalSignature') === false) {
    report('wrong-usage', file, 'may not sign, which a TLS handshake needs (digitalSignature)', renew);
  }
  const { extendedKeyUsage } = leaf;
  if (extendedKeyUsage === undefined || extendedKeyUsage.includes('anyExtendedKeyUsage')) return;
  if (entry === undefined || isAuthority(entry.profile)) {
    if (!extendedKeyUsage.includes('serverAuth') && !extendedKeyUsage.includes('clientAuth')) {
      report('wrong-usage', file, 'usable neither by a server nor by a client');
    }
    return;
  }
  const missing = profiles[entry.profile].purposes.filter((purpose) => !extendedKeyUsage.includes(purpose));
  if (missing.length > 0) {
    report('wrong-usage', file, `a ${entry.profile} certificate without ${missing.join(' and ')}`, renew);
  }
}

function checkSans(report: Report, file: string, leaf: Certificate, renew: string): void {
  const hosts = leaf.sans.filter(({ kind }) => kind === 'dns' || kind === 'ip');
  if (leaf.extendedKeyUsage?.includes('serverAuth') && hosts.length === 0) {
    report('no-san', file, 'a server certificate without a DNS name or IP address');
  }
  for (const san of leaf.sans) {
    try {
      parseSan(formatSan(san));
    } catch (error) {
      if (!(error instanceof NatspkiError)) throw error;
      report('impossible-san', file, error.message, renew);
    }
  }
}

/**
 * Reports a file or folder whose mode gives other users too many permissions.
 * @param forbidden the permission bits that must not be set: 0o077 for a key
 */
async function checkMode(report: Report, file: string, forbidden: number): Promise<void> {
  // Windows has no such modes.
  if (process.platform === 'win32') return;
  const stats = await promises.stat(file).catch(() => undefined);
  if (stats === undefined || (stats.mode & forbidden) === 0) return;
  const key = forbidden === 0o077;
  const hint = key ? hintToClose(file, stats) : `chmod go-w ${file}`;
  if (hint === undefined) return;
  report(
    key ? 'key-mode' : 'file-mode',
    file,
    `mode ${formatMode(stats.mode)}, other users can ${key ? 'use' : 'change'} it`,
    hint,
  );
}

/** Runs a reader; reports the NatspkiError that it throws and returns undefined. */
async function reading<T>(report: Report, file: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    reportError(report, file, error);
    return undefined;
  }
}

function reportError(report: Report, file: string, error: unknown): void {
  if (!(error instanceof NatspkiError)) throw error;
  report(error.code, file, error.message, error.hint);
}
