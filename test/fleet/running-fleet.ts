// A fleet in processes of its own, for a long run: the authority, a cluster of brokers and nats-servers, and a daemon for each
// member, in folders of their own. Each process can be killed and started again.
import { createPrivateKey } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { invite } from '../../src/fleet/authority/invite.ts';
import { enrol } from '../../src/fleet/member/enroll.ts';
import { decodeToken } from '../../src/fleet/token.ts';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import type { ProfileName } from '../../src/pki/store/profile.ts';
import { parseSan } from '../../src/x509/name.ts';
import { spkiPin } from '../../src/x509/pin.ts';
import { bin, natspki, Program } from '../harness/process.ts';
import { freePorts, type ServerProcess, startProcess } from '../harness/server.ts';
import { madeDirectory } from '../support/pki.ts';

export interface FleetShape {
  /** The program of each server of the cluster; with its pid file where it reloads on a signal. */
  readonly servers: readonly { readonly program: readonly string[]; readonly isSignalled: boolean }[];
  readonly clients: number;
  /** The life of a certificate, in days. */
  readonly days: number;
}

export interface FleetMember {
  readonly name: string;
  readonly profile: ProfileName;
  readonly directory: PkiDirectory;
  /** The arguments of its `natspki renew --daemon`. */
  readonly flags: readonly string[];
}

/** A server of the cluster; down while it is restarted. */
export interface FleetServer {
  readonly id: string;
  readonly port: number;
  readonly argv: readonly string[];
  readonly folder: string;
  process: ServerProcess | undefined;
  /** How often it was started. */
  starts: number;
}

export class RunningFleet {
  readonly directory: PkiDirectory;
  readonly members: FleetMember[] = [];
  readonly servers: FleetServer[] = [];
  /** Everything that the processes have logged which have ended, by their name. */
  readonly logs: { readonly name: string; readonly text: string }[] = [];
  /** How often a server did not start because of a pair that was half written. */
  torn = 0;
  readonly #scratch: string;
  readonly #estPort: number;
  readonly #serverPorts: readonly number[];
  readonly #daemons = new Map<string, Program>();
  #authority: Program | undefined;

  private constructor(scratch: string, directory: PkiDirectory, ports: readonly number[]) {
    this.#scratch = scratch;
    this.directory = directory;
    this.#estPort = ports[0] as number;
    this.#serverPorts = ports.slice(1);
  }

  /** Enrols all members, then starts the servers and the daemons. */
  static async start(scratch: string, shape: FleetShape): Promise<RunningFleet> {
    const directory = await madeDirectory(scratch, { clients: [] });
    const ports = await freePorts(1 + 2 * shape.servers.length);
    const fleet = new RunningFleet(scratch, directory, ports);
    try {
      await fleet.startAuthority();
      await fleet.#enrolAll(shape);
      for (const server of fleet.servers) await fleet.startServer(server);
      for (const member of fleet.members) fleet.startDaemon(member);
    } catch (error) {
      await fleet.stop();
      throw error;
    }
    return fleet;
  }

  get #urls() {
    const nats = this.#serverPorts.filter((_, i) => i % 2 === 0).map((port) => `tls://localhost:${port}`);
    return { est: `https://localhost:${this.#estPort}`, nats };
  }

  /** Runs a command in the folder of the authority; returns its exit code. */
  async command(...args: readonly string[]): Promise<number | null> {
    const finished = await natspki(this.#scratch, [...args, '--dir', this.directory.path]);
    this.logs.push({ name: args.join(' '), text: finished.stderr });
    return finished.code;
  }

  async startAuthority(): Promise<void> {
    const { est, nats } = this.#urls;
    const program = this.#run([
      ...['serve', '--dir', this.directory.path, '--listen', `127.0.0.1:${this.#estPort}`, '--url', est],
      ...nats.flatMap((url) => ['--nats', url]),
    ]);
    this.#authority = program;
    await program.printed(/Serving /);
  }

  async killAuthority(): Promise<void> {
    await this.#kill('authority', this.#authority);
  }

  startDaemon({ name, directory, flags }: FleetMember): void {
    this.#daemons.set(name, this.#run(['renew', '--daemon', '--dir', directory.path, ...flags]));
  }

  async killDaemon({ name }: FleetMember): Promise<void> {
    await this.#kill(name, this.#daemons.get(name));
  }

  /** Makes a daemon renew now, if it has come so far that it takes the signal. */
  hurryDaemon({ name }: FleetMember): void {
    const daemon = this.#daemons.get(name);
    if (/the next renewal is at|trying again in/.test(daemon?.stderr ?? '')) daemon?.signal('SIGHUP');
  }

  /** Starts a server again and again, as a supervisor does, while a pair is half written: its daemon was killed, or is at it. */
  async startServer(server: FleetServer): Promise<void> {
    for (let attempts = 0; server.process === undefined; attempts++) {
      try {
        server.process = await startProcess(server.argv, server.folder);
      } catch (error) {
        const isTorn = /does not (belong to|match)/.test((error as Error).message);
        if (!isTorn || attempts === 100) throw error;
        this.torn++;
      }
    }
    server.starts++;
  }

  async killServer(server: FleetServer): Promise<void> {
    const { id, process } = server;
    server.process = undefined;
    await process?.kill();
    this.logs.push({ name: id, text: process?.log() ?? '' });
  }

  /** Kills everything; the logs are complete afterwards. */
  async stop(): Promise<void> {
    await Promise.all([...this.#daemons].map(([name, daemon]) => this.#kill(name, daemon)));
    await this.killAuthority();
    for (const server of this.servers) await this.killServer(server);
  }

  /** Returns how often each member has renewed, by the ledger. */
  async renewals(): Promise<Map<string, number>> {
    const { entries } = await this.directory.ledger.read();
    const counts = new Map(this.members.map(({ name }) => [name, 0]));
    for (const { name, member } of entries)
      if (member?.replaces !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }

  /** Returns the folders, those of the authority and of the hosts, that each private key is in, by its pin. */
  foldersOfKeys(): Map<string, Set<string>> {
    const folders = new Map<string, Set<string>>();
    for (const { path } of [this.directory, ...this.members.map(({ directory }) => directory)]) {
      for (const pin of keysBelow(path)) folders.set(pin, (folders.get(pin) ?? new Set()).add(path));
    }
    return folders;
  }

  #run(args: readonly string[]): Program {
    return Program.start([process.execPath, bin, ...args], { folder: this.#scratch });
  }

  async #kill(name: string, program: Program | undefined): Promise<void> {
    if (program === undefined) return;
    await program.close();
    this.logs.push({ name, text: program.stderr });
  }

  async #enrolAll({ servers, clients, days }: FleetShape): Promise<void> {
    const { est, nats } = this.#urls;
    for (const [i, { program, isSignalled }] of servers.entries()) {
      const id = `n${i + 1}`;
      const folder = join(this.#scratch, id);
      mkdirSync(folder);
      const flags = isSignalled ? ['--reload', join(folder, 'nats.pid')] : [];
      const pairs = [];
      for (const profile of ['server', 'route'] as const)
        pairs.push(await this.#enrol(`${id}-${profile}`, profile, days, flags));
      const [port = 0, routePort = 0] = this.#serverPorts.slice(2 * i);
      writeFileSync(join(folder, 'nats.conf'), this.#configuration(id, port, routePort, pairs));
      this.servers.push({
        ...{ id, port, folder, argv: [...program, '-c', 'nats.conf'] },
        ...{ process: undefined, starts: 0 },
      });
    }
    for (let i = 0; i < clients; i++) {
      // Half of the clients renew over NATS, and over HTTPS only when no server answers.
      const from = i % 2 === 0 ? [...nats, est].flatMap((url) => ['--from', url]) : [];
      await this.#enrol(`client-${i}`, 'client', days, from);
    }
  }

  async #enrol(name: string, profile: ProfileName, days: number, flags: readonly string[]) {
    const sans = profile === 'client' ? [] : ['dns:localhost', 'ip:127.0.0.1'].map((san) => parseSan(san));
    const urls = [this.#urls.est];
    const { token } = await invite({ directory: this.directory, name, profile, sans, days, urls });
    const directory = new PkiDirectory(join(this.#scratch, `host-${name}`));
    await enrol({ directory, token: decodeToken(token), signal: new AbortController().signal });
    const member = { name, profile, directory, flags };
    this.members.push(member);
    return member;
  }

  #configuration(id: string, port: number, routePort: number, pairs: readonly FleetMember[]): string {
    const [client = '', route = ''] = pairs.map(({ name, directory }) => {
      const { certificateFile, keyFile } = directory.pair(name);
      return `tls { cert_file: "${certificateFile}", key_file: "${keyFile}", ca_file: "${directory.authorityFile}", verify: true, timeout: 10 }`;
    });
    const routes = this.#serverPorts.filter((_, i) => i % 2 === 1).map((each) => `"tls://localhost:${each}"`);
    return `listen: "127.0.0.1:${port}"
server_name: ${id}
pid_file: nats.pid
${client}
cluster { name: fleet, listen: "127.0.0.1:${routePort}", routes: [${routes.join(', ')}], ${route} }
`;
  }
}

/** Returns the pins of all private keys in the files of a folder. */
function keysBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile())
    .flatMap((file) => {
      const text = readFileSync(file, 'utf8');
      const blocks = text.match(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]+-----/g) ?? [];
      return blocks.map((pem) => spkiPin(createPrivateKey(pem)));
    });
}
