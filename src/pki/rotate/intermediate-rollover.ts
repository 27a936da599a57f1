// Replaces the intermediate: plans the next one and has the root sign it. ca-rollover.ts replaces the root.
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import type { Certificate } from '../../x509/certificate.ts';
import { generateKey, renewedKeyType } from '../../x509/key.ts';
import { intermediateDays, intermediateName, signIntermediate } from '../issue/intermediate.ts';
import { keyNeedsPassphrase } from '../issue/issue.ts';
import type { IssuedCertificates } from '../issue/leaf.ts';
import { checkCommonName, nextName } from '../store/authority.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { rowOf } from '../store/listing.ts';
import { issuedDays, type NewIntermediate } from './plan.ts';

export interface IntermediateOptions {
  readonly directory: PkiDirectory;
  /** Common name of the new intermediate; default that of the old one with the next number. */
  readonly commonName?: string;
  /** Opens the key of the root, and encrypts that of the new intermediate if the old one is encrypted. */
  readonly passphrase?: string;
  readonly now?: () => Date;
}

/** Returns the lifetime in days for the successor of an intermediate that may have been limited by the end of its root. */
export function intermediateLife(old: Certificate, root: Certificate): number {
  const days = issuedDays(old);
  return old.notAfter.getTime() === root.notAfter.getTime() ? Math.max(days, intermediateDays) : days;
}

/**
 * Plans a new intermediate that replaces the existing one, or the first one below a root that has signed leaves itself.
 * Throws `root-key-away` when the key of the root is elsewhere, and `path-too-long` when the path length of the root allows
 * no intermediate. Throws `rotation-under-way` when the first one would exceed the path length of a cross-signed root.
 */
export async function planIntermediate(options: IntermediateOptions): Promise<NewIntermediate> {
  const { directory } = options;
  await directory.recover();
  const [root] = await directory.readBundle();
  const [old] = await directory.readIntermediates();
  directory.refuseRootKeyAway(root);
  if (old === undefined && (await directory.readCrossSigned()).length > 0) {
    throw new NatspkiError(
      'rotation-under-way',
      `the old authority signed "${root.commonName}" without room for an intermediate`,
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
    ...given({ succeeds: old?.commonName }),
    root: root.commonName,
    keyType: renewedKeyType((old ?? root).keyType),
    days: old === undefined ? intermediateDays : intermediateLife(old, root),
  };
}

/**
 * Makes the intermediate that signs from now on. The leaves of the previous one stay valid, since their files contain it.
 * Its pair goes to the archive. Throws as planIntermediate does.
 */
export async function replaceIntermediate(
  options: IntermediateOptions,
): Promise<IssuedCertificates & { readonly step: NewIntermediate }> {
  const { directory, passphrase, now: clock = () => new Date() } = options;
  const now = clock();
  const { keyType } = await planIntermediate(options);
  const key = await generateKey(keyType);
  return directory.exclusive(async () => {
    const step = await planIntermediate(options);
    const root = await directory.readRoot(passphrase);
    const [old] = await directory.readIntermediates();
    const { pair, entry, row } = await signIntermediate(directory, root, {
      replaces: old,
      commonName: step.intermediate,
      days: step.days,
      key,
      now,
      passphrase: await successorPassphrase(directory.issuerPair.keyFile, passphrase),
    });
    await directory.write({ entries: [entry], pairs: [pair] }, now);
    const { certificate } = root.current;
    return {
      step,
      certificates: [rowOf(certificate, directory.authorityPair, 'authority', now), row],
      notices: directory.takeRecoveryNotices(),
    };
  });
}

/**
 * Returns the passphrase for the successor of a key: undefined if the key file is not encrypted. Throws
 * `passphrase-needed` if it is encrypted and no passphrase was given.
 */
export async function successorPassphrase(
  keyFile: string,
  passphrase: string | undefined,
): Promise<string | undefined> {
  if (!(await keyNeedsPassphrase(keyFile))) return undefined;
  if (passphrase !== undefined) return passphrase;
  throw new NatspkiError('passphrase-needed', `the key in "${keyFile}" is encrypted`, {
    hint: 'pass --passphrase-file FILE',
  });
}
