// Honest clients: pairs in which one client sends requests at intervals and the other replies.
import { Requester, type RequestSetup, Responder } from './requests.ts';

export interface HonestSetup extends RequestSetup {
  /** The number of pairs; each has two connections. */
  readonly pairs: number;
  /** The pause after each reply, in milliseconds. */
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

  /** Sends requests for a duration; returns the latency of each, in milliseconds. */
  async request(seconds: number): Promise<number[]> {
    const latencies = this.#requesters.map((requester) => requester.request(seconds, this.#pauseMs));
    return (await Promise.all(latencies)).flat();
  }
}
