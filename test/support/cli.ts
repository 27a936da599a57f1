// Runs the built command line as a user does.
import { fileURLToPath } from 'node:url';
import { type Finished, run } from './command.ts';

export const bin = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

export interface CliOptions {
  /** Of the process's arguments, before the script. */
  node?: readonly string[];
  environment?: NodeJS.ProcessEnv;
  input?: string | Buffer;
}

/** Runs `natspki ARGS...` in a folder, without a terminal, to its end. */
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
