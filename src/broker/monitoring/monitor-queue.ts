// The order in which monitoring answers: on each connection one request after the other, and over all connections one
// answer at a time with as long a pause after it, so that nobody who asks a lot holds up those who send and receive
// messages. Also how much of the answers is held in memory for those who read slowly.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Answer, text } from './monitor-answer.ts';

/** Bytes of long answers that may be on their way at once. */
const maxBytes = 64 * 1024 * 1024;

/** Shorter ones, a health check above all, are always sent. */
const longBytes = 64 * 1024;

export class AnswerQueue {
  #bytes = 0;
  readonly #latest = new WeakMap<object, { response: ServerResponse; closed: Promise<void> }>();
  #turn: Promise<void> = Promise.resolve();

  /** Whether a connection has a request that is not answered to its end. */
  isBusy(connection: object): boolean {
    return this.#latest.get(connection)?.response.writableFinished === false;
  }

  /**
   * Works an answer out when it is its turn; undefined where nobody waits for it any more.
   * @param isUrgent whether it takes no time, and waits for its own connection only
   */
  async answer(
    socket: Socket,
    response: ServerResponse,
    work: () => Promise<Answer>,
    isUrgent = false,
  ): Promise<Answer | undefined> {
    const before = this.#latest.get(socket)?.closed;
    // Where the connection ends first, nobody is called, and all of it is forgotten with the connection.
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
      return socket.destroyed ? undefined : this.admit(await work(), response);
    } finally {
      // Half of the time is for everybody else.
      const took = performance.now() - from;
      if (took < 1) setImmediate(giveTurn);
      else setTimeout(giveTurn, took);
    }
  }

  /** Returns the answer, or the refusal of one that would be too much beside those under way. */
  admit(answer: Answer, response: Pick<ServerResponse, 'once'>): Answer {
    const length = Buffer.byteLength(answer.body);
    if (length <= longBytes) return answer;
    if (this.#bytes > 0 && this.#bytes + length > maxBytes) {
      return text(503, 'too many long answers are being read: ask again, or for less with limit\n');
    }
    this.#bytes += length;
    response.once('close', () => {
      this.#bytes -= length;
    });
    return answer;
  }
}
