// Tells a running nats-server to reload its files. It starts and stops no process.
import { readFileSync } from 'node:fs';
import { NatspkiError } from '../errors.ts';
import { isCode } from '../files/files.ts';
import { readProcessId } from '../files/process-id.ts';

/**
 * Sends SIGHUP to a server, given its process id or the file that holds it (nats-server's pid_file). Throws `no-process`
 * when there is no such process. Throws `not-a-server` for a process that SIGHUP would terminate: a stale pid file may
 * name one.
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

/** Finds the process to reload and checks that it handles the signal; throws like reloadServer. */
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
  if (!catchesHangup(pid)) {
    throw new NatspkiError(
      'not-a-server',
      `process ${pid} does not handle SIGHUP, which would terminate it`,
      {
        hint: 'pass the process id of a nats-server',
      },
    );
  }
  return pid;
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
