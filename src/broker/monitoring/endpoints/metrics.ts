// /metrics: the table of metrics in the Prometheus text format. This is the only importer of prom-client, and is loaded
// only with monitoring. Each instance has its own registry, so that brokers in one process do not share values.
import { Counter, Gauge, Registry } from 'prom-client';
import { type Metric, metricTable } from './metric-table.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { openFiles } from './open-files.ts';

export class Metrics {
  readonly #broker: MonitoredBroker;
  readonly #requests: ReadonlyMap<string, number>;
  readonly #registry = new Registry();
  readonly #rows: readonly (readonly [Metric, Counter | Gauge])[];

  /** @param requests number of requests that monitoring has answered, by path */
  constructor(broker: MonitoredBroker, requests: ReadonlyMap<string, number>) {
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

  /** Prints the current value of every metric. */
  async print(): Promise<string> {
    const files = await openFiles();
    const traffic = this.#broker.sessions.traffic();
    const observation = { broker: this.#broker, requests: this.#requests, traffic, files };
    for (const [metric, instrument] of this.#rows) fill(instrument, metric.read(observation));
    return this.#registry.metrics();
  }
}

/**
 * Replaces all values of an instrument. The broker keeps the totals; starting anew drops the series of what is gone,
 * such as a replaced certificate.
 */
function fill(instrument: Counter | Gauge, values: ReturnType<Metric['read']>): void {
  instrument.reset();
  // After the reset a value without labels is 0, even an unknown one.
  if (values === undefined) instrument.remove();
  for (const [labels, value] of typeof values === 'number' ? [[{}, values] as const] : (values ?? [])) {
    if (instrument instanceof Gauge) instrument.set(labels, value);
    else instrument.inc(labels, value);
  }
}
