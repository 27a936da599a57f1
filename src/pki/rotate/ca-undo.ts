// Abandons a rollover of the root before its end: the old root signs again, and the new one leaves the trust bundle.
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import { type Certificate, readCertificates } from '../../x509/certificate.ts';
import { anchorOf } from '../../x509/trust-anchor.ts';
import type { IssuedCertificates } from '../issue/leaf.ts';
import type { PairFiles, PairWrite, PkiDirectory } from '../store/directory.ts';
import { rowOf } from '../store/listing.ts';
import { type FinishOptions, findDependents, noRotation } from './ca-rollover.ts';

/**
 * Restores the old root from the archive, and its intermediate if it had one; the new root goes there. Throws
 * `no-rotation`, `not-in-archive`, and, unless forced, `still-needed` with the names of the leaves that only the new root
 * has signed.
 */
export async function undoRollover(options: FinishOptions): Promise<IssuedCertificates> {
  const { directory, force = false, now: clock = () => new Date() } = options;
  const now = clock();
  await directory.recover();
  await directory.readBundle();
  return directory.exclusive(async () => {
    const [current, old, ...older] = await directory.readBundle();
    if (old === undefined) throw noRotation(directory);
    const dependents = await findDependents(directory, old, [current], now);
    if (dependents.length > 0 && !force) throw stillSigned(current, dependents);
    const root = await archived(directory, 'ca', ([certificate]) => certificate.der.equals(old.der));
    if (root === undefined) {
      throw new NatspkiError(
        'not-in-archive',
        `the archive of "${directory.path}" has no key of authority "${old.commonName}"`,
        { hint: 'finish the rotation instead: natspki rotate, then natspki rotate --ca --finish' },
      );
    }
    const below = await archived(directory, 'intermediate', ([first, ...above]) => {
      return anchorOf(first, above, [old]) !== undefined;
    });
    const { authorityPair, intermediatePair, chainFile } = directory;
    const bundle = [old, ...older].map((each) => each.toPem()).join('');
    const pairs: PairWrite[] = [{ ...authorityPair, certificate: bundle, key: root.key }];
    if (below !== undefined) pairs.push({ ...intermediatePair, certificate: below.text, key: below.key });
    await directory.write(
      { pairs, retired: below === undefined ? [intermediatePair] : [], removed: [chainFile] },
      now,
    );
    return {
      certificates: [rowOf(old, authorityPair, 'authority', now)],
      notices: [
        ...directory.takeRecoveryNotices(),
        `peers that have the ca.pem with "${current.commonName}" go on to trust it: give them ca.pem again`,
        ...dependents.map(({ name }) => `no longer trusted: ${name}`),
      ],
    };
  });
}

/** Returns the newest archived pair of an authority whose certificates pass a test. */
async function archived(
  directory: PkiDirectory,
  name: 'ca' | 'intermediate',
  isWanted: (certificates: readonly [Certificate, ...Certificate[]]) => boolean,
): Promise<{ text: string; key: string | undefined } | undefined> {
  const pairs: PairFiles[] = await directory.archivedPairs(name);
  for (const { certificateFile, keyFile } of pairs.toReversed()) {
    if (!exists(certificateFile) || !exists(keyFile)) continue;
    const bytes = await directory.read(certificateFile);
    if (!isWanted(readCertificates(bytes, certificateFile))) continue;
    return { text: bytes.toString(), key: (await directory.read(keyFile)).toString() };
  }
  return undefined;
}

function stillSigned(current: Certificate, dependents: readonly { readonly name: string }[]): NatspkiError {
  const names = dependents.map(({ name }) => name).join(', ');
  return new NatspkiError(
    'still-needed',
    `"${current.commonName}" has signed certificates in use: ${names}`,
    {
      hint: 'restore the previous pairs first with `natspki rotate --undo`, or pass --force',
    },
  );
}
