// What goes along with pairs that are written into another folder than that of the authority: the trust bundle, and where
// they are in the ledger.
import { join, resolve } from 'node:path';
import { NatspkiError } from '../../errors.ts';
import { exists, type FileWrite } from '../../files/files.ts';
import { readOwnFile } from '../../files/own-files.ts';
import { readCertificates } from '../../x509/certificate.ts';
import type { Authority } from '../store/authority.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { isAuthority, type LedgerEntry } from '../store/ledger.ts';

/** The parts of a step that writes pairs. */
interface Companions {
  readonly entries: readonly LedgerEntry[];
  readonly others: readonly FileWrite[];
  readonly notices: readonly string[];
}

/**
 * Adds to the entries of new pairs the folder that they are written into, and brings the trust bundle along. Changes nothing
 * where pairs are in the folder of the authority.
 */
export async function besidePairs(
  directory: PkiDirectory,
  authority: Authority,
  entries: readonly LedgerEntry[],
): Promise<Companions> {
  if (directory.isAt(directory.pairFolder)) return { entries, others: [], notices: [] };
  const folder = resolve(directory.pairFolder);
  const recorded = entries.map((entry) => ({ ...entry, outside: true, folder }));
  return { entries: recorded, ...(await bundleFor(folder, directory, authority)) };
}

/**
 * Returns the write that brings the trust bundle to a folder. Leaves a ca.pem alone that has certificates of other
 * authorities: a notice says so.
 */
async function bundleFor(
  folder: string,
  directory: PkiDirectory,
  authority: Authority,
): Promise<{ others: FileWrite[]; notices: string[] }> {
  const path = join(folder, 'ca.pem');
  const text = authority.trustBundle();
  const present = exists(path) ? await readOwnFile(folder, path) : undefined;
  if (present?.toString('latin1') === text) return { others: [], notices: [] };
  if (present === undefined || (await isOfAuthority(present, path, directory, authority))) {
    return { others: [{ path, data: text, mode: 0o644 }], notices: [`wrote ${path}`] };
  }
  return { others: [], notices: [`${path} has other authorities and stays as it is: add those of this one`] };
}

/** Returns whether a trust bundle has only roots that the authority has now or had before. */
async function isOfAuthority(
  present: Buffer,
  path: string,
  { ledger }: PkiDirectory,
  { roots }: Authority,
): Promise<boolean> {
  try {
    const { entries } = await ledger.read();
    const earlier = entries.filter(({ profile }) => isAuthority(profile));
    const own = new Set([...roots, ...earlier].map(({ serial }) => serial));
    return readCertificates(present, path).every(({ serial }) => own.has(serial));
  } catch (error) {
    if (error instanceof NatspkiError) return false;
    throw error;
  }
}
