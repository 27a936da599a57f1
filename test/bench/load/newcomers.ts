// Honest clients that connect one after the other with the right password, and give up after the timeout of NATS
// clients.
import { Connection, type Target } from './connection.ts';

export interface NewcomerSetup {
  readonly target: Target;
  /** Milliseconds between two of them. */
  readonly everyMs: number;
  /** Milliseconds after which a client gives up. */
  readonly patienceMs: number;
}

export class Newcomers {
  readonly #setup: NewcomerSetup;

  private constructor(setup: NewcomerSetup) {
    this.#setup = setup;
  }

  static async open(setup: NewcomerSetup): Promise<Newcomers> {
    return new Newcomers(setup);
  }

  /**
   * Connects clients for a duration; returns how long each waited until it was accepted, in milliseconds, and
   * Infinity for one that gave up.
   */
  async arrive(seconds: number): Promise<number[]> {
    const { everyMs } = this.#setup;
    const all: Promise<number>[] = [];
    for (let left = (seconds * 1000) / everyMs; left > 0; left--) {
      all.push(this.#one());
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    return Promise.all(all);
  }

  async #one(): Promise<number> {
    const { target, patienceMs } = this.#setup;
    const began = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const impatience = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), patienceMs);
    });
    const opened = Connection.open(target).catch(() => undefined);
    const connection = await Promise.race([opened, impatience]);
    clearTimeout(timer);
    // Close a connection that opens after the timeout.
    void opened.then((late) => late?.close());
    return connection === undefined ? Number.POSITIVE_INFINITY : performance.now() - began;
  }
}
