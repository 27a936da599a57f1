// Prints metrics in the Prometheus text format from a table of what they are and how to read them. This is the only importer
// of prom-client, and is loaded only where metrics are served. Each instance has its own registry, so that servers in one
// process do not share values.
import { Counter, Gauge, Registry } from 'prom-client';

/** One value with the labels of its metric. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** A metric; its name and unit follow the Prometheus conventions. */
export interface Metric<Observation> {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels?: readonly string[];
  /** Returns undefined if the value is unknown on this system. */
  read(observation: Observation): number | undefined | readonly Sample[];
}

export class MetricTable<Observation> {
  readonly #registry = new Registry();
  readonly #rows: readonly (readonly [Metric<Observation>, Counter | Gauge])[];

  constructor(table: readonly Metric<Observation>[]) {
    this.#rows = table.map((metric) => {
      const { name, help, type, labels: labelNames = [] } = metric;
      const configuration = { name, help, labelNames: [...labelNames], registers: [this.#registry] };
      return [metric, type === 'counter' ? new Counter(configuration) : new Gauge(configuration)];
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Prints the current value of every metric. */
  async print(observation: Observation): Promise<string> {
    for (const [metric, instrument] of this.#rows) fill(instrument, metric.read(observation));
    return this.#registry.metrics();
  }
}

/**
 * Replaces all values of an instrument. The owner keeps the totals; starting anew drops the series of what is gone,
 * such as a replaced certificate.
 */
function fill(instrument: Counter | Gauge, values: number | undefined | readonly Sample[]): void {
  instrument.reset();
  // After the reset a value without labels is 0, even an unknown one.
  if (values === undefined) instrument.remove();
  for (const [labels, value] of typeof values === 'number' ? [[{}, values] as const] : (values ?? [])) {
    if (instrument instanceof Gauge) instrument.set(labels, value);
    else instrument.inc(labels, value);
  }
}
