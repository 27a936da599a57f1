// The only writer of files: atomic, durable, with the final mode from the first byte. Knows nothing of what it writes.
// Several files that must change together are staging.ts's. It waits for the disk without holding up the process, and for
// nothing else: to hand a call to another thread takes longer than all calls but those that reach the disk.
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
  promises,
  readdirSync,
  readFileSync as readNow,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { NatspkiError } from './errors.ts';

/** Reads files up to this many bytes: certificates and configurations are far below it. */
const maximumBytes = 64 * 1024 * 1024;

/** Bytes that are read at a time of what does not say how many it has. */
const chunk = 64 * 1024;

/** A temporary file of a single write that is older than this belongs to a process that died. */
const staleAfterMs = 60_000;

const reachDisk = promisify(fsync);

/** One file of several that are written together. */
export interface FileWrite {
  readonly path: string;
  readonly data: string | Uint8Array;
  /** Before the umask. */
  readonly mode: number;
}

/**
 * Reads a whole file, or a pipe to its end; throws a NatspkiError that names the file (and its mode) when it is missing,
 * closed to us, a folder or larger than `maximum` bytes.
 */
export async function readFile(path: string, maximum = maximumBytes): Promise<Buffer> {
  try {
    const handle = await promises.open(path);
    try {
      const parts: Buffer[] = [];
      let total = 0;
      let room = (await handle.stat()).size + 1;
      refuseLarge(path, room - 1, maximum);
      for (;;) {
        // What is no regular file says nothing of its size.
        const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(room), 0, room);
        if (bytesRead === 0) return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
        total += bytesRead;
        refuseLarge(path, total, maximum);
        parts.push(buffer.subarray(0, bytesRead));
        room = chunk;
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/** Reads like readFile what nobody would keep as anything but a file: throws `not-a-file` for a device or a pipe. */
export async function readRegularFile(path: string, maximum = maximumBytes): Promise<Buffer> {
  const there = statsNow(path);
  if (!there.isFile() && !there.isDirectory()) {
    throw new NatspkiError('not-a-file', `"${path}" is a device or a pipe, expected a file`);
  }
  return readFile(path, maximum);
}

function statsNow(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/** Reads like readFile, without waiting. */
export function readFileSync(path: string): Buffer {
  try {
    refuseLarge(path, statSync(path).size, maximumBytes);
    return readNow(path);
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/** Tells whether there is something at this path, a dangling link included. */
export function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/**
 * Replaces a file in one step: a crash leaves the old content or the new. Follows a symbolic link.
 * @param options.mode before the umask; a file that exists keeps its mode unless this is given. Default 0o644.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  const target = resolveTarget(path);
  const temporary = temporaryName(target);
  try {
    removeStaleTemporaries(target);
    const old = statsOf(target);
    await createFile(temporary, data, options.mode ?? 0o644);
    if (old !== undefined) {
      inheritOwner(temporary, old);
      if (options.mode === undefined) chmodSync(temporary, old.mode & 0o7777);
    }
    renameSync(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    removeIfThere(temporary);
    throw fileError(error, 'write', path);
  }
}

/** Creates a file that was not there, with its final mode from the first byte, and waits until the disk has it. */
export async function createFile(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const file = openSync(path, 'wx', mode);
  try {
    writeFileSync(file, data);
    await reachDisk(file);
  } finally {
    closeSync(file);
  }
}

/** Gives a file the owner of the one it is about to replace: root renews what a server reads as somebody else. */
export function inheritOwner(path: string, old: { uid: number; gid: number }): void {
  const fresh = statSync(path);
  if (fresh.uid === old.uid && fresh.gid === old.gid) return;
  try {
    chownSync(path, old.uid, old.gid);
  } catch {
    // Only root can; for others the file becomes theirs, as with any editor.
  }
}

/** Removes a file where it is there and can be removed. */
export function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It is in nobody's way.
  }
}

/** Makes a folder and those above it, mode 0700 unless given; one that exists stays as it is. */
export async function makeDirectory(path: string, mode = 0o700): Promise<void> {
  const there = statsOf(path);
  if (there?.isDirectory()) return;
  if (there !== undefined) throw new NatspkiError('not-a-folder', `"${path}" is a file, expected a folder`);
  const above = dirname(path);
  // Not by mkdir's own recursion, which never ends where a file system takes no folders and says ENOENT, as /proc does.
  if (above !== path) await makeDirectory(above, mode);
  try {
    mkdirSync(path, { mode });
    await syncFolder(above);
  } catch (error) {
    // Another process was faster.
    if (isCode(error, 'EEXIST')) return;
    if (isCode(error, 'ENOENT')) {
      throw new NatspkiError('no-folders', `cannot make folder "${path}": "${above}" takes none`, {
        cause: error,
      });
    }
    throw fileError(error, 'write', path);
  }
}

/** Looks at what is at a path, following links; undefined where nothing is, or nothing that we may see. */
export function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Waits until the disk has the names in a folder. */
export async function syncFolder(path: string): Promise<void> {
  // Windows opens no folders.
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    await reachDisk(folder);
  } finally {
    closeSync(folder);
  }
}

/** Gives the file that a write to `path` replaces: the end of a symbolic link, or the path itself. */
export function resolveTarget(path: string): string {
  return realPath(path) ?? resolveEntry(path);
}

/** Gives a path whose folders are no symbolic links; what it ends in may be one, or missing. */
export function resolveEntry(path: string): string {
  return join(realPath(dirname(path)) ?? resolve(dirname(path)), basename(path));
}

/** Gives a path without symbolic links; undefined where it leads nowhere, or nowhere that we may see. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

/** Gives a fresh name in the folder of `target`, hidden and recognizable as ours. */
export function temporaryName(target: string): string {
  return join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
}

/** Tells whether a file name is one of temporaryName's. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.[0-9a-f]{12}\.tmp$/.test(name);
}

/** Tells whether a file name is one that temporaryName gives for a file of this name. */
export function isTemporaryOf(name: string, target: string): boolean {
  return name.startsWith(`.${target}.`) && name.length === target.length + 18 && isTemporaryName(name);
}

/** Tells whether an error is one of the system's with one of these codes. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException)?.code ?? '');
}

/** Turns an error of the system into one that names the file and, where that helps, its mode; passes others through. */
export function fileError(error: unknown, verb: 'read' | 'write', path: string): unknown {
  const code = (error as NodeJS.ErrnoException)?.code;
  if (error instanceof NatspkiError || typeof code !== 'string' || !/^E[A-Z]/.test(code)) return error;
  const fail = (name: string, message: string, hint?: string) =>
    new NatspkiError(name, message, hint === undefined ? { cause: error } : { hint, cause: error });
  switch (code) {
    case 'ENOENT':
      return verb === 'read'
        ? fail('file-missing', `"${path}" does not exist`, `ls -la "${lowestThere(path)}"`)
        : fail(
            'folder-missing',
            `cannot write "${path}": folder "${dirname(path)}" does not exist`,
            `mkdir -p "${dirname(path)}"`,
          );
    case 'EACCES':
    case 'EPERM':
      return fail(
        'permission-denied',
        `permission denied to ${verb} "${path}"${closedBy(path, verb)}`,
        'run as the owner, or change the mode with `chmod`',
      );
    case 'EISDIR':
      return fail('not-a-file', `"${path}" is a folder, expected a file`);
    case 'ENOTDIR':
      return fail('not-a-folder', `"${lowestThere(dirname(path))}" is a file, expected a folder`);
    case 'ENOSPC':
    case 'EDQUOT':
      return fail('disk-full', `no space left on the disk to write "${path}"`);
    case 'EROFS':
      return fail('read-only', `cannot write "${path}": the file system is read-only`);
    default:
      return fail('file-error', `cannot ${verb} "${path}": ${code}`);
  }
}

/** Climbs from a path until something is there. */
function lowestThere(path: string): string {
  const above = dirname(path);
  try {
    return above === path || lstatSync(path) ? path : above;
  } catch {
    return lowestThere(above);
  }
}

/** Says which file or folder on the way to `path` has the mode that keeps us out, ` (mode 0600, owner 0)`. */
function closedBy(path: string, verb: 'read' | 'write'): string {
  // A write needs the folder, since the file itself is replaced.
  const first = verb === 'read' ? path : dirname(path);
  for (let candidate = first; ; candidate = dirname(candidate)) {
    try {
      const { mode, uid } = statSync(candidate);
      const what = candidate === path ? '' : `folder "${candidate}" has `;
      return ` (${what}mode ${formatMode(mode)}, owner ${uid})`;
    } catch {
      // The folder above it can still tell.
      if (candidate === dirname(candidate)) return '';
    }
  }
}

/** Prints the permission bits of a mode as chmod takes them: `0600`. */
export function formatMode(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

function refuseLarge(path: string, size: number, maximum: number): void {
  if (size > maximum) {
    throw new NatspkiError('file-too-large', `"${path}" has ${size} bytes, expected at most ${maximum}`);
  }
}

function removeStaleTemporaries(target: string): void {
  const folder = dirname(target);
  for (const name of readdirSync(folder).filter((name) => isTemporaryOf(name, basename(target)))) {
    const path = join(folder, name);
    const age = Date.now() - (statsOf(path)?.mtimeMs ?? Date.now());
    if (age > staleAfterMs) rmSync(path, { force: true });
  }
}
