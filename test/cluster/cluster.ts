// A cluster under test: servers in processes of their own, with routes over TLS and generated certificates. It
// determines by what clients receive when the servers are connected, so that it works with every kind of server.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type MadePair, TestAuthority } from '../harness/certificates.ts';
import { Client } from '../harness/client.ts';
import { freePorts, type ServerProcess, startProcess } from '../harness/server.ts';
import { commandOf, type Kind } from './set-ups.ts';

export interface NodeOptions {
  /** Additional text for the top level of its configuration. */
  readonly more?: string;
  /** Additional text for its cluster block, and for the tls block in it. */
  readonly inCluster?: string;
  readonly inTls?: string;
  /** Route URLs instead of those of all other nodes. */
  readonly routes?: readonly string[];
  /** A route certificate instead of the valid one. */
  readonly pair?: MadePair;
}

/** Milliseconds between two probe messages. */
const retryMs = 5;
const patience = 20_000;

export class Node {
  readonly name: string;
  readonly kind: Kind;
  readonly folder: string;
  readonly port: number;
  readonly routePort: number;
  options: NodeOptions = {};
  #process: ServerProcess | undefined;

  constructor(name: string, kind: Kind, folder: string, [port, routePort]: readonly [number, number]) {
    this.name = name;
    this.kind = kind;
    this.folder = folder;
    this.port = port;
    this.routePort = routePort;
  }

  /** Its URL in the routes of other nodes. */
  get url(): string {
    return `nats://localhost:${this.routePort}`;
  }

  get process(): ServerProcess {
    if (this.#process === undefined) throw new Error(`${this.name} is not running`);
    return this.#process;
  }

  async start(): Promise<void> {
    this.#process = await startProcess([...commandOf(this.kind), '-c', 'nats.conf'], this.folder);
  }

  async kill(): Promise<void> {
    await this.process.kill();
    this.#process = undefined;
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = undefined;
  }
}

export class Cluster {
  readonly authority: TestAuthority;
  readonly nodes: Node[] = [];
  readonly #folder: string;
  readonly #clients: Client[] = [];
  #probes = 0;

  private constructor(authority: TestAuthority, folder: string) {
    this.authority = authority;
    this.#folder = folder;
  }

  /** Makes nodes without starting them. */
  static async make(kinds: readonly Kind[], options: NodeOptions = {}): Promise<Cluster> {
    const folder = mkdtempSync(join(tmpdir(), 'natspki-cluster-'));
    const cluster = new Cluster(await TestAuthority.make(), folder);
    const ports = await freePorts(2 * kinds.length);
    for (const [index, kind] of kinds.entries()) {
      await cluster.#add(kind, [ports[2 * index], ports[2 * index + 1]] as [number, number]);
    }
    for (const node of cluster.nodes) cluster.configure(node, options);
    return cluster;
  }

  /** Starts a cluster of these kinds; resolves when every node reaches every other. */
  static async start(kinds: readonly Kind[], options: NodeOptions = {}): Promise<Cluster> {
    const cluster = await Cluster.make(kinds, options);
    try {
      await Promise.all(cluster.nodes.map((node) => node.start()));
      await cluster.complete();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Adds a node without starting it. */
  async add(kind: Kind, options: NodeOptions): Promise<Node> {
    const node = await this.#add(kind, (await freePorts(2)) as [number, number]);
    this.configure(node, options);
    return node;
  }

  /** Writes the configuration and the certificate of a node. */
  configure(node: Node, options: NodeOptions): void {
    node.options = options;
    if (options.pair !== undefined) this.giveRouteCertificate(node, options.pair);
    const others = this.nodes.filter((other) => other !== node);
    const routes = options.routes ?? others.map(({ url }) => url);
    writeFileSync(
      join(node.folder, 'nats.conf'),
      `server_name: ${node.name}
listen: "127.0.0.1:${node.port}"
${options.more ?? ''}
cluster {
  name: test
  listen: "127.0.0.1:${node.routePort}"
  ${options.inCluster ?? ''}
  tls {
    cert_file: "route-cert.pem"
    key_file: "route-key.pem"
    ca_file: "ca.pem"
    timeout: 5
    ${options.inTls ?? ''}
  }
  routes: [ ${routes.map((route) => JSON.stringify(route)).join(', ')} ]
}
`,
    );
  }

  giveRouteCertificate({ folder }: Node, { cert, key }: MadePair): void {
    writeFileSync(join(folder, 'route-cert.pem'), cert);
    writeFileSync(join(folder, 'route-key.pem'), key, { mode: 0o600 });
  }

  /** Issues a certificate for routes. */
  async routeCertificate(commonName: string): Promise<MadePair> {
    return this.authority.server(commonName, { purposes: ['serverAuth', 'clientAuth'] });
  }

  /** Connects a client that is closed with the cluster. @param options additional members of CONNECT */
  async connect({ port }: Node, options: object = {}): Promise<Client> {
    const client = await Client.connect(port, options);
    this.#clients.push(client);
    return client;
  }

  /** Resolves when messages pass from every node to every other. */
  async complete(nodes: readonly Node[] = this.nodes): Promise<void> {
    const clients = await Promise.all(nodes.map((node) => this.connect(node)));
    await this.settled(clients);
    for (const client of clients) client.close();
  }

  /**
   * Resolves when the interest of these clients so far has reached all their servers. The clients must be in one
   * account, since a server sends the interest of an account in order.
   */
  async settled(clients: readonly Client[]): Promise<void> {
    await Promise.all(
      clients.flatMap((listener) =>
        clients.flatMap((speaker) => (speaker === listener ? [] : this.#probe(listener, speaker))),
      ),
    );
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.nodes.map((node) => node.stop()));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #add(kind: Kind, ports: readonly [number, number]): Promise<Node> {
    const name = `n${this.nodes.length + 1}`;
    const folder = join(this.#folder, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'ca.pem'), this.authority.pem);
    const node = new Node(name, kind, folder, ports);
    this.giveRouteCertificate(node, await this.routeCertificate(name));
    this.nodes.push(node);
    return node;
  }

  async #probe(listener: Client, speaker: Client): Promise<void> {
    const subject = `probe.${++this.#probes}`;
    const inbox = listener.subscribe(subject);
    await listener.flush();
    const until = performance.now() + patience;
    while (inbox.messages.length === 0) {
      if (performance.now() > until) {
        const logs = this.nodes.map((node) => `${node.name} (${node.kind}):\n${node.process.log()}`);
        throw new Error(`no message arrived within ${patience} ms:\n${logs.join('\n')}`);
      }
      speaker.publish(subject);
      await delay(retryMs);
    }
    listener.unsubscribe(inbox);
  }
}
