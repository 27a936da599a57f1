// Tells a running nats-server to reload its files. It starts and stops no process.
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { NatspkiError } from '../errors.ts';
import { isCode } from '../files/files.ts';
import { readProcessId } from '../files/process-id.ts';

/**
 * Sends SIGHUP to a server, given its process id or the file that holds it (nats-server's pid_file). Throws `no-process`
 * when there is no such process. Throws `not-a-server` for a process that is no NATS server: a stale pid file may name
 * any process, which SIGHUP may terminate.
 */
export async function reloadServer(target: string): Promise<number> {
  const pid = await findServer(target);
  try {
    process.kill(pid, 'SIGHUP');
  } catch (error) {
    throw processError(error, pid, target);
  }
  return pid;
}

/** Finds the process to reload and checks that it is a NATS server; throws like reloadServer. */
export async function findServer(target: string): Promise<number> {
  const pid = readProcessId(target);
  if (pid === undefined) {
    throw new NatspkiError('not-a-pid', `"${target}" does not contain a process id`, {
      hint: 'pass the pid_file of the server, or its process id',
    });
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    throw processError(error, pid, target);
  }
  const words = commandOf(pid);
  if (words !== undefined && !isNatsServer(words)) {
    throw new NatspkiError('not-a-server', `process ${pid} is "${words[0]}", not a NATS server`, {
      hint: `pass the pid_file of the server; for a program that embeds one: kill -HUP ${pid}`,
    });
  }
  if (!catchesHangup(pid)) {
    throw new NatspkiError(
      'not-a-server',
      `process ${pid} does not handle SIGHUP, which would terminate it`,
      { hint: 'wait until the server has started' },
    );
  }
  return pid;
}

/** nats-server under the names of its releases, `nats-server-2.9` or `nats-server-linux-amd64`; not its other tools. */
const serverName = /^nats-server([-_.]?v?\d[^/]*|-(linux|darwin|freebsd|lin)[^/]*|\.exe)?( \(deleted\))?$/;

/**
 * Returns whether a program is nats-server or the broker of natspki.
 * @param program the name of the executable
 * @param words its command line, with the name of the program first
 */
export function isNatsServer([program = '', ...words]: readonly string[]): boolean {
  if (serverName.test(program)) return true;
  // The broker is a script, so the executable is Node or another runtime.
  if (!/^(node|bun|deno)/.test(program)) return false;
  return words.some((word, i) => {
    const name = basename(word);
    if (['natspki', 'run.js'].includes(name)) return words[i + 1] === 'broker';
    return ['nats-server', 'natspki-nats-server', 'start.js'].includes(name);
  });
}

/** Returns the executable of a process and the words of its command line; undefined where the system does not tell. */
function commandOf(pid: number): string[] | undefined {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return [executableOf(pid), ...words];
  } catch {
    return listedCommand(pid);
  }
}

/** Returns the name of an executable from proc(5); only its user may read the link, but every user the short name. */
function executableOf(pid: number): string {
  try {
    return basename(readlinkSync(`/proc/${pid}/exe`));
  } catch {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  }
}

/** Reads the command line of a process with ps(1), on systems without /proc. */
function listedCommand(pid: number): string[] | undefined {
  try {
    const printed = execFileSync('ps', ['-o', 'args=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    const words = printed.trim().split(/\s+/);
    return [basename(words[0] ?? ''), ...words];
  } catch {
    return undefined;
  }
}

function processError(error: unknown, pid: number, target: string): unknown {
  const where = target === String(pid) ? '' : ` from "${target}"`;
  if (isCode(error, 'ESRCH')) {
    const message = `there is no process ${pid}${where}`;
    return new NatspkiError('no-process', message, { hint: 'is the server running?', cause: error });
  }
  if (isCode(error, 'EPERM')) {
    const message = `permission denied to signal process ${pid}${where}`;
    return new NatspkiError('permission-denied', message, { hint: "run as the server's user", cause: error });
  }
  return error;
}

/** Reads from proc(5) whether a process has a handler for SIGHUP; assumes that it has one where /proc is missing. */
function catchesHangup(pid: number): boolean {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return true;
  }
  const caught = /^SigCgt:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '1';
  return (Number.parseInt(caught.slice(-1), 16) & 1) === 1;
}
