// Restores what a rotation has replaced: one pair by its name, or all pairs of the last rotation.
import { formatDay } from '../../duration.ts';
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import { type Certificate, readCertificates, toPem } from '../../x509/certificate.ts';
import { readMaterialOf } from '../../x509/decode.ts';
import { decodePrivateKey } from '../../x509/key.ts';
import { type Anchored, anchorOf } from '../../x509/trust-anchor.ts';
import type { IssuedCertificates } from '../issue/leaf.ts';
import { lastReplaced } from '../store/archived.ts';
import { checkName, type PairFiles, type PairWrite, type PkiDirectory } from '../store/directory.ts';
import { readLeaves } from '../store/leaves.ts';
import type { Revocation } from '../store/ledger.ts';
import { type ListedCertificate, rowOf, withoutKeyFile } from '../store/listing.ts';
import type { PinChange, ReplaceOptions } from './rotate.ts';

export interface UndoOptions extends ReplaceOptions {
  /** The pair to restore; without it, all pairs that the last rotation replaced. */
  readonly name?: string;
  /** Restores pairs that are revoked, expired or untrusted. */
  readonly force?: boolean;
}

/** A pair of the archive, and what the step that restores it changes. */
interface Restored {
  readonly row: ListedCertificate;
  readonly pair: PairWrite;
  readonly removed: readonly string[];
  readonly pins: readonly PinChange[];
  readonly notices: readonly string[];
}

/**
 * Restores replaced pairs in one step and archives the present ones, so that undoing twice changes nothing. Throws
 * `not-in-archive` when there is none. Unless forced, throws `revoked`, `expired` or `untrusted` for an unusable pair.
 */
export async function undoRotation(options: UndoOptions): Promise<IssuedCertificates> {
  const { directory, name, beforeReplace, now: clock = () => new Date() } = options;
  if (name !== undefined) checkName(name);
  const now = clock();
  // Throw before `exclusive` creates the folder when there is no authority.
  await directory.recover();
  await directory.readBundle();
  return directory.exclusive(async () => {
    const names = name === undefined ? lastReplaced(directory) : [name];
    if (names.length === 0) throw notInArchive(directory);
    const restored: Restored[] = [];
    for (const each of names) restored.push(await restore(options, each, now));
    const pins = restored.flatMap((each) => each.pins);
    if (pins.length > 0) await beforeReplace?.(pins);
    await directory.write(
      {
        pairs: restored.map(({ pair }) => pair),
        removed: restored.flatMap(({ removed }) => removed),
      },
      now,
    );
    return {
      certificates: restored.map(({ row }) => row),
      notices: [...directory.takeRecoveryNotices(), ...restored.flatMap(({ notices }) => notices)],
    };
  });
}

async function restore(
  { directory, force = false }: UndoOptions,
  name: string,
  now: Date,
): Promise<Restored> {
  const bundle = await directory.readBundle();
  const archived = await directory.lastArchived(name);
  if (archived === undefined) throw notInArchive(directory, name);
  const { certificateFile, keyFile } = archived;
  const chain = readCertificates(await directory.read(certificateFile), certificateFile);
  const [restored, ...above] = chain;
  const anchored = anchorOf(restored, above, bundle);
  const { entries, revocations } = await directory.ledger.read();
  const profile = entries.findLast(({ serial }) => serial === restored.serial)?.profile ?? 'unknown';
  const revocation = revocations.get(restored.serial);
  if (!force && revocation !== undefined) throw revokedBefore(revocation, profile);
  if (!force) refuseUnusable(restored, name, anchored, now);
  const present = directory.pair(name);
  const hasKey = exists(keyFile);
  const key = hasKey ? await archivedKey(directory, keyFile, restored) : undefined;
  // The archived chain may have a cross-signed certificate of a rollover that has finished since.
  const crossSigned = anchored?.root === bundle[0] ? await directory.readCrossSigned() : [];
  const behind = anchored === undefined ? above : [...anchored.intermediates, ...crossSigned];
  return {
    row: rowOf(restored, hasKey ? present : withoutKeyFile(present), profile, now),
    pair: { ...present, certificate: toPem([restored, ...behind]), key },
    removed: hasKey ? [certificateFile, keyFile] : [certificateFile],
    pins: await pinChange(directory, present, restored),
    notices: revocation === undefined ? [] : [stillRevoked(name, present.certificateFile)],
  };
}

async function pinChange(
  directory: PkiDirectory,
  { name, certificateFile }: PairFiles,
  { pin: to }: Certificate,
): Promise<PinChange[]> {
  if (!exists(certificateFile)) return [];
  const [replaced] = (await readLeaves(directory)).chains.get(name) ?? [];
  return replaced === undefined || replaced.pin === to ? [] : [{ name, from: replaced.pin, to }];
}

/** Reads the key of an archived pair; throws `key-mismatch` when it does not belong to the certificate. */
async function archivedKey(directory: PkiDirectory, file: string, certificate: Certificate): Promise<string> {
  const bytes = await directory.read(file);
  const isEncrypted = readMaterialOf('private-key', bytes, file)[0]?.encryption !== undefined;
  // An encrypted key cannot be checked without its passphrase.
  if (isEncrypted || certificate.hasKey(decodePrivateKey(bytes, file))) return bytes.toString();
  throw new NatspkiError('key-mismatch', `"${file}" is not the key of the certificate beside it`, {
    hint: 'rm it and repeat, to restore the certificate without a key',
  });
}

function revokedBefore({ name, time }: Revocation, profile: string): NatspkiError {
  const message = `the archived certificate "${name}" was revoked on ${formatDay(new Date(time))}`;
  return new NatspkiError('revoked', message, {
    hint: `make a new one with \`natspki issue ${profile} ${name}\`, or pass --force`,
  });
}

function refuseUnusable(
  restored: Certificate,
  name: string,
  anchored: Anchored | undefined,
  now: Date,
): void {
  const hint = `make a new one with \`natspki rotate ${name}\`, or pass --force`;
  if (now >= restored.notAfter) {
    const message = `the archived certificate "${name}" expired on ${formatDay(restored.notAfter)}`;
    throw new NatspkiError('expired', message, { hint });
  }
  if (anchored === undefined) {
    const message = `the archived certificate "${name}" was signed by "${restored.issuerCommonName}", which is no longer trusted`;
    throw new NatspkiError('untrusted', message, { hint });
  }
}

function notInArchive(directory: PkiDirectory, name?: string): NatspkiError {
  const what = name === undefined ? 'pair to restore' : `certificate "${name}"`;
  return new NatspkiError('not-in-archive', `the archive of "${directory.path}" has no ${what}`, {
    hint: 'it has what `natspki rotate` and --force replaced: `natspki archive` lists it',
  });
}

function stillRevoked(name: string, file: string): string {
  return `"${name}" stays revoked: configurations with pins reject it until \`natspki pin ${file} --add CONFIG\`, and ca.crl lists it`;
}
