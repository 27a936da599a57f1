// The intermediate authority: it signs the leaves, so that the root's key is needed only to make the next intermediate
// and can be somewhere safe until then. No peer has to trust it: it stands behind each leaf.
import type { KeyObject } from 'node:crypto';
import { NatspkiError } from '../errors.ts';
import type { Certificate } from '../x509/certificate.ts';
import { generateKey } from '../x509/key.ts';
import { type Authority, checkCommonName, nextName } from './authority.ts';
import type { PairWrite, PkiDirectory } from './directory.ts';
import { keyNeedsPassphrase } from './issue.ts';
import { type Made, pairOf } from './leaf.ts';
import { type LedgerEntry, ledgerEntry } from './ledger.ts';
import { describe, type ListedCertificate } from './listing.ts';
import { issuedDays, type NewIssuer, renewedKeyType } from './rotation.ts';

/** A life in days where nobody says another. */
export const intermediateDays = 1825;

export interface IntermediateOptions {
  readonly directory: PkiDirectory;
  /** Common name of the new intermediate; default the old one's with the next number behind it. */
  readonly commonName?: string;
  /** Of the root's key, and of the new one where the old one has one. */
  readonly passphrase?: string;
  readonly now?: () => Date;
}

/** What there is of a new intermediate before it is written. */
export interface SignedIntermediate {
  readonly authority: Authority;
  readonly pair: PairWrite;
  readonly entry: LedgerEntry;
  readonly row: ListedCertificate;
}

/** Names the intermediate of a root. */
export function intermediateName(root: string): string {
  return nextName(root, 'intermediate');
}

/** Gives the days for one that takes the place of another, whose own life the root's end may have cut short. */
export function intermediateLife(old: Certificate, root: Certificate): number {
  const days = issuedDays(old);
  return old.notAfter.getTime() === root.notAfter.getTime() ? Math.max(days, intermediateDays) : days;
}

/** Has a root sign an intermediate; throws as Authority.intermediate does. */
export async function signIntermediate(
  directory: PkiDirectory,
  root: Authority,
  wanted: { commonName: string; key: KeyObject; days: number; now: Date; passphrase?: string | undefined },
): Promise<SignedIntermediate> {
  const { key, now, passphrase } = wanted;
  const authority = await root.intermediate(wanted);
  const { certificate } = authority.current;
  const files = directory.intermediatePair;
  const facts = { name: files.name, profile: 'intermediate', issuer: root.current.certificate.pin } as const;
  return {
    authority,
    pair: await pairOf(files, authority.intermediates, key, passphrase),
    entry: ledgerEntry(certificate, { ...facts, now }),
    row: describe(certificate, files, 'intermediate', now),
  };
}

/**
 * Plans a new intermediate in place of the one there is, or the first one below a root that has signed leaves itself.
 * Throws `root-key-away` where the root's key is elsewhere, `path-too-long` where the root allows none below it, and
 * `rotation-under-way` where the first one would make the chains of a rotation of the root too long.
 */
export async function planIntermediate(options: IntermediateOptions): Promise<NewIssuer> {
  const { directory } = options;
  await directory.settle();
  const [root] = await directory.readBundle();
  const [old] = await directory.readIntermediates();
  directory.refuseRootKeyAway(root);
  if (old === undefined && (await directory.readVouchers()).length > 0) {
    throw new NatspkiError(
      'rotation-under-way',
      `"${root.commonName}" is vouched for without an intermediate while it takes over`,
      { hint: 'finish with `natspki rotate --ca --finish` first' },
    );
  }
  if (root.pathLength === 0) {
    throw new NatspkiError('path-too-long', `"${root.commonName}" allows no authority below it`, {
      hint: 'make a root that does with `natspki rotate --ca`',
    });
  }
  const commonName =
    options.commonName ?? (old === undefined ? intermediateName(root.commonName) : nextName(old.commonName));
  checkCommonName(commonName, "the intermediate's name");
  return {
    action: 'new-issuer',
    intermediate: commonName,
    ...(old === undefined ? {} : { succeeds: old.commonName }),
    root: root.commonName,
    keyType: renewedKeyType((old ?? root).keyType),
    days: old === undefined ? intermediateDays : intermediateLife(old, root),
  };
}

/**
 * Makes the intermediate that signs from now on. What the one before has signed stays good, since that stands behind it;
 * the old pair goes to the archive. Throws as planIntermediate does.
 */
export async function replaceIntermediate(
  options: IntermediateOptions,
): Promise<Made & { readonly step: NewIssuer }> {
  const { directory, passphrase, now: clock = () => new Date() } = options;
  const now = clock();
  const { keyType } = await planIntermediate(options);
  const key = await generateKey(keyType);
  return directory.exclusive(async () => {
    const step = await planIntermediate(options);
    const root = await directory.readRoot(passphrase);
    const { pair, entry, row } = await signIntermediate(directory, root, {
      commonName: step.intermediate,
      days: step.days,
      key,
      now,
      passphrase: await likeThatOf(directory.issuerPair.keyFile, passphrase),
    });
    await directory.write({ entries: [entry], pairs: [pair] }, now);
    const { certificate } = root.current;
    return {
      step,
      certificates: [describe(certificate, directory.authorityPair, 'authority', now), row],
      notices: directory.tellRecovery(),
    };
  });
}

/**
 * Gives the passphrase for a key that takes the place of another: none where that has none, and throws
 * `passphrase-needed` where it has one and nobody has told it.
 */
export async function likeThatOf(
  keyFile: string,
  passphrase: string | undefined,
): Promise<string | undefined> {
  if (!(await keyNeedsPassphrase(keyFile))) return undefined;
  if (passphrase !== undefined) return passphrase;
  throw new NatspkiError('passphrase-needed', `the key in "${keyFile}" is encrypted`, {
    hint: 'pass --passphrase-file FILE',
  });
}
