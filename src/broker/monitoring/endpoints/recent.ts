// The last fifteen minutes for the plots of the monitoring page: a ring of samples, whatever happens meanwhile.
import { goTime } from '../../../protocol/go-format.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { tlsBlocks } from './tlsz.ts';

/** Milliseconds between two samples, and how many are kept: fifteen minutes. */
const stepMs = 5000;
const kept = 180;

/** Totals since the start at one moment. */
interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly inMsgs: number;
  readonly outMsgs: number;
  readonly open: number;
  /** Handshakes by result; the code decides which results there are. */
  readonly handshakes: ReadonlyMap<string, number>;
}

/** Samples a broker while it runs. */
export class RecentHistory {
  readonly #broker: MonitoredBroker;
  readonly #samples: Sample[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(broker: MonitoredBroker) {
    this.#broker = broker;
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), stepMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * Returns what happened in each step, oldest first: messages and handshakes as differences, connections as they were at
   * its end. Results without a handshake are left out.
   */
  get steps() {
    const samples = this.#samples;
    const [oldest] = samples;
    const results = [...(samples.at(-1)?.handshakes.keys() ?? [])];
    // A reload that adds or removes TLS starts its counters anew.
    const difference = (now: number, before: number) => Math.max(0, now - before);
    const series = (read: (sample: Sample) => number) =>
      samples.slice(1).map((sample, i) => difference(read(sample), read(samples[i] as Sample)));
    return {
      step_ms: stepMs,
      since: oldest === undefined ? undefined : goTime(oldest.at),
      at: samples.slice(1).map(({ at }) => at),
      in_msgs: series(({ inMsgs }) => inMsgs),
      out_msgs: series(({ outMsgs }) => outMsgs),
      connections: samples.slice(1).map(({ open }) => open),
      handshakes: Object.fromEntries(
        results
          .map((result) => [result, series(({ handshakes }) => handshakes.get(result) ?? 0)] as const)
          .filter(([, counts]) => counts.some((count) => count > 0)),
      ),
    };
  }

  #sample(): void {
    const { sessions } = this.#broker;
    const { inMsgs, outMsgs } = sessions.traffic();
    const handshakes = new Map<string, number>();
    for (const { listener, serverTls } of tlsBlocks(this.#broker)) {
      for (const [, outcomes] of serverTls.outcomes(listener)) {
        for (const [result, count] of Object.entries(outcomes))
          handshakes.set(result, (handshakes.get(result) ?? 0) + count);
      }
    }
    const at = this.#broker.now().getTime();
    this.#samples.push({ at, inMsgs, outMsgs, open: sessions.size, handshakes });
    if (this.#samples.length > kept + 1) this.#samples.shift();
  }
}
