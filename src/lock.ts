// A lock between processes on a path: who holds it, waiting for it, and taking over from one that died.
// It is a folder with one file named after its holder. A folder is taken by renaming one's own over it, which
// succeeds only while there is none or an empty one; and removing a dead holder's file cannot hit the next holder,
// whose file has another name. So there is no moment between looking and acting to race in.
import { createHash, randomBytes } from 'node:crypto';
import {
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
import { NatspkiError } from './errors.ts';
import { fileError, isCode, resolveTarget } from './files.ts';

export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes the lock, in a folder that exists. A holder that died, even by SIGKILL or with its machine, is taken over from.
 * Throws `locked`, which names the holder, when it had to wait longer than `timeoutMs`.
 * @param options.what is locked, for errors; default the folder
 */
export async function acquireLock(
  path: string,
  { timeoutMs = 10_000, what = dirname(path) } = {},
): Promise<Lock> {
  // Not of performance.now(), which loads what measures performance.
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
      await new Promise((resolve) => setTimeout(resolve, other === undefined ? 0 : 10 + Math.random() * 40));
    }
    removeDeadContenders(path);
  } catch (error) {
    removeOwn(own);
    throw fileError(error, 'write', path);
  }
  return { release: async () => release(path, holder) };
}

/** Runs `work` while nobody else changes a file under its lock, which is beside the file and hidden. */
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
    // EPERM is how Windows refuses any folder in the way; liveHolder removes an empty one.
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
    // What kept us from the lock may keep us from this, and is the better error.
  }
}

function release(path: string, holder: string): void {
  ignoring(['ENOENT'], () => unlinkSync(join(path, holder)));
  removeEmpty(path);
}

function removeEmpty(path: string): void {
  ignoring(['ENOENT', 'ENOTEMPTY', 'EEXIST'], () => rmdirSync(path));
}

/** Names the holder to wait for; makes way where there is none, or a dead one. */
function liveHolder(path: string): string | undefined {
  const holders = ignoring(['ENOENT'], () => readdirSync(path)) ?? [];
  for (const holder of holders) {
    if (!isDead(holder)) return holder;
    ignoring(['ENOENT'], () => unlinkSync(join(path, holder)));
  }
  removeEmpty(path);
  return undefined;
}

function removeDeadContenders(path: string): void {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    if (name.startsWith(prefix) && isDead(name.slice(prefix.length))) {
      rmSync(join(dirname(path), name), { recursive: true, force: true });
    }
  }
}

function locked(path: string, what: string, holder: string): NatspkiError {
  const pid = Number.parseInt(holder, 10);
  if (Number.isNaN(pid)) {
    return new NatspkiError(
      'locked',
      `"${what}" is locked by "${join(path, holder)}", which is not of natspki`,
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

/** Reads the host of a holder from its file, empty where that is gone. */
function hostOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Names this process so that others can tell whether it lives: process id, its start, and where both count. */
function describeSelf(): string {
  return `${process.pid}-${startOf(process.pid) ?? 0}-${processSpace}`;
}

/** Tells whether a holder is known to be gone; one of another host or container never is. */
function isDead(holder: string): boolean {
  const [pid, start, space] = holder.split('-');
  if (space !== processSpace) return false;
  const current = startOf(Number(pid));
  if (current === undefined) return !answers(Number(pid));
  return current !== start;
}

function answers(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It exists, and is somebody else's.
    return isCode(error, 'EPERM');
  }
}

/** Where a process id has its meaning: this host and, on Linux, this PID namespace (containers share volumes). */
const processSpace = shortHash(`${hostname()} ${machineId()} ${pidNamespace()}`);

/** Tells machines of one name apart that share a volume (machine-id(5)); empty where there is none. */
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
 * Tells processes of one id apart, across a restart of the machine too; empty for one that has died and was not yet
 * waited for, undefined where /proc cannot say (proc(5)).
 */
function startOf(pid: number): string | undefined {
  const status = readProc(`${pid}/stat`);
  if (status === undefined) return undefined;
  // The name of the program, in brackets, may hold spaces and brackets itself.
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

/** Does something, and passes over these errors of the system. */
function ignoring<T>(codes: readonly string[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isCode(error, ...codes)) throw error;
    return undefined;
  }
}
