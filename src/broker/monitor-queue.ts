// The order in which monitoring answers: on each connection one request after the other, and over all connections one
// answer in a turn of the event loop, so that nobody who asks a lot holds up those who send and receive messages.
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export class AnswerQueue {
  readonly #latest = new WeakMap<object, { response: ServerResponse; closed: Promise<void> }>();
  #turn: Promise<void> = Promise.resolve();

  /** Whether a connection has a request that is not answered to its end. */
  isBusy(connection: object): boolean {
    return this.#latest.get(connection)?.response.writableFinished === false;
  }

  /** Waits until a request may be answered; false where nobody waits for that any more. */
  async wait(socket: Socket, response: ServerResponse): Promise<boolean> {
    const before = this.#latest.get(socket)?.closed;
    // Where the connection ends first, nobody is called, and all of it is forgotten with the connection.
    const closed = new Promise<void>((resolve) => response.once('close', () => resolve()));
    this.#latest.set(socket, { response, closed });
    await before;
    const turn = this.#turn;
    this.#turn = turn.then(() => new Promise((resolve) => setImmediate(resolve)));
    await turn;
    return !socket.destroyed;
  }
}
