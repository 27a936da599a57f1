// Receives messages: timed passes count bytes without decrypting them; the verification pass before them keeps and
// compares them.
import { findFaults, type Sequence, type Subscription, subscribeLine } from '../messages.ts';
import { now } from '../usage.ts';
import { Connection, type Target } from './connection.ts';
import type { Tap } from './tap.ts';

export interface SubscriberSetup {
  readonly target: Target;
  /** The subscriptions of each connection. */
  readonly connections: readonly (readonly Subscription[])[];
  /** The length of every delivery on the wire. */
  readonly length: number;
  /** Reads nothing after it has subscribed. */
  readonly deaf?: boolean;
}

// A server pings its clients at intervals; no measurement is long enough for a missing PONG to matter.
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

  /** Starts counting; no message may be in flight. */
  count(): void {
    this.#kept = [];
    this.#bytes = 0;
    for (const tap of this.#taps) tap.count((bytes) => this.#arrived(bytes), this.#encrypted);
  }

  /**
   * Resolves with the time at which this many messages, counted or kept, have arrived on all connections together.
   */
  async received(messages: number): Promise<number> {
    const bytes = messages * this.#length;
    if (this.#bytes < bytes) {
      await new Promise<void>((reached) => {
        this.#waiting = { bytes, reached };
      });
    }
    const excess = this.#bytes - bytes;
    // Where only headers are read, a PING looks like part of a message.
    if (excess % ping.length !== 0 || excess > 10 * ping.length)
      throw new Error(`${excess} unexpected bytes arrived`);
    return this.#lastAt;
  }

  /** Waits for a whole sequence, which must be the first traffic, and returns its faults. */
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

// No payload has an upper-case letter, so this PING is the server's.
function withoutPing(chunk: Buffer): Buffer {
  const at = chunk.indexOf(ping);
  return at < 0 ? chunk : Buffer.concat([chunk.subarray(0, at), chunk.subarray(at + ping.length)]);
}
