// Those who connect one after the other with the right password, and have as much patience as NATS clients have.
import { Connection, type Target } from './connection.ts';

export interface NewcomerSetup {
  readonly target: Target;
  /** Milliseconds between two of them. */
  readonly everyMs: number;
  /** Milliseconds after which one gives up. */
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

  /** Has them come for so long; returns how long each waited to be let in, in milliseconds, Infinity for one who was not. */
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
    // Who comes in later has gone by then.
    void opened.then((late) => late?.close());
    return connection === undefined ? Number.POSITIVE_INFINITY : performance.now() - began;
  }
}
