// Clients with individual certificates, kept connected through a rotation. Half of them (stayers) stay connected
// and pass numbered messages around a ring; the other half (wanderers) reconnect with the newest files. It counts
// every message, but starts no server and rotates nothing.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { vi } from 'vitest';
import { below } from './seeded.ts';

/** The contents of a client's files. */
export interface ClientFiles {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

const messagesPerVisit = 3;
const ringPauseMs = 50;

/**
 * Reads a client's files. Between the two renames of a swap the key does not match the certificate; it then reads
 * again and counts the attempt in `torn`.
 */
export async function readClientFiles(
  folder: string,
  name: string,
): Promise<{ files: ClientFiles; torn: number }> {
  for (let torn = 0; ; torn++) {
    const [ca, cert, key] = ['ca.pem', `${name}-cert.pem`, `${name}-key.pem`].map((file) =>
      readFileSync(join(folder, file)),
    ) as [Buffer, Buffer, Buffer];
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      return { files: { ca, cert, key }, torn };
    }
    await new Promise(setImmediate);
  }
}

/** A client whose connection the server has accepted. */
export class RotationClient {
  readonly socket: TLSSocket;
  /** Serial number of the server's certificate, lower-case hex. */
  readonly serverSerial: string;
  onMessage: (subject: string, number: number) => void = () => undefined;
  onClose: (why: string) => void = () => undefined;
  #text = '';
  #pongs: (() => void)[] = [];

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    this.serverSerial = socket.getPeerX509Certificate()?.serialNumber.toLowerCase() ?? '';
    socket.on('data', (chunk) => this.#read(chunk.toString('latin1')));
    socket.on('error', (error) => this.onClose(error.message));
    socket.on('close', () => this.onClose('closed'));
  }

  /** Connects as NATS clients do and waits until the server accepts; rejects when either side rejects the other. */
  static async connect(port: number, files: ClientFiles): Promise<RotationClient> {
    const plain = connectPlain({ port, host: '127.0.0.1', noDelay: true });
    await once(plain, 'data');
    const socket = connect({ socket: plain, servername: 'localhost', ...files });
    await once(socket, 'secureConnect');
    const client = new RotationClient(socket);
    // In TLS 1.3 the client's handshake completes before the server has verified the client's certificate.
    socket.write('CONNECT {"verbose":false}\r\n');
    await client.flush();
    client.onClose = () => undefined;
    return client;
  }

  /** Resolves when the server has processed everything sent so far; rejects when it closes the connection. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.onClose = (why) => reject(new Error(why));
      this.#pongs.push(resolve);
      this.socket.write('PING\r\n');
    });
  }

  subscribe(...subjects: string[]): void {
    this.socket.write(subjects.map((subject, index) => `SUB ${subject} ${index + 1}\r\n`).join(''));
  }

  publish(subject: string, number: number): void {
    this.socket.write(`PUB ${subject} 8\r\n${String(number).padStart(8, '0')}\r\n`);
  }

  end(): void {
    this.onClose = () => undefined;
    this.socket.destroy();
  }

  #read(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf('\r\n'); end >= 0; end = this.#text.indexOf('\r\n')) {
      const line = this.#text.slice(0, end);
      const subject = /^MSG (\S+) \d+ 8$/.exec(line)?.[1];
      if (subject !== undefined && this.#text.length < end + 12) return;
      const number = this.#text.slice(end + 2, end + 10);
      this.#text = this.#text.slice(subject === undefined ? end + 2 : end + 12);
      if (subject !== undefined) this.onMessage(subject, Number(number));
      else if (line === 'PONG') this.#pongs.shift()?.();
      else if (line === 'PING') this.socket.write('PONG\r\n');
      else if (line.startsWith('-ERR')) this.onClose(line);
    }
  }
}

export interface TrafficOptions {
  /** Folder of the certificates: ca.pem and a pair for each name. */
  readonly folder: string;
  /** Ports of the servers; the clients spread over them. */
  readonly ports: readonly number[];
  /** The first half of the clients stay connected, the others reconnect. */
  readonly names: readonly string[];
  readonly random: () => number;
  /** The longest pause of a wanderer between two connections, in milliseconds. */
  readonly awayMs: number;
}

/** The traffic of many clients, with a list of what went wrong. */
export class RotationTraffic {
  /** One line for each rejected client, lost or repeated message, and dropped connection. */
  readonly problems: string[] = [];
  visits = 0;
  messages = 0;
  /** How often a client read a key and a certificate of different generations. */
  torn = 0;
  readonly #options: TrafficOptions;
  readonly #stayers: RotationClient[] = [];
  readonly #wanderers: readonly string[];
  /** By subject: how many messages were published, and the numbers of those that arrived, in order of arrival. */
  readonly #published = new Map<string, number>();
  readonly #arrived = new Map<string, number[]>();
  readonly #visitsOf = new Map<string, number>();
  /** The serial number of the certificate that each server presented last, by port. */
  readonly #shown = new Map<number, string>();
  #running = true;
  #pace: NodeJS.Timeout | undefined;
  #wandering: Promise<void>[] = [];

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#wanderers = options.names.slice(Math.ceil(options.names.length / 2));
  }

  /** Resolves when every stayer receives from every stayer, and traffic flows. */
  async start(): Promise<void> {
    const { names, ports, folder } = this.#options;
    const staying = names.slice(0, names.length - this.#wanderers.length);
    for (const [i, name] of staying.entries()) {
      const port = ports[i % ports.length] as number;
      const client = await RotationClient.connect(port, (await readClientFiles(folder, name)).files);
      this.#stayers.push(client);
    }
    await this.#subscribe();
    for (const [i, client] of this.#stayers.entries()) {
      client.onMessage = (subject, number) => this.#take(subject, number);
      client.onClose = (why) => this.problems.push(`${staying[i]} was disconnected: ${why}`);
    }
    this.#pace = setInterval(() => {
      for (const [i, client] of this.#stayers.entries()) this.#publish(client, `ring.${i}`);
    }, ringPauseMs);
    this.#wandering = this.#wanderers.map((name, i) => this.#wander(name, i));
  }

  /** Resolves when every wanderer has completed this many further visits. */
  async everybodyVisited(times: number): Promise<void> {
    const until = this.#wanderers.map((name) => (this.#visitsOf.get(name) ?? 0) + times);
    const done = () =>
      this.#wanderers.every((name, i) => (this.#visitsOf.get(name) ?? 0) >= Number(until[i]));
    await vi.waitUntil(() => done() || this.problems.length > 0, { timeout: 120_000, interval: 5 });
  }

  /** The serial numbers of the certificates that the servers presented last. */
  shown(): Set<string> {
    return new Set(this.#shown.values());
  }

  /** Disconnects all clients at once and drops messages in flight. */
  async abort(): Promise<void> {
    this.#running = false;
    clearInterval(this.#pace);
    await Promise.all(this.#wandering);
    for (const client of this.#stayers) client.end();
  }

  /** Stops publishing, waits for messages in flight, and reports those that never arrived. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#wandering);
    clearInterval(this.#pace);
    const missing = () =>
      [...this.#published].flatMap(([subject, sent]) => {
        const lost = sent - (this.#arrived.get(subject) ?? []).length;
        return lost === 0 ? [] : [`${lost} messages of ${subject} were lost`];
      });
    await vi.waitUntil(() => missing().length === 0, { timeout: 5000, interval: 5 }).catch(() => {});
    this.problems.push(...missing());
    await this.abort();
  }

  /** Subscribes each stayer to its neighbour in the ring and to one wanderer. */
  async #subscribe(): Promise<void> {
    const count = this.#stayers.length;
    const heard = this.#stayers.map(() => new Set<number>());
    for (const [i, client] of this.#stayers.entries()) {
      client.onMessage = (_subject, number) => heard[i]?.add(number);
      client.subscribe(`ring.${(i + count - 1) % count}`, `visit.${i}`, 'ready');
      await client.flush();
    }
    // In a cluster, interest takes a moment to reach every node.
    await vi.waitUntil(
      () => {
        for (const [i, client] of this.#stayers.entries()) client.publish('ready', i);
        return heard.every(({ size }) => size === count);
      },
      { timeout: 10_000, interval: 50 },
    );
    for (const client of this.#stayers) await client.flush();
  }

  async #wander(name: string, i: number): Promise<void> {
    const { folder, ports, random, awayMs } = this.#options;
    while (this.#running) {
      await delay(below(random, awayMs));
      const port = ports[below(random, ports.length)] as number;
      const { files, torn } = await readClientFiles(folder, name);
      this.torn += torn;
      try {
        const client = await RotationClient.connect(port, files);
        this.#shown.set(port, client.serverSerial);
        for (let stay = 1 + below(random, 4); stay > 0; stay--) {
          for (let n = 0; n < messagesPerVisit; n++) this.#publish(client, `visit.${i}`);
          await client.flush();
        }
        client.end();
      } catch (error) {
        const serial = new X509Certificate(files.cert).serialNumber;
        this.problems.push(`${name} (${serial}) was refused: ${(error as Error).message}`);
        return;
      }
      this.visits++;
      this.#visitsOf.set(name, (this.#visitsOf.get(name) ?? 0) + 1);
    }
  }

  #publish(client: RotationClient, subject: string): void {
    const number = this.#published.get(subject) ?? 0;
    this.#published.set(subject, number + 1);
    client.publish(subject, number);
  }

  #take(subject: string, number: number): void {
    if (subject === 'ready') return;
    const arrived = this.#arrived.get(subject) ?? [];
    this.#arrived.set(subject, arrived);
    // A stayer publishes on one connection, in order. Visits may cross different servers of a cluster.
    const inOrder = subject.startsWith('ring.') || this.#options.ports.length === 1;
    if (inOrder && number !== arrived.length) {
      this.problems.push(`of ${subject}: ${number} instead of ${arrived.length}`);
    } else if (!inOrder && arrived.includes(number, -200)) {
      this.problems.push(`of ${subject}: ${number} twice`);
    }
    arrived.push(number);
    this.messages++;
  }
}
