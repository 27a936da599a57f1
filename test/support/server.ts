// A NATS server that a test starts from configuration text, uses and stops: the real nats-server as a process. The
// configuration may leave out where to listen; it is always a free port of 127.0.0.1.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ServerUnderTest {
  readonly port: number;
  /** Everything logged so far. */
  log(): string;
  /** Resolves when the log has a match; rejects when the server ends or 10 seconds pass before. */
  logged(pattern: RegExp): Promise<void>;
  /** Asks for lame duck mode as an operator does. */
  lameDuck(): void;
  stop(): Promise<void>;
}

/** Starts a server on this configuration; `port` takes a certain port instead of a free one. */
export type StartServer = (configuration: string, options?: { port?: number }) => Promise<ServerUnderTest>;

/** Gives the starter for a real nats-server. */
export function natsServer(bin: string): StartServer {
  return async (configuration, { port = -1 } = {}) => {
    const folder = mkdtempSync(join(tmpdir(), 'natspki-server-'));
    const file = join(folder, 'nats.conf');
    writeFileSync(file, listening(configuration, port));
    const child = spawn(bin, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    endWithThisProcess(child);
    const log = new Log();
    child.stderr.setEncoding('utf8').on('data', (text: string) => log.add(text));
    const exited = once(child, 'exit').then(() => {
      log.end();
      rmSync(folder, { recursive: true, force: true });
    });
    await log.has(/Server is ready/);
    return {
      port: Number(/Listening for client connections on [^ ]*:(\d+)/.exec(log.text)?.[1]),
      log: () => log.text,
      logged: (pattern) => log.has(pattern),
      lameDuck: () => child.kill('SIGUSR2'),
      stop: async () => {
        child.kill('SIGTERM');
        await exited;
      },
    };
  };
}

function listening(configuration: string, port: number): string {
  return `listen: "127.0.0.1:${port}"\n${configuration}\n`;
}

// Log text that can be waited for.
class Log {
  text = '';
  #ended = false;
  #waiting = new Set<() => void>();

  add(text: string): void {
    this.text += text;
    for (const look of this.#waiting) look();
  }

  end(): void {
    this.#ended = true;
    for (const look of this.#waiting) look();
  }

  has(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (fault?: string) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        if (fault) reject(new Error(`${fault} before ${pattern} was logged:\n${this.text}`));
        else resolve();
      };
      const look = () => {
        if (pattern.test(this.text)) settle();
        else if (this.#ended) settle('the server ended');
      };
      const timer = setTimeout(() => settle('10 seconds passed'), 10_000);
      this.#waiting.add(look);
      look();
    });
  }
}

// An aborted test run must not leave servers behind.
function endWithThisProcess(child: ChildProcess): void {
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
}
