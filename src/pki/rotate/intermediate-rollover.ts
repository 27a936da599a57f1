// Replaces the intermediate: plans the next one, and makes it with the root's key. The root is ca-rollover.ts's.
import { NatspkiError } from '../../errors.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { generateKey } from '../../x509/key.ts';
import { intermediateDays, intermediateName, signIntermediate } from '../issue/intermediate.ts';
import { keyNeedsPassphrase } from '../issue/issue.ts';
import type { Made } from '../issue/leaf.ts';
import { checkCommonName, nextName } from '../store/authority.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { describe } from '../store/listing.ts';
import { issuedDays, type NewIssuer, renewedKeyType } from './plan.ts';

export interface IntermediateOptions {
  readonly directory: PkiDirectory;
  /** Common name of the new intermediate; default the old one's with the next number behind it. */
  readonly commonName?: string;
  /** Of the root's key, and of the new one where the old one has one. */
  readonly passphrase?: string;
  readonly now?: () => Date;
}

/** Gives the days for one that takes the place of another, whose own life the root's end may have cut short. */
export function intermediateLife(old: Certificate, root: Certificate): number {
  const days = issuedDays(old);
  return old.notAfter.getTime() === root.notAfter.getTime() ? Math.max(days, intermediateDays) : days;
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
