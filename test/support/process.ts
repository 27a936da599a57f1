// Runs a long-lived program until the test ends it. A test can wait for a text on its stderr.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

export class ProcessUnderTest {
  stderr = '';
  readonly #child: ChildProcessByStdio<null, null, Readable>;
  readonly #ended: Promise<unknown[]>;

  constructor([program = '', ...parameters]: readonly string[], folder: string) {
    this.#child = spawn(program, parameters, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#ended = once(this.#child, 'close');
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    const kill = () => this.#child.kill('SIGKILL');
    process.once('exit', kill);
    this.#child.once('exit', () => process.off('exit', kill));
  }

  /** Resolves when stderr matches; rejects when the program ends first. */
  async said(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stderr)) {
      const more = once(this.#child.stderr, 'data').then(() => true);
      if (await Promise.race([more, this.#ended.then(() => false)])) continue;
      throw new Error(`the program ended before it printed ${pattern}:\n${this.stderr}`);
    }
  }

  /** Sends a signal and waits for the exit; returns the exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    const [code] = await this.#ended;
    return code as number | null;
  }
}
