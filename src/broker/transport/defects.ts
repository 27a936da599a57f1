// Keeps a defect in this program from ending the broker: it costs the connection that triggers it, and is logged.
import { stackOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { Connection } from './connection.ts';

/** Runs a task that processes input; if it throws, logs that and aborts the connection. */
export function guard({ connection, log }: { connection: Connection; log: Logger }, task: () => void): void {
  try {
    task();
  } catch (error) {
    logDefect(log, error);
    connection.abort('Parse Error');
  }
}

export function logDefect(log: Logger, error: unknown): void {
  log.error(`Internal error: ${stackOf(error)}`);
}
