// Runs a command to its end and collects its exit code and output.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command and waits until it exits; its stdin is empty unless `input` is given. */
export async function run(
  [program = '', ...parameters]: readonly string[],
  options: { folder?: string; environment?: NodeJS.ProcessEnv; input?: string | Buffer } = {},
): Promise<Finished> {
  const child: ChildProcess = spawn(program, parameters, {
    ...(options.folder === undefined ? {} : { cwd: options.folder }),
    env: { ...process.env, ...options.environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // A command that reads no input may exit before the input is written.
  child.stdin?.on('error', () => {}).end(options.input);
  const said = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, ...said };
}
