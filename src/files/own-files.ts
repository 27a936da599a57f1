// Reads the files that natspki makes in a folder. The folder is untrusted: it may come from an archive, or other users may
// write to it. Each file is checked before it is read, replaced or removed: links are not followed, only regular files
// count, and they must belong to the user or to root.
import { lstatSync, type Stats, statSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { NatspkiError } from '../errors.ts';
import { given } from '../given.ts';
import { fileError, readRegularFile } from './files.ts';

/**
 * Reads a file that natspki made at or below `folder`; throws as readRegularFile and refuseForeign do.
 * @param folder the folder that the operator named; it may itself be behind a link
 */
export async function readOwnFile(folder: string, path: string, maximum?: number): Promise<Buffer> {
  refuseForeign(folder, path);
  return readRegularFile(path, { followLinks: false, ...given({ maximum }) });
}

/**
 * Throws `linked-file`, `not-a-folder`, `not-a-file` or `foreign-owner` when natspki cannot have made the file at `path`, or
 * a folder between `folder` and it. Accepts a path that is outside of the folder or does not exist.
 */
export function refuseForeign(folder: string, path: string): void {
  const names = namesBelow(folder, path);
  let at = folder;
  let parent = statsNow(folder, statSync);
  for (const [index, name] of names.entries()) {
    at = join(at, name);
    const stats = parent && statsNow(at, lstatSync);
    if (parent === undefined || stats === undefined) return;
    const isLast = index === names.length - 1;
    if (stats.isSymbolicLink()) throw linkedFile(at);
    if (!isLast && !stats.isDirectory())
      throw refusal('not-a-folder', `"${at}" is a file, expected a folder`);
    if (isLast && !stats.isFile()) {
      const what = stats.isDirectory() ? 'a folder' : 'a device or a pipe';
      throw refusal('not-a-file', `"${at}" is ${what}, expected a file`);
    }
    refuseOwner(at, stats, parent);
    parent = stats;
  }
}

/** Throws as refuseForeign does when something stands at `path` that is not a folder of natspki; a missing one passes. */
export function refuseForeignFolder(folder: string, path: string): void {
  // All components but the last are checked as folders.
  refuseForeign(folder, join(path, 'any'));
}

/** Returns the error for a link where natspki expects its own file. */
export function linkedFile(path: string): NatspkiError {
  return refusal('linked-file', `"${path}" is a link, expected a file or folder that natspki made`);
}

/** Returns the components of a path below a folder; none when it is elsewhere. */
function namesBelow(folder: string, path: string): string[] {
  const top = resolve(folder);
  const whole = resolve(path);
  const inside = top.endsWith(sep) ? top : `${top}${sep}`;
  return whole.startsWith(inside) ? whole.slice(inside.length).split(sep) : [];
}

/**
 * Throws `foreign-owner` for a file or folder of another user, unless only the user or root can have put it there. Root
 * also works in a folder that belongs to the user of a server, on that user's files.
 */
function refuseOwner(path: string, { uid, nlink, mode }: Stats, parent: Stats): void {
  const self = process.geteuid?.();
  // Windows has no owners by number.
  if (self === undefined) return;
  const owners = new Set(self === 0 ? [0, parent.uid] : [0, self]);
  if (owners.has(parent.uid) && (parent.mode & 0o022) === 0) return;
  const isHardLink = nlink > 1 && (mode & 0o170000) === 0o100000;
  if (owners.has(uid) && !isHardLink) return;
  const what = owners.has(uid) ? `has ${nlink} names` : `belongs to user ${uid}`;
  throw refusal('foreign-owner', `"${path}" ${what}, in a folder that other users can write to`);
}

function refusal(code: string, message: string): NatspkiError {
  const [, path = ''] = /^"(.*?)"/.exec(message) ?? [];
  return new NatspkiError(code, message, { hint: `natspki did not make it: ls -la "${path}"` });
}

function statsNow(path: string, stat: typeof lstatSync): Stats | undefined {
  try {
    return stat(path, { throwIfNoEntry: false });
  } catch (error) {
    if (['ENOTDIR', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw fileError(error, 'read', path);
  }
}
