// The only module that writes files: atomically, durably, with the final mode from the first byte, whatever the content.
// Several files that must change together are written by transaction.ts. Only calls that reach the disk are asynchronous:
// handing any other call to another thread takes longer than the call itself.
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
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
import { NatspkiError } from '../errors.ts';

/** Largest file that is read, in bytes; certificates and configurations are far smaller. */
const maximumBytes = 64 * 1024 * 1024;

/** Bytes per read where the size is not known in advance. */
const chunk = 64 * 1024;

/** How long reading a regular file may take, in milliseconds, before its file system counts as not answering. */
const slowAfterMs = 10_000;

/** A temporary file of a single write that is older than this, in milliseconds, was left by a process that died. */
const staleAfterMs = 60_000;

const reachDisk = promisify(fsync);

/** One of several files that are written together. */
export interface FileWrite {
  readonly path: string;
  readonly data: string | Uint8Array;
  /** Permission bits before the umask is applied. A group that may read the old file may read the new one. */
  readonly mode: number;
  /** Whether a link at the path is followed, for a file that the operator keeps elsewhere on purpose. */
  readonly followLinks?: boolean;
}

/**
 * Reads a whole file, or a pipe to its end. Throws a NatspkiError that names the file (and its mode) when it is missing,
 * not readable, a folder or larger than `maximum` bytes.
 */
export async function readFile(path: string, maximum = maximumBytes): Promise<Buffer> {
  return readOpened(path, constants.O_RDONLY, maximum);
}

/**
 * Reads like readFile, but throws `not-a-file` for a device or a pipe, `linked-file` for a link if `followLinks` is
 * false, and `slow-file` when the file system does not answer within `timeoutMs`. It never waits for a pipe's writer.
 */
export async function readRegularFile(
  path: string,
  { maximum = maximumBytes, followLinks = true, timeoutMs = slowAfterMs } = {},
): Promise<Buffer> {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  const flags = O_RDONLY | O_NONBLOCK | (followLinks ? 0 : O_NOFOLLOW);
  let timer: NodeJS.Timeout | undefined;
  const slow = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(slowFile(path, timeoutMs)), timeoutMs);
  });
  try {
    return await Promise.race([readOpened(path, flags, maximum, refuseIrregular), slow]);
  } finally {
    clearTimeout(timer);
  }
}

async function readOpened(
  path: string,
  flags: number,
  maximum: number,
  check: (path: string, stats: Stats) => void = () => {},
): Promise<Buffer> {
  try {
    const handle = await promises.open(path, flags);
    try {
      const stats = await handle.stat();
      check(path, stats);
      const parts: Buffer[] = [];
      let total = 0;
      let room = stats.size + 1;
      refuseLarge(path, room - 1, maximum);
      for (;;) {
        // Pipes and devices do not report a size.
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

/** Reads like readRegularFile, synchronously and without a time limit. */
export function readFileSync(path: string): Buffer {
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      refuseIrregular(path, stats);
      refuseLarge(path, stats.size, maximumBytes);
      return readNow(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/** Throws `not-a-file` for a device, a pipe or a socket; reading a folder fails by itself. */
function refuseIrregular(path: string, stats: Stats): void {
  if (stats.isFile() || stats.isDirectory()) return;
  throw new NatspkiError('not-a-file', `"${path}" is a device or a pipe, expected a file`);
}

function slowFile(path: string, timeoutMs: number): NatspkiError {
  return new NatspkiError('slow-file', `"${path}" could not be read within ${timeoutMs / 1000} s`, {
    hint: 'is the file system that holds it mounted and reachable?',
  });
}

/** Returns whether a path exists; a dangling link counts. */
export function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

/**
 * Replaces a file in one step: after a crash it has the old content or the new. Follows a symbolic link.
 * @param options.mode before the umask; by default the mode of the existing file, or 0o644 for a new one
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
    // With the mode of the old file from the first byte: its content may be secret.
    await createFile(temporary, data, options.mode ?? (old === undefined ? 0o644 : old.mode & 0o777));
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

/** Creates a file that must not exist yet, with its final mode from the first byte, and waits until it is on disk. */
export async function createFile(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const file = openSync(path, 'wx', mode);
  try {
    writeFileSync(file, data);
    await reachDisk(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Gives a file the owner and group of the one it will replace, where the user may: root may renew a file that a server
 * reads as another user. Returns whether the group is the same now.
 */
export function inheritOwner(path: string, old: { uid: number; gid: number }): boolean {
  const fresh = statSync(path);
  if (fresh.uid === old.uid && fresh.gid === old.gid) return true;
  try {
    chownSync(path, old.uid, old.gid);
    return true;
  } catch {
    // Only root can change the owner; for any other user the file becomes their own, as with any editor.
  }
  try {
    chownSync(path, fresh.uid, old.gid);
    return true;
  } catch {
    return fresh.gid === old.gid;
  }
}

/** Lets the group read a file if it may read the one that this file will replace. */
export function inheritGroupAccess(path: string, old: Stats): void {
  const groupRead = 0o040;
  if (inheritOwner(path, old) && (old.mode & groupRead) !== 0)
    chmodSync(path, statSync(path).mode | groupRead);
}

/** Removes a file if it exists, and ignores errors. */
export function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // A file that stays behind does no harm.
  }
}

/** Creates a folder and its missing parents, with mode 0700 unless given; does not change an existing folder. */
export async function makeDirectory(path: string, mode = 0o700): Promise<void> {
  const there = statsOf(path);
  if (there?.isDirectory()) return;
  if (there !== undefined) throw new NatspkiError('not-a-folder', `"${path}" is a file, expected a folder`);
  const above = dirname(path);
  // Not with the `recursive` option of mkdir: it never returns on a file system that answers ENOENT, as /proc does.
  if (above !== path) await makeDirectory(above, mode);
  try {
    mkdirSync(path, { mode });
    await syncFolder(above);
  } catch (error) {
    // Another process has created it meanwhile.
    if (isCode(error, 'EEXIST')) return;
    if (isCode(error, 'ENOENT')) {
      throw new NatspkiError(
        'no-folders',
        `cannot create folder "${path}": "${above}" does not accept new folders`,
        {
          cause: error,
        },
      );
    }
    throw fileError(error, 'write', path);
  }
}

/** Returns the stats of a path, following links; undefined when it is missing or not accessible. */
export function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Waits until the entries of a folder are on disk. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders.
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    await reachDisk(folder);
  } finally {
    closeSync(folder);
  }
}

/** Returns the file that a write to `path` replaces: the target of a symbolic link, or the path itself. */
export function resolveTarget(path: string): string {
  return realPath(path) ?? resolveEntry(path);
}

/** Resolves the symbolic links in the folders of a path; its last component may be a link, or missing. */
export function resolveEntry(path: string): string {
  return join(realPath(dirname(path)) ?? resolve(dirname(path)), basename(path));
}

/** Resolves all symbolic links of a path; undefined when its target is missing or not accessible. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

/** Returns a fresh, hidden name in the folder of `target`, which isTemporaryName recognizes. */
export function temporaryName(target: string): string {
  return join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
}

/** Returns whether a file name is one that temporaryName makes. */
export function isTemporaryName(name: string): boolean {
  return /^\..+\.[0-9a-f]{12}\.tmp$/.test(name);
}

/** Returns whether a file name is one that temporaryName makes for the file named `target`. */
export function isTemporaryOf(name: string, target: string): boolean {
  return name.startsWith(`.${target}.`) && name.length === target.length + 18 && isTemporaryName(name);
}

/** Returns whether an error is a system error with one of these codes. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException)?.code ?? '');
}

/** Converts a system error into one that names the file and, where that helps, its mode; returns other errors unchanged. */
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
    case 'ELOOP':
      return fail('linked-file', `"${path}" is a link, expected a file`, `ls -la "${path}"`);
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

/** Returns the path itself if it exists, otherwise its nearest parent that does. */
function lowestThere(path: string): string {
  const above = dirname(path);
  try {
    return above === path || lstatSync(path) ? path : above;
  } catch {
    return lowestThere(above);
  }
}

/** Describes the file or folder on the way to `path` whose mode denies access: ` (mode 0600, owner 0)`. */
function closedBy(path: string, verb: 'read' | 'write'): string {
  // A write needs access to the folder, because it replaces the file.
  const first = verb === 'read' ? path : dirname(path);
  for (let candidate = first; ; candidate = dirname(candidate)) {
    try {
      const { mode, uid } = statSync(candidate);
      const what = candidate === path ? '' : `folder "${candidate}" has `;
      return ` (${what}mode ${formatMode(mode)}, owner ${uid})`;
    } catch {
      // Its stats are not accessible either: continue with the folder above.
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
