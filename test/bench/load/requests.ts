// A requester that sends one request at a time, and its responder. Both know every byte that will arrive, so that
// neither parses.
import { setTimeout as delay } from 'node:timers/promises';
import { deliveryLength, payload, publication, subscribeLine } from '../messages.ts';
import { now } from '../usage.ts';
import { Connection, type Target } from './connection.ts';

export interface RequestSetup {
  readonly target: Target;
  readonly subject: string;
  readonly inbox: string;
  readonly size: number;
}

export const Responder = {
  /** Subscribes and replies from then on; it has no methods to call. */
  async open({ target, subject, inbox, size }: RequestSetup): Promise<object> {
    const connection = await Connection.open(target);
    await connection.roundTrip(subscribeLine({ subject, sid: '1' }));
    const answer = publication(inbox, payload(size, 0, 0));
    const length = deliveryLength(subject, '1', size, inbox);
    countMessages(connection, length, () => connection.socket.write(answer));
    return {};
  },
};

export class Requester {
  readonly #connection: Connection;
  readonly #request: Buffer;
  #answered: () => void = () => undefined;

  private constructor(connection: Connection, { subject, inbox, size }: RequestSetup) {
    this.#connection = connection;
    this.#request = publication(`${subject} ${inbox}`, payload(size, 0, 0));
    countMessages(connection, deliveryLength(inbox, '1', size), () => this.#answered());
  }

  static async open(setup: RequestSetup): Promise<Requester> {
    const connection = await Connection.open(setup.target);
    await connection.roundTrip(subscribeLine({ subject: setup.inbox, sid: '1' }));
    return new Requester(connection, setup);
  }

  /**
   * Sends one request after the other for a duration; returns the latency of each, in milliseconds.
   * @param pauseMs pause after each reply
   */
  async request(seconds: number, pauseMs = 0): Promise<number[]> {
    const latencies: number[] = [];
    const end = now() + seconds * 1000;
    for (let from = now(); from < end; ) {
      await new Promise<void>((answered) => {
        this.#answered = answered;
        this.#connection.socket.write(this.#request);
      });
      const to = now();
      latencies.push(to - from);
      if (pauseMs > 0) await delay(pauseMs);
      from = pauseMs > 0 ? now() : to;
    }
    return latencies;
  }
}

function countMessages(connection: Connection, length: number, arrived: () => void): void {
  let bytes = 0;
  connection.stream((chunk) => {
    // A chunk of exactly these bytes is not a message: the server pings the client.
    if (chunk.toString('latin1') === 'PING\r\n') {
      connection.socket.write('PONG\r\n');
      return;
    }
    bytes += chunk.length;
    for (; bytes >= length; bytes -= length) arrived();
  });
}
