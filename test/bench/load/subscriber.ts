// Receives: in timed passes it counts bytes without decrypting them, in a verification pass before it keeps and compares.
import { findFaults, type Sequence, type Subscription, subscribeLine } from '../messages.ts';
import { now } from '../usage.ts';
import { Connection, type Target } from './connection.ts';
import type { Tap } from './tap.ts';

export interface SubscriberSetup {
  readonly target: Target;
  /** The subscriptions of each connection. */
  readonly connections: readonly (readonly Subscription[])[];
  /** The length on the wire that every delivery has. */
  readonly length: number;
  /** Reads nothing once it has subscribed. */
  readonly deaf?: boolean;
}

// A server asks now and then whether its clients live; none waits long enough for an answer to mind.
const ping = 'PING\r\n';

export class Subscriber {
  readonly #length: number;
  readonly #encrypted: boolean;
  readonly #taps: Tap[] = [];
  #bytes = 0;
  #lastAt = 0;
  #kept: Buffer[][] = [];
  #waiting: { bytes: number; reached(): void } | undefined;

  private constructor({ target, length }: SubscriberSetup) {
    this.#encrypted = target.tls !== undefined;
    this.#length = length;
  }

  static async open(setup: SubscriberSetup): Promise<Subscriber> {
    const subscriber = new Subscriber(setup);
    for (const subscriptions of setup.connections) {
      const { connection, tap } = await Connection.openTapped(setup.target);
      await connection.roundTrip(subscriptions.map(subscribeLine).join(''));
      const kept: Buffer[] = [];
      subscriber.#kept.push(kept);
      connection.stream((chunk) => {
        const content = withoutPing(chunk);
        kept.push(content);
        subscriber.#arrived(content.length);
      });
      if (setup.deaf) tap.stopReading();
      subscriber.#taps.push(tap);
    }
    return subscriber;
  }

  /** Counts from here on, with nothing under way. */
  count(): void {
    this.#kept = [];
    this.#bytes = 0;
    for (const tap of this.#taps) tap.count((bytes) => this.#arrived(bytes), this.#encrypted);
  }

  /** Resolves with the time when so many messages have arrived on all connections together, of those it counts or keeps. */
  async received(messages: number): Promise<number> {
    const bytes = messages * this.#length;
    if (this.#bytes < bytes) {
      await new Promise<void>((reached) => {
        this.#waiting = { bytes, reached };
      });
    }
    const excess = this.#bytes - bytes;
    // Where only headers are read, a PING cannot be told from a message.
    if (excess % ping.length !== 0 || excess > 10 * ping.length)
      throw new Error(`${excess} bytes too many arrived`);
    return this.#lastAt;
  }

  /** Waits for a whole sequence, the first that ever arrives here, and returns what is wrong with it. */
  async verify(sequence: Sequence): Promise<string[]> {
    await this.received(sequence.publishers * sequence.messages * sequence.copies);
    return findFaults(
      this.#kept.map((chunks) => Buffer.concat(chunks)),
      sequence,
    ).slice(0, 5);
  }

  #arrived(bytes: number): void {
    this.#bytes += bytes;
    if (this.#waiting && this.#bytes < this.#waiting.bytes) return;
    this.#lastAt = now();
    this.#waiting?.reached();
    this.#waiting = undefined;
  }
}

// No payload has a capital letter, so that this is the server's.
function withoutPing(chunk: Buffer): Buffer {
  const at = chunk.indexOf(ping);
  return at < 0 ? chunk : Buffer.concat([chunk.subarray(0, at), chunk.subarray(at + ping.length)]);
}
