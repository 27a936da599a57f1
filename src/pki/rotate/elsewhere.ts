// Pairs of other folders than that of the authority, which `issue --out` writes: `rotate` replaces them only in the folder
// that its `--out` names. The ledger, like all content of a folder, must not choose the paths that are written.
import { NatspkiError } from '../../errors.ts';
import { given } from '../../given.ts';
import { nearest, shellWord } from '../../suggest.ts';
import type { PkiDirectory } from '../store/directory.ts';
import { issueAgain } from '../store/leaves.ts';
import type { LedgerEntry } from '../store/ledger.ts';
import { isAnyAuthority, type ListedCertificate, listElsewhere } from '../store/listing.ts';
import type { Selection } from './plan.ts';

/** A selection of leaves, and when they are due. */
export interface DueSelection extends Selection {
  readonly now?: () => Date;
  /** A certificate is due when it expires within this many milliseconds; default the last third of its lifetime. */
  readonly dueMs?: number;
}

/** Returns the command that replaces a pair of another folder. */
export function renewalOf({ name, folder }: { readonly name: string; readonly folder: string }): string {
  return `natspki rotate ${shellWord(name)} --out ${shellWord(folder)}`;
}

/**
 * Returns one line for each selected pair of another folder, with the command that replaces it. Throws `no-certificate` for
 * a named one that is only there.
 * @param here the names of the pairs where the folder has its pairs
 */
export async function leftElsewhere(
  directory: PkiDirectory,
  { names, due = false, now, dueMs }: DueSelection,
  here: ReadonlySet<string>,
): Promise<string[]> {
  const wanted = names?.filter((name) => !here.has(name));
  if (wanted?.length === 0) return [];
  const elsewhere = await listElsewhere(directory, given({ now, dueMs }));
  const named = elsewhere.find(({ name }) => wanted?.includes(name));
  if (named !== undefined) {
    const message = `the files of certificate "${named.name}" are in "${named.folder}"`;
    throw new NatspkiError('no-certificate', message, {
      hint: `replace it there with \`${renewalOf(named)}\``,
    });
  }
  if (names !== undefined) return [];
  return elsewhere
    .filter((each) => each.due || !due)
    .map((each) => `"${each.name}" in "${each.folder}" is not rotated: \`${renewalOf(each)}\` does`);
}

/**
 * Returns the rows of the pairs of another folder that the authority issued into such a folder, and one line for each other
 * pair there. Throws `no-certificate` for a named pair that is not among the rows.
 */
export async function issuedInto(
  directory: PkiDirectory,
  listed: readonly ListedCertificate[],
  entries: readonly LedgerEntry[],
  names: readonly string[] | undefined,
): Promise<{ own: ListedCertificate[]; left: string[] }> {
  const folder = directory.pairFolder;
  const issued = new Set(entries.filter(({ outside }) => outside).map(({ serial }) => serial));
  const own = listed.filter(({ serial, profile }) => isAnyAuthority(profile) || issued.has(serial));
  const present = new Set(own.map(({ name }) => name));
  const missing = names?.find((name) => !present.has(name));
  if (missing !== undefined) {
    const near = nearest(missing, present);
    const hint =
      near === undefined
        ? `issue it with \`${await issueAgain(directory, missing)}\``
        : `did you mean "${near}"`;
    const isForeign = listed.some(({ name }) => name === missing);
    throw isForeign
      ? new NatspkiError('no-certificate', `certificate "${missing}" was not issued into "${folder}"`, {
          hint: `issue one in its place with \`${await issueAgain(directory, missing)} --force\``,
        })
      : new NatspkiError('no-certificate', `no certificate "${missing}" in "${folder}"`, { hint });
  }
  const foreign = names === undefined ? listed.filter((each) => !own.includes(each)) : [];
  return {
    own,
    left: foreign.map(({ name }) => `"${name}" is not rotated: it was not issued into "${folder}"`),
  };
}
