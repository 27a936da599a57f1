// Finds the folder entries that decide what a path leads to: the file, and every symbolic link on the way. Only looks.

import { lstat, readlink, stat } from 'node:fs/promises';
import { join, parse, resolve, sep } from 'node:path';

/** An entry of a folder; when it is exchanged the path leads elsewhere. */
export interface WatchPoint {
  /** A real folder, no link in its path. */
  readonly folder: string;
  readonly name: string;
  /** Device and inode of the folder, so that another one under its name is noticed. */
  readonly folderIdentity: string;
}

/** Follows a path to its end, or to the first name that is missing or closed to us: that is the last point then. */
export async function watchPoints(path: string): Promise<WatchPoint[]> {
  const points: WatchPoint[] = [];
  let { root: folder } = parse(resolve(path));
  let names = namesBelow(resolve(path));
  // As many links as Linux follows.
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

/** Describes what is at the end of a path so that any replacement, rewrite or change of mode makes it another text. */
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
