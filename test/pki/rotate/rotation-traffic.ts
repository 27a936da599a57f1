// Clients with individual certificates, kept connected through a rotation. Half of them (stayers) stay connected
// and pass numbered messages around a ring; the other half (wanderers) reconnect with the newest files. It counts
// every message, but starts no server and rotates nothing.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { vi } from 'vitest';
import { Client } from '../../harness/client.ts';
import { below } from '../../support/seeded.ts';

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

/** Connects with these files; rejects when either side rejects the other. */
export function connectWith(port: number, files: ClientFiles): Promise<Client> {
  return Client.connectTls(port, { servername: 'localhost', ...files });
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
  readonly #stayers: Client[] = [];
  readonly #wanderers: readonly string[];
  /** By subject: how many messages were published, and the numbers of those that arrived, in order of arrival. */
  readonly #published = new Map<string, number>();
  readonly #arrived = new Map<string, number[]>();
  readonly #visitsOf = new Map<string, number>();
  /** The serial number of the certificate that each server presented last, by port. */
  readonly #shown = new Map<number, string>();
  #running = true;
  #isEnding = false;
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
      const client = await connectWith(port, (await readClientFiles(folder, name)).files);
      this.#stayers.push(client);
    }
    await this.#subscribe();
    for (const [i, client] of this.#stayers.entries()) {
      void client.closed.then((why) => {
        if (!this.#isEnding) this.problems.push(`${staying[i]} was disconnected: ${why}`);
      });
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
    this.#isEnding = true;
    for (const client of this.#stayers) client.close();
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
    this.problems.push(...missing(), ...this.#stayers.flatMap(({ errors }) => errors));
    await this.abort();
  }

  /** Subscribes each stayer to its neighbour in the ring and to one wanderer. */
  async #subscribe(): Promise<void> {
    const count = this.#stayers.length;
    const heard = this.#stayers.map(() => new Set<number>());
    for (const [i, client] of this.#stayers.entries()) {
      const subjects = [`ring.${(i + count - 1) % count}`, `visit.${i}`];
      client.subscribeAll(subjects, ({ subject, payload }) => this.#take(subject, Number(payload)));
      client.subscribeAll(['ready'], ({ payload }) => heard[i]?.add(Number(payload)));
      await client.processed();
    }
    // In a cluster, interest takes a moment to reach every node.
    await vi.waitUntil(
      () => {
        for (const [i, client] of this.#stayers.entries()) client.publish('ready', String(i));
        return heard.every(({ size }) => size === count);
      },
      { timeout: 10_000, interval: 50 },
    );
    for (const client of this.#stayers) await client.processed();
  }

  async #wander(name: string, i: number): Promise<void> {
    const { folder, ports, random, awayMs } = this.#options;
    while (this.#running) {
      await delay(below(random, awayMs));
      const port = ports[below(random, ports.length)] as number;
      const { files, torn } = await readClientFiles(folder, name);
      this.torn += torn;
      try {
        const client = await connectWith(port, files);
        this.#shown.set(port, client.serverSerial);
        for (let stay = 1 + below(random, 4); stay > 0; stay--) {
          for (let n = 0; n < messagesPerVisit; n++) this.#publish(client, `visit.${i}`);
          await client.processed();
        }
        client.close();
      } catch (error) {
        const serial = new X509Certificate(files.cert).serialNumber;
        this.problems.push(`${name} (${serial}) was refused: ${(error as Error).message}`);
        return;
      }
      this.visits++;
      this.#visitsOf.set(name, (this.#visitsOf.get(name) ?? 0) + 1);
    }
  }

  #publish(client: Client, subject: string): void {
    const number = this.#published.get(subject) ?? 0;
    this.#published.set(subject, number + 1);
    client.publish(subject, String(number));
  }

  #take(subject: string, number: number): void {
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
