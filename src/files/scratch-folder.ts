// Temporary folders of programs that may be killed: each is removed at its end, at the exit of its process, or by the next
// process that makes one. On Linux they are in memory, where a write need not wait for a disk.
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileError } from './files.ts';

/** The files of a folder with their modes, by their paths in it. */
export type FolderContent = ReadonlyMap<string, { readonly data: Buffer; readonly mode: number }>;

const prefix = 'natspki-test-';

/** The folders of this process, which one listener removes at its exit. */
const present = new Set<string>();

/** A folder of mode 0700 that only this process uses. */
export class ScratchFolder {
  readonly path: string;

  /** Makes a folder and removes those of processes that have ended; throws a NatspkiError. */
  constructor(root = scratchRoot()) {
    try {
      removeAbandoned(root);
      this.path = mkdtempSync(join(root, `${prefix}${system()}-${process.pid}-`));
    } catch (error) {
      throw fileError(error, 'write', root);
    }
    if (present.size === 0) process.on('exit', removeAll);
    present.add(this.path);
  }

  /** Removes the folder with its content; does nothing the second time. */
  remove(): void {
    if (!present.delete(this.path)) return;
    if (present.size === 0) process.off('exit', removeAll);
    rmSync(this.path, { recursive: true, force: true });
  }
}

function removeAll(): void {
  for (const path of present) rmSync(path, { recursive: true, force: true });
}

/** Reads the regular files of a folder, also in folders below it. */
export function readFolder(folder: string): FolderContent {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return new Map(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [relative(folder, path), { data: readFileSync(path), mode: statSync(path).mode & 0o777 }];
    }),
  );
}

/** Writes files into a new folder, without waiting until they are on disk: it is of no use after a crash. */
export function writeFolder(folder: string, content: FolderContent): void {
  for (const [name, { data, mode }] of content) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, data, { mode, flag: 'wx' });
  }
}

/** Returns /dev/shm on a Linux without a TMPDIR, otherwise the temporary folder of the system. */
function scratchRoot(): string {
  const memory = '/dev/shm';
  if (process.platform !== 'linux' || process.env.TMPDIR !== undefined) return tmpdir();
  try {
    accessSync(memory, constants.W_OK | constants.X_OK);
    return memory;
  } catch {
    return tmpdir();
  }
}

/** Names the space that process ids count in: containers may share the folder, and not the ids. */
function system(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Only Linux has namespaces.
  }
  return createHash('sha256').update(`${hostname()} ${namespace}`).digest('hex').slice(0, 8);
}

/** Removes folders of this user whose process has ended without removing them. */
function removeAbandoned(root: string): void {
  const own = `${prefix}${system()}-`;
  for (const name of readdirSync(root)) {
    const [, pid] = /^(\d+)-/.exec(name.startsWith(own) ? name.slice(own.length) : '') ?? [];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const path = join(root, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (!stats?.isDirectory() || (process.getuid !== undefined && stats.uid !== process.getuid())) continue;
    // Another process may be removing it at the same time.
    rmSync(path, { recursive: true, force: true, maxRetries: 2 });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
