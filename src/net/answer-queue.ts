// The order in which an HTTP server answers: one request after the other per connection, and one response at a time over
// all connections. A pause as long as the work took follows each response, so that it cannot starve the rest of the process.
// The queue also limits the memory for responses to slow readers.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Answer, text } from './answer.ts';

/** Maximum bytes of long responses in progress. */
const maxBytes = 64 * 1024 * 1024;

/** Responses up to this many bytes, health checks above all, are exempt from the limit. */
const longBytes = 64 * 1024;

export class AnswerQueue {
  #bytes = 0;
  readonly #latest = new WeakMap<object, { response: ServerResponse; closed: Promise<void> }>();
  #turn: Promise<void> = Promise.resolve();

  /** Whether a connection has a request whose response is incomplete. */
  isBusy(connection: object): boolean {
    return this.#latest.get(connection)?.response.writableFinished === false;
  }

  /**
   * Computes a response when it is its turn; resolves with undefined if the requester has disconnected.
   * @param isUrgent whether the response takes no time, and waits for its own connection only
   */
  async answer(
    socket: Socket,
    response: ServerResponse,
    work: () => Promise<Answer>,
    isUrgent = false,
  ): Promise<Answer | undefined> {
    const before = this.#latest.get(socket)?.closed;
    // If the connection ends first, this never resolves and is collected together with the connection.
    const closed = new Promise<void>((resolve) => response.once('close', () => resolve()));
    this.#latest.set(socket, { response, closed });
    await before;
    if (isUrgent) return socket.destroyed ? undefined : work();
    const turn = this.#turn;
    let giveTurn = () => {};
    this.#turn = new Promise((resolve) => {
      giveTurn = resolve;
    });
    await turn;
    const from = performance.now();
    try {
      return socket.destroyed ? undefined : this.limit(await work(), response);
    } finally {
      // Half of the time is left to the rest of the process.
      const took = performance.now() - from;
      if (took < 1) setImmediate(giveTurn);
      else setTimeout(giveTurn, took);
    }
  }

  /** Returns the response, or a rejection if it exceeds the limit together with those in progress. */
  limit(answer: Answer, response: Pick<ServerResponse, 'once'>): Answer {
    const length = Buffer.byteLength(answer.body);
    if (length <= longBytes) return answer;
    if (this.#bytes > 0 && this.#bytes + length > maxBytes) {
      return text(503, 'too many long responses in progress: retry, or request less with limit\n');
    }
    this.#bytes += length;
    response.once('close', () => {
      this.#bytes -= length;
    });
    return answer;
  }
}
