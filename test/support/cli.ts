// Runs the built command line in a process of its own, as a user does.
import { fileURLToPath } from 'node:url';
import { type Finished, run } from './command.ts';

export const bin = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

export interface CliOptions {
  /** Options of node itself, placed before the script. */
  node?: readonly string[];
  environment?: NodeJS.ProcessEnv;
  input?: string | Buffer;
}

/** Runs `natspki ARGS...` in a folder, without a terminal, and waits until it exits. */
export function natspki(
  folder: string,
  args: readonly string[],
  options: CliOptions = {},
): Promise<Finished> {
  const { node = [], environment, input = '' } = options;
  return run([process.execPath, ...node, bin, ...args], {
    folder,
    input,
    environment: { NATSPKI_DEBUG: '', NODE_OPTIONS: '', ...environment },
  });
}
