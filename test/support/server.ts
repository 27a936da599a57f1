// Starts a real nats-server or the bundled broker for a test. A server started from configuration text listens on a
// free port of 127.0.0.1; the text must not set `listen`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker } from '../../src/broker/broker.ts';
import { readBrokerOptions } from '../../src/broker/options/options.ts';
import { type ConfProblem, throwOnErrors } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import { LineLogger } from '../../src/log.ts';
import { Output } from '../harness/output.ts';
import { Program } from '../harness/process.ts';

export interface ServerUnderTest {
  readonly port: number;
  /** Everything logged so far. */
  log(): string;
  /** Resolves to the match when the log matches; rejects when the server ends, or after a while. */
  logged(pattern: RegExp): Promise<RegExpExecArray>;
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
  const log = new Output();
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
export async function startProcess(argv: readonly string[], folder: string): Promise<ServerProcess> {
  const program = Program.start(argv, { folder });
  await program.printed(/Server is ready/).catch(async (error) => {
    await program.close();
    throw error;
  });
  return {
    port: Number(/Listening for client connections on \S*:(\d+)/.exec(program.stderr)?.[1]),
    pid: program.pid,
    log: () => program.stderr,
    logged: (pattern) => program.printed(pattern),
    lameDuck: () => program.signal('SIGUSR2'),
    reload: () => program.signal('SIGHUP'),
    kill: () => program.close(),
    stop: async () => void (await program.end()),
  };
}

function listening(configuration: string): string {
  return `listen: "127.0.0.1:-1"\n${configuration}\n`;
}
