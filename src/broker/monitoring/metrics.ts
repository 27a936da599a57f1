// /metrics: the table of metrics in the text format of Prometheus. The one importer of prom-client, loaded only where
// there is monitoring; it has a registry of its own, so that brokers in one process do not share their numbers.
import { Counter, Gauge, Registry } from 'prom-client';
import { type Metric, metricTable } from './metric-table.ts';
import type { Monitored } from './monitored.ts';
import { openFiles } from './process-facts.ts';

export class Metrics {
  readonly #broker: Monitored;
  readonly #requests: ReadonlyMap<string, number>;
  readonly #registry = new Registry();
  readonly #rows: readonly (readonly [Metric, Counter | Gauge])[];

  /** @param requests how many monitoring has answered, by path */
  constructor(broker: Monitored, requests: ReadonlyMap<string, number>) {
    this.#broker = broker;
    this.#requests = requests;
    this.#rows = metricTable.map((metric) => {
      const { name, help, type, labels: labelNames = [] } = metric;
      const configuration = { name, help, labelNames: [...labelNames], registers: [this.#registry] };
      return [metric, type === 'counter' ? new Counter(configuration) : new Gauge(configuration)];
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Prints every metric as it is now. */
  async print(): Promise<string> {
    const files = await openFiles();
    const traffic = this.#broker.sessions.traffic();
    const observation = { broker: this.#broker, requests: this.#requests, traffic, files };
    for (const [metric, instrument] of this.#rows) fill(instrument, metric.read(observation));
    return this.#registry.metrics();
  }
}

/** Totals are kept elsewhere: each answer starts anew, and what is gone, a replaced certificate, goes with it. */
function fill(instrument: Counter | Gauge, values: ReturnType<Metric['read']>): void {
  instrument.reset();
  // A value without labels is 0 after that, where it is not known too.
  if (values === undefined) instrument.remove();
  for (const [labels, value] of typeof values === 'number' ? [[{}, values] as const] : (values ?? [])) {
    if (instrument instanceof Gauge) instrument.set(labels, value);
    else instrument.inc(labels, value);
  }
}
