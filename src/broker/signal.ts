// Sends signals to a running broker by nats-server's names for them (-sl reload=PIDFILE).
import { NatspkiError, UsageError } from '../errors.ts';
import { readProcessId } from '../files/process-id.ts';

const signals: Readonly<Record<string, NodeJS.Signals>> = {
  stop: 'SIGKILL',
  quit: 'SIGINT',
  term: 'SIGTERM',
  reopen: 'SIGUSR1',
  reload: 'SIGHUP',
  ldm: 'SIGUSR2',
};

/**
 * Sends `COMMAND=PID` or `COMMAND=PIDFILE`; throws a UsageError for other text, a NatspkiError without such a process.
 */
export function sendSignal(text: string): void {
  const [, command = '', target = ''] = /^([^=]*)(?:=(.*))?$/s.exec(text) ?? [];
  const signal = signals[command];
  const known = Object.keys(signals).join(', ');
  if (signal === undefined) throw new UsageError(`unknown signal "${command}"`, `use one of ${known}`);
  const hint = `--signal ${command}=PID or --signal ${command}=PIDFILE`;
  if (target === '') throw new UsageError(`signal "${command}" needs a process`, hint);
  const pid = readProcessId(target);
  if (pid === undefined) {
    throw new NatspkiError('pid-file', `no valid process id in "${target}"`, { hint });
  }
  try {
    process.kill(pid, signal);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const reason = code === 'ESRCH' ? 'there is no such process' : code;
    throw new NatspkiError('signal', `cannot send ${command} to process ${pid}: ${reason}`, { cause });
  }
}
