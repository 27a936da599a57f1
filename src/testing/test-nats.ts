/// <reference lib="esnext.disposable" preserve="true" />
// The public interface `natspki/testing`: NATS servers with mutual TLS inside the process of a test.
import { join } from 'node:path';
import { NatspkiError, UsageError } from '../errors.ts';
import { ScratchFolder } from '../files/scratch-folder.ts';
import { TestCertificates } from './test-certificates.ts';
import { TestServer } from './test-server.ts';

/** What to start. Everything is optional. */
export interface TestNatsOptions {
  /** Names of clients to issue certificates for; by default those in `accounts`, or `client`. */
  readonly clients?: readonly string[];
  /** What clients must present: a certificate (`verify`, the default), one that names a user, TLS 1.3, or nothing. */
  readonly template?: 'verify' | 'verify-and-map' | 'high-security' | 'basic';
  /** Accounts with the names of their clients: the certificate of a client selects its user and account. */
  readonly accounts?: Readonly<Record<string, readonly string[]>>;
  /** Number of servers, which form a cluster; by default 1. */
  readonly servers?: number;
  /** Further configuration text, such as `max_payload: 1k`, for every server. */
  readonly config?: string;
  /** Creates an authority for this start alone; by default all starts of a process with the same clients share one. */
  readonly ownAuthority?: boolean;
  /** Logs debug messages. */
  readonly debug?: boolean;
}

/** The files for a client's TLS, as `@nats-io/transport-node` takes them; it reads them again when it reconnects. */
export interface TestTls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** Environment variables for other processes; the `nats` command reads them. */
export interface TestEnvironment {
  /** URLs of all servers, separated by commas. */
  readonly NATS_URL: string;
  /** Path of the certificate of the first client. */
  readonly NATS_CERT: string;
  /** Path of the private key of the first client. */
  readonly NATS_KEY: string;
  /** Path of the authority. */
  readonly NATS_CA: string;
}

/** Running servers. `await using` stops them. */
export interface TestNats extends AsyncDisposable {
  /** URL of the first server. */
  readonly url: string;
  /** URLs of all servers. */
  readonly urls: readonly string[];
  /** Variables for a process that connects as the first client. */
  readonly env: TestEnvironment & Readonly<Record<string, string>>;
  /** Folder of the certificates, for `natspki` and its functions. */
  readonly dir: string;
  /** Everything that the servers have logged, in nats-server's format. */
  readonly log: string;
  /** The files of a client; by default of the first. Throws `no-certificate` for an unknown name. */
  tls(client?: string): TestTls;
  /** Replaces the certificates of these names, or of all, by new ones with new keys; resolves when the servers use them. */
  rotate(...names: string[]): Promise<void>;
  /** Locks a client out: closes its connections and rejects its certificate from now on. */
  revoke(client: string): Promise<void>;
  /** Kills a server, by its number from 0, without a farewell to its clients. */
  kill(server?: number): Promise<void>;
  /** Starts a server again on the same port, with the present certificates; kills it first if it runs. */
  restart(server?: number): Promise<void>;
  /**
   * Closes the connections of a client, or of all, on the server side; they may reconnect. Selects by certificate, and by the
   * `name` option of the connection. Returns how many were closed.
   */
  disconnect(client?: string): number;
  /** Stops the servers and removes the folder. Close clients first: their reconnects would keep the process running. */
  stop(): Promise<void>;
}

/**
 * Starts NATS servers in this process, with an authority and certificates in a temporary folder, on free ports of 127.0.0.1.
 * Resolves when clients can connect and the servers of a cluster are connected. Throws a NatspkiError.
 */
export async function startTestNats(options: TestNatsOptions = {}): Promise<TestNats> {
  const { servers = 1 } = options;
  if (!Number.isInteger(servers) || servers < 1) {
    throw new UsageError(`"servers" is ${servers}, expected the number of servers`);
  }
  const scratch = new ScratchFolder();
  const nats = new RunningTestNats(scratch, options, servers);
  try {
    await nats.start();
  } catch (error) {
    await nats.stop();
    throw error;
  }
  return nats;
}

/** How long the servers of a cluster may take to connect, in milliseconds. */
const meshTimeoutMs = 10_000;
/** The log keeps this many lines. */
const maxLines = 100_000;

class RunningTestNats implements TestNats {
  readonly dir: string;
  readonly #scratch: ScratchFolder;
  readonly #certificates: TestCertificates;
  readonly #servers: readonly TestServer[];
  readonly #lines: string[] = [];

  constructor(scratch: ScratchFolder, options: TestNatsOptions, count: number) {
    this.#scratch = scratch;
    this.dir = join(scratch.path, 'certs');
    const config = join(scratch.path, 'nats.conf');
    const isCluster = count > 1;
    this.#certificates = new TestCertificates({ ...options, dir: this.dir, configFile: config, isCluster });
    this.#servers = Array.from({ length: count }, (_, index) => {
      const name = `n${index}`;
      const onLog = (line: string) => this.#keep(isCluster ? `${name} ${line}` : line);
      return new TestServer({ name, config, isCluster, debug: options.debug ?? false, onLog });
    });
  }

  get url(): string {
    return this.#server(0).url;
  }

  get urls(): readonly string[] {
    return this.#servers.map(({ url }) => url);
  }

  get env(): TestNats['env'] {
    const { caFile, certFile, keyFile } = this.tls();
    return { NATS_URL: this.urls.join(','), NATS_CERT: certFile, NATS_KEY: keyFile, NATS_CA: caFile };
  }

  get log(): string {
    return this.#lines.join('');
  }

  async start(): Promise<void> {
    await this.#certificates.create();
    const [first, ...others] = this.#servers as [TestServer, ...TestServer[]];
    await first.start([]);
    const outcomes = await Promise.allSettled(others.map((server) => server.start([first])));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    await this.#connected();
  }

  tls(client?: string): TestTls {
    return this.#certificates.filesOf(client);
  }

  async rotate(...names: string[]): Promise<void> {
    await this.#certificates.rotate(names, () => this.#reload());
  }

  async revoke(client: string): Promise<void> {
    await this.#certificates.revoke(client);
    await this.#reload();
  }

  async kill(server = 0): Promise<void> {
    await this.#server(server).kill();
  }

  async restart(server = 0): Promise<void> {
    const restarted = this.#server(server);
    await restarted.kill();
    await restarted.start(this.#servers.filter((other) => other !== restarted));
    await this.#connected();
  }

  disconnect(client?: string): number {
    const pins = client === undefined ? undefined : this.#certificates.pinsOf(client);
    return this.#servers
      .map(({ broker }) =>
        broker?.disconnect(
          ({ name, pin }) => pins === undefined || name === client || (pin !== undefined && pins.has(pin)),
        ),
      )
      .reduce<number>((total, count = 0) => total + count, 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.kill()));
    this.#scratch.remove();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #server(index: number): TestServer {
    const server = this.#servers[index];
    if (server !== undefined) return server;
    throw new UsageError(`there is no server ${index}, expected 0 to ${this.#servers.length - 1}`);
  }

  async #reload(): Promise<void> {
    await Promise.all(this.#servers.map(({ broker }) => broker?.reload()));
  }

  /** Resolves when each running server has a route to every other one. */
  async #connected(): Promise<void> {
    const deadline = performance.now() + meshTimeoutMs;
    for (;;) {
      const running = this.#servers.flatMap(({ broker }) => broker ?? []);
      if (running.every(({ routes }) => routes >= running.length - 1)) return;
      if (performance.now() > deadline) {
        throw new NatspkiError('unreachable', 'the servers of the cluster did not connect to each other');
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #keep(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > maxLines) this.#lines.shift();
  }
}
