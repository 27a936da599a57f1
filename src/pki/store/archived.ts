// Lists the replaced pairs in the archive of a folder, and deletes those that are of no use any more.
import { basename, join } from 'node:path';
import { NatspkiError } from '../../errors.ts';
import { exists } from '../../files/files.ts';
import { given } from '../../given.ts';
import { readCertificates } from '../../x509/certificate.ts';
import { replacedAt } from './archive.ts';
import type { PairFiles, PkiDirectory } from './directory.ts';

/** A replaced pair. */
export interface ArchivedPair {
  readonly name: string;
  readonly replacedAt?: Date;
  /** Lower-case hex; absent, as notAfter, when the certificate cannot be read. */
  readonly serial?: string;
  readonly notAfter?: Date;
  readonly hasKey: boolean;
  readonly folder: string;
}

/** Returns every archived pair, by name and then oldest first, with the folder that it is in. */
function allArchived(directory: PkiDirectory): (PairFiles & { readonly folder: string })[] {
  const { archive, authorityPair, intermediatePair } = directory;
  return archive.names().flatMap((name) =>
    archive.all(name).map((folder) => {
      const own = { ca: authorityPair, intermediate: intermediatePair }[name] ?? directory.pair(name);
      return {
        name,
        folder,
        certificateFile: join(folder, basename(own.certificateFile)),
        keyFile: join(folder, basename(own.keyFile)),
      };
    }),
  );
}

/** Returns the names of the leaves that were replaced last, in one step: those whose archive has the latest time. */
export function lastReplaced({ archive }: PkiDirectory): string[] {
  const times = new Map<string, string>();
  for (const name of archive.names()) {
    const last = archive.all(name).at(-1) ?? '';
    if (name !== 'ca' && name !== 'intermediate') times.set(name, basename(last).replace(/-.*/, ''));
  }
  const latest = [...times.values()].sort().at(-1);
  return [...times.keys()].filter((name) => times.get(name) === latest);
}

/** Lists the archived pairs by name, each oldest first; only those of the given names, if there are any. */
export async function listArchive(
  directory: PkiDirectory,
  names: readonly string[] = [],
): Promise<ArchivedPair[]> {
  await directory.recover();
  await directory.readBundle();
  const pairs = allArchived(directory);
  const unknown = names.find((name) => !pairs.some((pair) => pair.name === name));
  if (unknown !== undefined) {
    throw new NatspkiError('not-in-archive', `the archive of "${directory.path}" has no pair "${unknown}"`, {
      hint: 'natspki archive lists what it has',
    });
  }
  const listed: ArchivedPair[] = [];
  for (const { name, folder, certificateFile, keyFile } of pairs) {
    if (names.length > 0 && !names.includes(name)) continue;
    const certificate = await readIfReadable(directory, certificateFile);
    listed.push({
      name,
      folder,
      hasKey: exists(keyFile),
      ...given({
        replacedAt: replacedAt(folder),
        serial: certificate?.serial,
        notAfter: certificate?.notAfter,
      }),
    });
  }
  return listed;
}

export interface PurgeOptions {
  readonly directory: PkiDirectory;
  /** Only pairs of these names; all without any. */
  readonly names?: readonly string[];
  /** Also deletes leaves that were replaced at least this many milliseconds ago, although they have not expired. */
  readonly olderThanMs?: number;
  readonly dryRun?: boolean;
  readonly now?: () => Date;
}

/**
 * Deletes expired pairs from the archive in one step, and returns them. The pairs of authorities stay until they expire:
 * an authority that is still trusted may be needed again.
 */
export async function purgeArchive(options: PurgeOptions): Promise<ArchivedPair[]> {
  const { directory, names, olderThanMs, dryRun = false, now = () => new Date() } = options;
  const at = now();
  const purgeable = async () =>
    (await listArchive(directory, names)).filter(({ name, notAfter, replacedAt }) => {
      if (notAfter !== undefined && notAfter <= at) return true;
      if (olderThanMs === undefined || ['ca', 'intermediate'].includes(name)) return false;
      return replacedAt !== undefined && at.getTime() - replacedAt.getTime() >= olderThanMs;
    });
  if (dryRun) return purgeable();
  await directory.readBundle();
  return directory.exclusive(async () => {
    const purged = await purgeable();
    const folders = new Set(purged.map(({ folder }) => folder));
    const removed = allArchived(directory)
      .filter(({ folder }) => folders.has(folder))
      .flatMap(({ certificateFile, keyFile }) => [certificateFile, keyFile].filter(exists));
    if (removed.length > 0) await directory.write({ removed }, at);
    return purged;
  });
}

async function readIfReadable(directory: PkiDirectory, file: string) {
  try {
    return readCertificates(await directory.read(file), file)[0];
  } catch (error) {
    if (error instanceof NatspkiError) return undefined;
    throw error;
  }
}
