// The servers to compare, started anew for each measurement with the same configuration text and certificates.
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { makeAuthority, makeLeaf, type Pair } from '../harness/openssl.ts';
import { type ServerProcess, startProcess } from '../harness/server.ts';
import type { Transport } from './arguments.ts';
import type { Target } from './load/connection.ts';

export interface Side {
  /** The name in the report. */
  readonly label: string;
  readonly command: readonly string[];
  /** Whether the server reloads its certificates only on SIGHUP. */
  readonly needsSignal: boolean;
}

export interface Certificates {
  readonly authority: Pair;
  readonly client: Pair;
  /** Two certificates for the same host, for the hot swap. */
  readonly servers: readonly [Pair, Pair];
}

/** Makes P-256 certificates in the folder. */
export function makeCertificates(folder: string): Certificates {
  const authority = makeAuthority(folder);
  return {
    authority,
    client: makeLeaf(folder, 'client', authority, { usage: 'clientAuth' }),
    servers: [makeLeaf(folder, 'first', authority), makeLeaf(folder, 'second', authority)],
  };
}

/** The setting that a server starts in. */
export interface Setting {
  readonly certificates: Certificates;
  readonly transport: Transport;
  /** Whether the permissions of the user are limited to what the benchmark does. */
  readonly permissions: boolean;
  /** Whether other servers can join. */
  readonly isCluster: boolean;
  /** Whether handshakes have the timeout of a server without that option, instead of 10 seconds. */
  readonly defaultTimeout: boolean;
}

const user = { user: 'bench', password: 'bench-password' };
const permissions = 'permissions: { publish: ["bench.>", "_INBOX.>"], subscribe: ["bench.>", "_INBOX.>"] }';

function mutualTls({ defaultTimeout }: Setting): string {
  return `
tls {
  cert_file: server.pem
  key_file: server.key
  ca_file: ca.pem
  verify: true
  ${defaultTimeout ? '' : 'timeout: 10'}
}
`;
}

// The write deadline is shorter than the default, so that a slow consumer exceeds it within its measurement.
function configuration(setting: Setting, routes: string): string {
  const rights = setting.permissions ? `, ${permissions}` : '';
  return `
listen: "127.0.0.1:-1"
${setting.isCluster ? 'http: "127.0.0.1:-1"' : ''}
write_deadline: "2s"
authorization { users = [ { user: ${user.user}, password: ${user.password}${rights} } ] }
${setting.transport === 'tls' ? mutualTls(setting) : ''}
${setting.isCluster ? clusterOf(setting, routes) : ''}`;
}

// The server certificates have both usages, as route certificates have.
function clusterOf(setting: Setting, routes: string): string {
  const tls = setting.transport === 'tls' ? mutualTls(setting) : '';
  return `cluster {
name: bench
listen: "127.0.0.1:-1"
${tls}
routes: [ ${routes} ]
}`;
}

export class BenchServer {
  readonly target: Target;
  readonly #side: Side;
  readonly #folder: string;
  readonly #setting: Setting;
  readonly #process: ServerProcess;
  readonly #peers: BenchServer[] = [];
  #current: 0 | 1 = 0;

  private constructor(side: Side, folder: string, setting: Setting, process: ServerProcess) {
    const { certificates, transport } = setting;
    const { authority, client } = certificates;
    this.#side = side;
    this.#folder = folder;
    this.#setting = setting;
    this.#process = process;
    this.target = {
      port: process.port,
      ...user,
      ...(transport === 'tls' ? { tls: { ca: authority.cert, cert: client.cert, key: client.key } } : {}),
    };
  }

  /** @param routes quoted URLs of the routes to open */
  static async start(side: Side, setting: Setting, routes = ''): Promise<BenchServer> {
    const { authority, servers } = setting.certificates;
    const folder = mkdtempSync(join(tmpdir(), 'natspki-bench-server-'));
    try {
      writeFileSync(join(folder, 'nats.conf'), configuration(setting, routes));
      copyFileSync(authority.cert, join(folder, 'ca.pem'));
      copyFileSync(servers[0].cert, join(folder, 'server.pem'));
      copyFileSync(servers[0].key, join(folder, 'server.key'));
      const process = await startProcess([...side.command, '-c', 'nats.conf'], folder);
      return new BenchServer(side, folder, setting, process);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Starts another server that joins this one and stops with it. */
  async startPeer(): Promise<BenchServer> {
    const port = await this.portOf('route');
    const peer = await BenchServer.start(this.#side, this.#setting, `"nats://localhost:${port}"`);
    this.#peers.push(peer);
    return peer;
  }

  /** Returns the port for other servers, or that of monitoring; a server of a cluster has both. */
  async portOf(listener: 'route' | 'monitor'): Promise<number> {
    const pattern =
      listener === 'route'
        ? /Listening for route connections on \S+:(\d+)/
        : /Starting http monitor on \S+:(\d+)/;
    const [, port] = await this.logged(pattern);
    return Number(port);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves when the log of the server matches, as `ServerProcess` does. */
  logged(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#process.logged(pattern);
  }

  /** Renames the other certificate and key into place, signals a server that needs it, and returns the new pair. */
  swap(): Pair {
    this.#current = this.#current === 0 ? 1 : 0;
    const pair = this.#setting.certificates.servers[this.#current];
    const staged = { cert: join(this.#folder, 'staged.pem'), key: join(this.#folder, 'staged.key') };
    copyFileSync(pair.cert, staged.cert);
    copyFileSync(pair.key, staged.key);
    renameSync(staged.cert, join(this.#folder, 'server.pem'));
    renameSync(staged.key, join(this.#folder, 'server.key'));
    if (this.#side.needsSignal) process.kill(this.pid, 'SIGHUP');
    return pair;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.stop()));
    await this.#process.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Returns the command of the bundled broker in the working directory, with additional arguments for Node. */
export function bundledBroker(nodeArguments: readonly string[]): readonly string[] {
  return [process.execPath, ...nodeArguments, resolve('bin/run.js'), 'broker'];
}
