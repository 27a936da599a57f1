// Publishes prepared batches as fast as the server accepts them.
import { type Batch, batches, payload, publication } from '../messages.ts';
import { now } from '../usage.ts';
import { Connection, limitRecords, type Target } from './connection.ts';

export interface PublisherSetup {
  readonly target: Target;
  readonly connections: number;
  readonly subjects: readonly string[];
  readonly size: number;
  /** The maximum length of a TLS record, in bytes. */
  readonly record?: number;
}

/** The number of published messages, and when the first was written and the last confirmed. */
export interface Published {
  readonly messages: number;
  readonly from: number;
  readonly to: number;
}

// One is encrypted and sent while one waits, so that the kernel's buffer never runs empty.
const writesInFlight = 2;

export class Publisher {
  readonly #setup: PublisherSetup;
  readonly #connections: Connection[];
  readonly #batches: Batch[];

  private constructor(setup: PublisherSetup, connections: Connection[]) {
    this.#setup = setup;
    this.#connections = connections;
    this.#batches = batches(setup.subjects, setup.size);
  }

  static async open(setup: PublisherSetup): Promise<Publisher> {
    const connections: Connection[] = [];
    for (let index = 0; index < setup.connections; index++) {
      const connection = await Connection.open(setup.target);
      if (setup.record !== undefined) limitRecords(connection, setup.record);
      connections.push(connection);
    }
    return new Publisher(setup, connections);
  }

  /** Publishes on all connections for a duration, then waits until the server has processed everything. */
  async publish(seconds: number): Promise<Published> {
    const from = now();
    const counts = await Promise.all(
      this.#connections.map((connection) => this.#publishUntil(from + seconds * 1000, connection)),
    );
    return { messages: counts.reduce((sum, count) => sum + count), from, to: now() };
  }

  /** Publishes distinguishable messages, this many on each connection. */
  async publishSequence(messages: number): Promise<void> {
    const { subjects, size } = this.#setup;
    await Promise.all(
      this.#connections.map((connection, publisher) => {
        const sent = Array.from({ length: messages }, (_, place) =>
          publication(subjects[place % subjects.length] ?? '', payload(size, publisher, place)),
        );
        return connection.roundTrip(Buffer.concat(sent));
      }),
    );
  }

  async #publishUntil(end: number, connection: Connection): Promise<number> {
    let messages = 0;
    let next = 0;
    await new Promise<void>((resolve) => {
      let inFlight = 0;
      const write = () => {
        while (inFlight < writesInFlight && now() < end) {
          const batch = this.#batches[next++ % this.#batches.length] as Batch;
          messages += batch.messages;
          inFlight++;
          connection.socket.write(batch.bytes, () => {
            inFlight--;
            write();
          });
        }
        if (inFlight === 0) resolve();
      };
      write();
    });
    await connection.roundTrip('');
    return messages;
  }
}
