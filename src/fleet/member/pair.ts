// The pairs in a member's folder: reads what is there, and puts a new one in its place or the old one back, in one step.
import { NatspkiError } from '../../errors.ts';
import { exists, type FileWrite } from '../../files/files.ts';
import { checkName, type PkiDirectory } from '../../pki/store/directory.ts';
import { nearest } from '../../suggest.ts';
import { readCertificates, toPem } from '../../x509/certificate.ts';
import { decodePrivateKey, encodePrivateKey } from '../../x509/key.ts';
import type { CurrentPair } from './link.ts';
import { isPendingFor, pendingFile, readPendingKey } from './pending-key.ts';

/** Reads a pair. Throws `no-certificate`, `missing-key` or `key-mismatch` for one that cannot ask. */
export async function readPair(directory: PkiDirectory, name: string): Promise<CurrentPair> {
  checkName(name);
  const files = directory.pair(name);
  if (!exists(files.certificateFile)) {
    const near = nearest(name, (await directory.contents()).certificates);
    throw new NatspkiError('no-certificate', `no certificate "${name}" in "${directory.path}"`, {
      hint: near === undefined ? 'see what there is with `natspki list`' : `did you mean "${near}"`,
    });
  }
  const chain = await directory.readChain(name);
  if (!exists(files.keyFile)) {
    throw new NatspkiError('missing-key', `the key of "${name}" is not in "${directory.path}"`, {
      hint: 'only the host that has the key can renew the certificate',
    });
  }
  const key = decodePrivateKey(await directory.read(files.keyFile), files.keyFile);
  if (chain[0].hasKey(key)) return { files, chain, key };
  throw new NatspkiError('key-mismatch', `"${files.keyFile}" is not the key of certificate "${name}"`);
}

/** Writes a pair; the one that it replaces goes to the archive. Hold the lock of the folder. */
export async function installPair(
  directory: PkiDirectory,
  name: string,
  { chain, key }: Pick<CurrentPair, 'chain' | 'key'>,
  now: Date,
  more: { readonly others?: readonly FileWrite[]; readonly removed?: readonly string[] } = {},
): Promise<void> {
  const pair = { ...directory.pair(name), certificate: toPem(chain), key: await encodePrivateKey(key) };
  await directory.write({ pairs: [pair], ...more }, now);
}

/** A renewal that has been installed, while it is not known whether its servers were told. */
export interface Untold {
  readonly name: string;
  /** Serial number of the certificate before. */
  readonly replaced: string;
}

/** Lists the names whose servers were not told about the present pair: the process that installed it was killed. */
export async function untoldNames(directory: PkiDirectory): Promise<Untold[]> {
  const untold: Untold[] = [];
  for (const name of (await directory.contents()).certificates) {
    const pending = await readPendingKey(directory, 'pending', name);
    if (pending === undefined) continue;
    const [leaf] = await directory.readChain(name);
    if (!isPendingFor(pending, leaf)) untold.push({ name, replaced: pending.by });
  }
  return untold;
}

/** Forgets the pending keys of names whose servers were told; hold the lock of the folder. */
export async function forgetPending(
  directory: PkiDirectory,
  names: readonly string[],
  now: Date,
): Promise<void> {
  const removed = names.map((name) => pendingFile(directory, 'pending', name)).filter(exists);
  if (removed.length > 0) await directory.write({ removed }, now);
}

/**
 * Puts the pair back that was replaced, while its pending key stays: the member then asks again as if nothing had happened.
 * Hold the lock of the folder.
 * @returns whether there was one that is still valid
 */
export async function restorePair(
  directory: PkiDirectory,
  { name, replaced }: Untold,
  now: Date,
): Promise<boolean> {
  const archived = await directory.lastArchived(name);
  if (archived === undefined || !exists(archived.keyFile)) return false;
  const { certificateFile, keyFile } = archived;
  const [cert, key] = [await directory.read(certificateFile), await directory.read(keyFile)];
  const [leaf] = readCertificates(cert, certificateFile);
  if (leaf.serial !== replaced || now >= leaf.notAfter) return false;
  const files = directory.pair(name);
  const others = [
    { path: files.certificateFile, data: cert, mode: 0o644 },
    { path: files.keyFile, data: key, mode: 0o600 },
  ];
  await directory.write({ others, removed: [certificateFile, keyFile] }, now);
  return true;
}
