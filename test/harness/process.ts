// Runs programs in processes of their own: to their end, or until the test ends them. None of them outlives the
// process that runs the test.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Output } from './output.ts';

/** The built command line. */
export const bin = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

export interface RunOptions {
  /** The working directory. */
  readonly folder?: string;
  /** Variables on top of those of this process. */
  readonly environment?: NodeJS.ProcessEnv;
  readonly input?: string | Buffer;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const children = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** A program that runs until it ends by itself or the test ends it. */
export class Program {
  /** Resolves to the exit code, null after a signal, once all output has been read; rejects if it cannot start. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #output = { stdout: new Output(), stderr: new Output() };

  private constructor(child: ChildProcess) {
    this.#child = child;
    children.add(child);
    child.once('exit', () => children.delete(child)).once('error', () => children.delete(child));
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => this.#output[name].add(text));
    }
    this.ended = once(child, 'close')
      .then(([code]) => code as number | null)
      .finally(() => {
        for (const output of Object.values(this.#output)) output.end('the program ended');
      });
    // A test that does not wait for the end is not told that the program could not start.
    this.ended.catch(() => {});
  }

  /** Starts a program; without `input`, its stdin is /dev/null. */
  static start([program = '', ...parameters]: readonly string[], options: RunOptions = {}): Program {
    const { folder, environment, input } = options;
    const child = spawn(program, parameters, {
      ...(folder === undefined ? {} : { cwd: folder }),
      env: { ...process.env, ...environment },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    // A program that reads no input may exit before the input is written.
    child.stdin?.on('error', () => {}).end(input);
    return new Program(child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stdout(): string {
    return this.#output.stdout.text;
  }

  get stderr(): string {
    return this.#output.stderr.text;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves to the match once the program has printed it; rejects when the program ends first, or after a while. */
  async printed(pattern: RegExp, from: 'stdout' | 'stderr' = 'stderr'): Promise<RegExpExecArray> {
    try {
      return await this.#output[from].has(pattern);
    } catch (error) {
      throw from === 'stderr' ? error : new Error(`${(error as Error).message}\n${this.stderr}`);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal and waits for the exit; returns the exit code. */
  end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.ended;
  }

  /** Kills the program if it still runs. */
  async close(): Promise<void> {
    await this.end('SIGKILL').catch(() => {});
  }
}

/** Runs a program and waits until it exits; its stdin is empty unless `input` is given. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const program = Program.start(argv, { input: '', ...options });
  const code = await program.ended;
  return { code, stdout: program.stdout, stderr: program.stderr };
}

/**
 * Runs `natspki ARGS...` in a folder, without a terminal, and waits until it exits.
 * @param options `node` are options of node itself, placed before the script
 */
export function natspki(
  folder: string,
  args: readonly string[],
  options: RunOptions & { readonly node?: readonly string[] } = {},
): Promise<Finished> {
  const { node = [], environment, input = '' } = options;
  return run([process.execPath, ...node, bin, ...args], {
    folder,
    input,
    environment: { NATSPKI_DEBUG: '', NODE_OPTIONS: '', ...environment },
  });
}
