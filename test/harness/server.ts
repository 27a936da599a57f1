// Starts a real nats-server or the bundled broker for a test, in this process or in one of its own.
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker } from '../../src/broker/broker.ts';
import { type BrokerOptions, readBrokerOptions } from '../../src/broker/options/options.ts';
import type { Broker } from '../../src/broker/running.ts';
import { type ConfProblem, throwOnErrors } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import { LineLogger } from '../../src/log.ts';
import { Output } from './output.ts';
import { Program } from './process.ts';

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

/** A bundled broker in the process of the test. */
export interface BrokerUnderTest extends ServerUnderTest {
  readonly broker: Broker;
  /** Replaces the configuration text and reloads. */
  reload(configuration: string): Promise<void>;
}

export interface BrokerSettings {
  /** The version that the broker reports. */
  readonly version?: string;
  readonly now?: () => Date;
  /** Whether debug messages are logged, and traces where the configuration asks for them. */
  readonly debug?: boolean;
  /** Files with revocation lists, as `--crl` names them. */
  readonly crl?: readonly string[];
  /** Starts in spite of errors in the configuration, for values that no configuration can have. */
  readonly ignoreErrors?: boolean;
}

/** Starts a server with this configuration text, which must not set `listen`. */
export type StartServer = (configuration: string) => Promise<ServerUnderTest>;

/** Returns the configuration text of a server that listens on a free port of 127.0.0.1. */
export function onFreePort(configuration: string): string {
  return `listen: "127.0.0.1:-1"\n${configuration}\n`;
}

/** Returns the starter of a real nats-server. */
export function natsServer(bin: string): StartServer {
  return async (configuration) => {
    const folder = mkdtempSync(join(tmpdir(), 'natspki-server-'));
    const clear = () => rmSync(folder, { recursive: true, force: true });
    writeFileSync(join(folder, 'nats.conf'), onFreePort(configuration));
    const server = await startProcess([bin, '-c', 'nats.conf'], folder).catch((error) => {
      clear();
      throw error;
    });
    return { ...server, stop: () => server.stop().finally(clear) };
  };
}

/** Starts the bundled broker within this process, on a configuration that the test can replace. */
export async function startInProcess(
  configuration: string,
  { debug = false, ignoreErrors = false, crl = [], ...settings }: BrokerSettings = {},
): Promise<BrokerUnderTest> {
  let text = configuration;
  const reread = () => ({ ...readOptions(onFreePort(text), ignoreErrors), crl });
  const options = reread();
  const log = new Output();
  const levels = debug ? { debug, trace: options.log.trace, timestamps: false } : {};
  const logger = new LineLogger((line) => log.add(line), levels);
  const broker = await startBroker(options, { logger, reread, ...settings });
  return {
    broker,
    port: broker.port,
    log: () => log.text,
    logged: (pattern) => log.has(pattern),
    lameDuck: () => void broker.lameDuck(),
    reload: async (next) => {
      text = next;
      await broker.reload();
    },
    stop: () => broker.close(),
  };
}

/** Returns the port on which a server listens for WebSocket clients. */
export async function websocketPort({ logged }: Pick<ServerUnderTest, 'logged'>): Promise<number> {
  const [, port] = await logged(/Listening for websocket clients on wss?:\/\/\S*:(\d+)/);
  return Number(port);
}

/** Starts the bundled broker within this process. */
export const bundledBroker: StartServer = (configuration) => startInProcess(configuration);

/**
 * Starts a program that takes signals and logs as nats-server does. Relative paths in its arguments are below
 * `folder`.
 */
export async function startProcess(
  argv: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const program = Program.start(argv, { folder, environment });
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

/**
 * Finds free ports below the ephemeral range (on Linux from 32768 on). The system could assign a port of that range to
 * another program before the test uses it.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listenSomewhere));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listenSomewhere(): Promise<ReturnType<typeof createServer>> {
  return new Promise((resolve) => {
    const server = createServer();
    const listen = () => server.listen(randomInt(10_000, 32_768), '127.0.0.1');
    server.on('error', listen).once('listening', () => resolve(server));
    listen();
  });
}

function readOptions(text: string, ignoreErrors: boolean): BrokerOptions {
  const problems: ConfProblem[] = [];
  const options = readBrokerOptions(parseConf(text, { file: 'nats.conf' }), problems);
  if (!ignoreErrors) throwOnErrors(problems);
  return options;
}
