// Finds the issuers whose certificates peers may still trust, each with its key where the folder has it: lists and answers
// about revocations are signed for each of them.
import { exists } from '../../files/files.ts';
import { type Certificate, readCertificates } from '../../x509/certificate.ts';
import { decodePrivateKey } from '../../x509/key.ts';
import type { Issuer } from '../store/authority.ts';
import type { PairFiles, PkiDirectory } from '../store/directory.ts';

export interface KnownIssuer {
  readonly certificate: Certificate;
  /** Undefined when the key is not in the folder. */
  readonly key: Issuer['key'] | undefined;
}

/**
 * Lists the issuer of leaves first, then the root above it, then roots and intermediates that were replaced. Throws a
 * NatspkiError when the key that signs leaves is missing or cannot be opened.
 */
export async function readIssuers(
  directory: PkiDirectory,
  passphrase: string | undefined,
): Promise<[KnownIssuer, ...KnownIssuer[]]> {
  const { current, roots, intermediates } = await directory.readAuthority(passphrase);
  const others = [...intermediates, ...roots].filter(({ der }) => !der.equals(current.certificate.der));
  const archived = [
    ...(await directory.archivedPairs('ca')),
    ...(await directory.archivedPairs('intermediate')),
  ];
  const known: [KnownIssuer, ...KnownIssuer[]] = [current];
  for (const certificate of others) {
    const pairs = [directory.authorityPair, directory.intermediatePair, ...archived];
    known.push({ certificate, key: await findKey(directory, certificate, pairs, passphrase) });
  }
  // A replaced intermediate is not in the bundle, and its leaves stay valid until they expire.
  for (const pair of archived) {
    const [certificate] = readCertificates(await directory.read(pair.certificateFile), pair.certificateFile);
    const isKnown = known.some((each) => each.certificate.spki.equals(certificate.spki));
    if (isKnown || !roots.some((root) => !root.spki.equals(certificate.spki) && certificate.isSignedBy(root)))
      continue;
    known.push({ certificate, key: await findKey(directory, certificate, [pair], passphrase) });
  }
  return known;
}

async function findKey(
  directory: PkiDirectory,
  certificate: Certificate,
  pairs: readonly PairFiles[],
  passphrase: string | undefined,
): Promise<Issuer['key'] | undefined> {
  for (const { keyFile } of pairs) {
    if (!exists(keyFile)) continue;
    const key = decodePrivateKey(await directory.read(keyFile), keyFile, passphrase);
    if (certificate.hasKey(key)) return key;
  }
  return undefined;
}
