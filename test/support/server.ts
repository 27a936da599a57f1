// Starts a real nats-server or the bundled broker for a test. A server started from configuration text listens on a
// free port of 127.0.0.1; the text must not set `listen`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker } from '../../src/broker/broker.ts';
import { readBrokerOptions } from '../../src/broker/options/options.ts';
import { type ConfProblem, throwOnErrors } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import { LineLogger } from '../../src/log.ts';

export interface ServerUnderTest {
  readonly port: number;
  /** Everything logged so far. */
  log(): string;
  /** Resolves when the log matches; rejects when the server ends, or after 10 seconds. */
  logged(pattern: RegExp): Promise<void>;
  /** Requests lame duck mode as an operator does. */
  lameDuck(): void;
  stop(): Promise<void>;
}

/** A server in a process of its own. */
export interface ServerProcess extends ServerUnderTest {
  readonly pid: number;
  /** Requests a reload of the configuration as an operator does. */
  reload(): void;
  /** Kills the process without a shutdown. */
  kill(): Promise<void>;
}

/** Starts a server with this configuration text. */
export type StartServer = (configuration: string) => Promise<ServerUnderTest>;

/** Returns the starter of a real nats-server. */
export function natsServer(bin: string): StartServer {
  return async (configuration) => {
    const folder = mkdtempSync(join(tmpdir(), 'natspki-server-'));
    const clear = () => rmSync(folder, { recursive: true, force: true });
    writeFileSync(join(folder, 'nats.conf'), listening(configuration));
    const server = await startProcess([bin, '-c', 'nats.conf'], folder).catch((error) => {
      clear();
      throw error;
    });
    return { ...server, stop: () => server.stop().finally(clear) };
  };
}

/** Starts the bundled broker within this process. */
export const bundledBroker: StartServer = async (configuration) => {
  const problems: ConfProblem[] = [];
  const options = readBrokerOptions(parseConf(listening(configuration), { file: 'nats.conf' }), problems);
  throwOnErrors(problems);
  const log = new Log();
  const broker = await startBroker(options, { logger: new LineLogger((line) => log.add(line)) });
  return {
    port: broker.port,
    log: () => log.text,
    logged: (pattern) => log.has(pattern),
    lameDuck: () => void broker.lameDuck(),
    stop: () => broker.close(),
  };
};

/**
 * Starts a program that takes signals and logs as nats-server does. Relative paths in its arguments are below
 * `folder`.
 */
export async function startProcess(
  [program = '', ...parameters]: readonly string[],
  folder: string,
): Promise<ServerProcess> {
  const child = spawn(program, parameters, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  endWithThisProcess(child);
  const log = new Log();
  child.stderr.setEncoding('utf8').on('data', (text: string) => log.add(text));
  const exited = once(child, 'exit').finally(() => log.end());
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exited;
  };
  await log.has(/Server is ready/);
  return {
    port: Number(/Listening for client connections on \S*:(\d+)/.exec(log.text)?.[1]),
    pid: child.pid ?? 0,
    log: () => log.text,
    logged: (pattern) => log.has(pattern),
    lameDuck: () => child.kill('SIGUSR2'),
    reload: () => child.kill('SIGHUP'),
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}

function listening(configuration: string): string {
  return `listen: "127.0.0.1:-1"\n${configuration}\n`;
}

// Log text that a test can wait for.
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
