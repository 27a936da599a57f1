// A lock between processes on a path: acquires it, waits for its holder, and takes it over from a holder that died.
// The lock is a folder with one file named after its holder. A process acquires it by renaming its own folder over it,
// which succeeds only while the lock does not exist or is empty. Removing a dead holder's file cannot affect the next
// holder, whose file has another name. So there is no race between checking and acting.
import { createHash, randomBytes } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { NatspkiError } from '../errors.ts';
import { fileError, isCode, resolveTarget } from './files.ts';
import { linkedFile } from './own-files.ts';

/** How often a process that waits looks whether the lock is free, in milliseconds. */
const longestPollMs = 50;

export interface Lock {
  /** Lets another process that waits have the lock next. */
  release(): Promise<void>;
}

/**
 * Acquires the lock, in a folder that exists. Takes it over from a holder that died, even by SIGKILL or a power failure.
 * Throws `locked`, which names the holder, after waiting longer than `timeoutMs`.
 * @param options.what the locked object as errors name it; by default the folder
 */
export async function acquireLock(
  path: string,
  { timeoutMs = 10_000, what = dirname(path) } = {},
): Promise<Lock> {
  // Not performance.now(), which loads the whole performance module.
  const elapsedMs = () => process.uptime() * 1000;
  const deadline = elapsedMs() + timeoutMs;
  const holder = `${describeSelf()}-${randomBytes(6).toString('hex')}`;
  const own = `${path}.${holder}`;
  try {
    mkdirSync(own, { mode: 0o700 });
    writeFileSync(join(own, holder), hostname(), { mode: 0o600 });
    while (!take(own, path)) {
      const other = liveHolder(path);
      if (other !== undefined && elapsedMs() > deadline) throw locked(path, what, other);
      await pause(other === undefined ? 0 : 10 + Math.random() * (longestPollMs - 10));
    }
    removeDeadContenders(path);
  } catch (error) {
    removeOwn(own);
    throw fileError(error, 'write', path);
  }
  return {
    release: async () => {
      release(path, holder);
      // A process that takes it again at once, as one does that has much to do, would keep others from it for good.
      if (contenders(path).length > 0) await pause(longestPollMs + 5);
    },
  };
}

/** Runs `work` while holding the lock of a file, a hidden folder beside it, so that no other process changes the file. */
export async function whileLocked<T>(file: string, work: () => Promise<T>): Promise<T> {
  const target = resolveTarget(file);
  const lock = await acquireLock(join(dirname(target), `.${basename(target)}.lock`), { what: file });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

function take(own: string, path: string): boolean {
  try {
    renameSync(own, path);
    return true;
  } catch (error) {
    // EPERM is what Windows reports for any existing folder; liveHolder removes an empty one.
    if (isCode(error, 'ENOTEMPTY', 'EEXIST') || (process.platform === 'win32' && isCode(error, 'EPERM'))) {
      return false;
    }
    throw error;
  }
}

function removeOwn(own: string): void {
  try {
    rmSync(own, { recursive: true, force: true });
  } catch {
    // The failure that prevented the lock may prevent this too, and is the better error to report.
  }
}

function release(path: string, holder: string): void {
  ignoring(['ENOENT'], () => unlinkSync(join(path, holder)));
  removeEmpty(path);
}

function removeEmpty(path: string): void {
  ignoring(['ENOENT', 'ENOTEMPTY', 'EEXIST'], () => rmdirSync(path));
}

/** Returns the holder to wait for; removes dead holders, and the folder once it is empty. */
function liveHolder(path: string): string | undefined {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) throw linkedFile(path);
  const holders = ignoring(['ENOENT'], () => readdirSync(path)) ?? [];
  for (const holder of holders) {
    if (!isDead(holder)) return holder;
    ignoring(['ENOENT'], () => unlinkSync(join(path, holder)));
  }
  removeEmpty(path);
  return undefined;
}

function removeDeadContenders(path: string): void {
  for (const holder of contenders(path)) {
    if (isDead(holder)) rmSync(`${path}.${holder}`, { recursive: true, force: true });
  }
}

/** Lists the processes that wait for the lock, and those that died waiting. */
function contenders(path: string): string[] {
  const prefix = `${basename(path)}.`;
  const names = ignoring(['ENOENT'], () => readdirSync(dirname(path))) ?? [];
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function locked(path: string, what: string, holder: string): NatspkiError {
  const pid = Number.parseInt(holder, 10);
  if (Number.isNaN(pid)) {
    return new NatspkiError(
      'locked',
      `"${what}" is locked by "${join(path, holder)}", which natspki did not create`,
      {
        hint: `remove "${path}"`,
      },
    );
  }
  const host = hostOf(join(path, holder));
  const elsewhere = host !== '' && host !== hostname() ? ` on host ${host}` : '';
  return new NatspkiError('locked', `"${what}" is locked by process ${pid}${elsewhere}`, {
    hint: `wait for it to end; if it is gone, remove "${path}"`,
  });
}

/** Reads the host name of a holder from its file; empty when the file is gone. */
function hostOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Names this process so that other processes can tell whether it is alive: process id, start time and id namespace. */
function describeSelf(): string {
  return `${process.pid}-${startOf(process.pid) ?? 0}-${processSpace}`;
}

/** Returns whether a holder is known to be dead; always false for a holder on another host or in another container. */
function isDead(holder: string): boolean {
  const [pid, start, space] = holder.split('-');
  if (space !== processSpace) return false;
  const current = startOf(Number(pid));
  if (current === undefined) return !isRunning(Number(pid));
  return current !== start;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It exists, and belongs to another user.
    return isCode(error, 'EPERM');
  }
}

/** Identifies where a process id is valid: this host and, on Linux, this PID namespace (containers share volumes). */
const processSpace = shortHash(`${hostname()} ${machineId()} ${pidNamespace()}`);

/** Distinguishes machines with the same host name that share a volume (machine-id(5)); empty where there is no id. */
function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8');
  } catch {
    return '';
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/**
 * Distinguishes processes with the same id, also across a reboot. Empty for a dead process that its parent has not waited
 * for; undefined where /proc does not say (proc(5)).
 */
function startOf(pid: number): string | undefined {
  const status = readProc(`${pid}/stat`);
  if (status === undefined) return undefined;
  // The program name, in brackets, may itself contain spaces and brackets.
  const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return '';
  return shortHash(`${readProc('sys/kernel/random/boot_id')} ${fields[19]}`);
}

function readProc(name: string): string | undefined {
  try {
    return readFileSync(`/proc/${name}`, 'utf8');
  } catch {
    return undefined;
  }
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Runs `work`, and ignores these system errors. */
function ignoring<T>(codes: readonly string[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isCode(error, ...codes)) throw error;
    return undefined;
  }
}
