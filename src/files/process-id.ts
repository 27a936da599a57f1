// Process ids on the command line: the number itself, or the file that holds it (nats-server's pid_file).
import { readFileSync } from './files.ts';

/**
 * Returns the process id that `target` is or that its file holds; undefined if that is not a process id. Throws a
 * NatspkiError if the file cannot be read.
 */
export function readProcessId(target: string): number | undefined {
  const text = /^\d+$/.test(target) ? target : readFileSync(target).toString('latin1').trim();
  // 0 and negative numbers would address process groups. No system has longer ones.
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}
