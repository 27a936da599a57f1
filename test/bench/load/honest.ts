// Clients that use the server as it is meant: pairs of which one asks now and then and the other answers.
import { Requester, type RequestSetup, Responder } from './requests.ts';

export interface HonestSetup extends RequestSetup {
  /** Twice as many connections. */
  readonly pairs: number;
  /** How long each asks nothing after an answer, in milliseconds. */
  readonly pauseMs: number;
}

export class Honest {
  readonly #requesters: readonly Requester[];
  readonly #pauseMs: number;

  private constructor(requesters: readonly Requester[], pauseMs: number) {
    this.#requesters = requesters;
    this.#pauseMs = pauseMs;
  }

  static async open({ pairs, pauseMs, ...setup }: HonestSetup): Promise<Honest> {
    const setups = Array.from({ length: pairs }, (_, index) => ({
      ...setup,
      subject: `${setup.subject}.${index}`,
      inbox: `${setup.inbox}.${index}`,
    }));
    await Promise.all(setups.map((each) => Responder.open(each)));
    const requesters = await Promise.all(setups.map((each) => Requester.open(each)));
    return new Honest(requesters, pauseMs);
  }

  /** Asks for so long and returns how long each answer took, in milliseconds. */
  async request(seconds: number): Promise<number[]> {
    const latencies = this.#requesters.map((requester) => requester.request(seconds, this.#pauseMs));
    return (await Promise.all(latencies)).flat();
  }
}
