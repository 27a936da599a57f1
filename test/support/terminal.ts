// Runs the command line on a real pseudo-terminal (util-linux `script`) and types at its prompts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { bin } from '../harness/process.ts';

/** The byte sequences that a terminal sends for these keys. */
export const keys = {
  enter: '\r',
  down: '\x1b[B',
  up: '\x1b[A',
  interrupt: '\x03',
  end: '\x04',
  backspace: '\x7f',
};

export class TerminalSession {
  readonly #child;
  readonly #ended: Promise<number | null>;
  #shown = '';
  #consumed = 0;
  #look: () => void = () => {};

  /** Starts `natspki ARGS...` in a folder on a terminal of 80 columns. */
  constructor(folder: string, args: readonly string[]) {
    const words = [process.execPath, bin, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
    this.#child = spawn('script', ['-qefc', `stty cols 80 rows 40; exec ${words.join(' ')}`, '/dev/null'], {
      cwd: folder,
      env: { ...process.env, TERM: 'xterm', LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', NO_COLOR: '', CI: '' },
    });
    this.#ended = once(this.#child, 'close').then(([code]) => {
      this.#look();
      return code;
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#shown += text;
      this.#look();
    });
  }

  /** Everything shown so far, including colours and cursor movements. */
  get raw(): string {
    return this.#shown;
  }

  /** Everything shown so far, as plain text. */
  get text(): string {
    return stripVTControlCharacters(this.#shown).replaceAll('\r', '');
  }

  /** Waits until new output matches, then types. */
  async answer(pattern: RegExp, ...typed: string[]): Promise<void> {
    await this.sees(pattern);
    this.#child.stdin.write(typed.join(''));
  }

  /** Waits until the output since the last wait matches. */
  async sees(pattern: RegExp): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => settle('20 seconds passed'), 20_000);
      const settle = (fault?: string) => {
        clearTimeout(late);
        this.#look = () => {};
        if (fault) reject(new Error(`${fault} before ${pattern} was shown:\n${this.text}`));
        else resolve();
      };
      this.#look = () => {
        if (pattern.test(stripVTControlCharacters(this.#shown.slice(this.#consumed)))) {
          this.#consumed = this.#shown.length;
          settle();
        } else if (this.#child.exitCode !== null) settle('the command ended');
      };
      this.#look();
    });
  }

  /** Resolves to the exit code. */
  get ended(): Promise<number | null> {
    return this.#ended;
  }
}
