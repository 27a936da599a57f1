// Many connections, either kept open or opened and closed repeatedly.
import { now } from '../usage.ts';
import { Connection, type Target } from './connection.ts';

export interface CrowdSetup {
  readonly target: Target;
  /** The number of concurrent handshakes. */
  readonly concurrency: number;
}

export interface Dialling {
  readonly times?: number;
  readonly seconds?: number;
}

export class Crowd {
  readonly #setup: CrowdSetup;
  readonly #kept: Connection[] = [];

  private constructor(setup: CrowdSetup) {
    this.#setup = setup;
  }

  static async open(setup: CrowdSetup): Promise<Crowd> {
    return new Crowd(setup);
  }

  /** Opens connections until this many are open. */
  async grow(connections: number): Promise<void> {
    let missing = connections - this.#kept.length;
    await this.#together(async () => {
      while (missing > 0) {
        missing--;
        const connection = await Connection.open(this.#setup.target);
        connection.stream(() => undefined);
        this.#kept.push(connection);
      }
    });
  }

  /**
   * Connects, waits for the first PONG and closes, a number of times or for a number of seconds. Returns how often,
   * and when it started and ended, in milliseconds.
   */
  async dial({
    times = Infinity,
    seconds = Infinity,
  }: Dialling): Promise<{ times: number; from: number; to: number }> {
    const from = now();
    const end = from + seconds * 1000;
    let dialled = 0;
    await this.#together(async () => {
      while (dialled < times && now() < end) {
        dialled++;
        (await Connection.open(this.#setup.target)).close();
      }
    });
    return { times: dialled, from, to: now() };
  }

  async #together(work: () => Promise<void>): Promise<void> {
    await Promise.all(Array.from({ length: this.#setup.concurrency }, work));
  }
}
