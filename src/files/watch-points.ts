// Finds the folder entries that determine the target of a path: the file, and every symbolic link on the way. Read-only.

import { lstat, readlink, stat } from 'node:fs/promises';
import { join, parse, resolve, sep } from 'node:path';

/** An entry of a folder; replacing it changes the target of the path. */
export interface WatchPoint {
  /** A path without symbolic links. */
  readonly folder: string;
  readonly name: string;
  /** Device and inode of the folder, to detect another folder of the same name. */
  readonly folderIdentity: string;
}

/** Follows a path to its end, or to the first name that is missing or not accessible, which is then the last point. */
export async function watchPoints(path: string): Promise<WatchPoint[]> {
  const points: WatchPoint[] = [];
  let { root: folder } = parse(resolve(path));
  let names = namesBelow(resolve(path));
  // The number of links that Linux follows.
  let links = 40;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    const entry = join(folder, name);
    const stats = await lstat(entry).catch(() => undefined);
    const isLink = stats?.isSymbolicLink() === true;
    if (isLink || names.length === 0 || stats === undefined) {
      points.push({ folder, name, folderIdentity: await folderIdentity(folder) });
    }
    if (stats === undefined || (isLink && links-- === 0)) break;
    if (!isLink) {
      folder = entry;
      continue;
    }
    const target = await readlink(entry).catch(() => undefined);
    if (target === undefined) break;
    const full = resolve(folder, target);
    folder = parse(full).root;
    names = [...namesBelow(full), ...names];
  }
  return points;
}

/** Returns a signature of the target of a path, which differs after any replacement, rewrite or change of mode. */
export async function fileSignature(path: string): Promise<string> {
  try {
    const { dev, ino, size, mode, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mode, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

async function folderIdentity(folder: string): Promise<string> {
  const stats = await stat(folder, { bigint: true }).catch(() => undefined);
  return stats === undefined ? 'none' : `${stats.dev} ${stats.ino}`;
}

function namesBelow(path: string): string[] {
  return path
    .slice(parse(path).root.length)
    .split(sep)
    .filter((name) => name !== '');
}
