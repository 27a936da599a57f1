// /metrics: gathers the values of the broker's table. It loads prom-client, so import this file dynamically.
import { MetricTable } from '../../../net/metrics.ts';
import { metricTable } from './metric-table.ts';
import type { MonitoredBroker } from './monitored-broker.ts';
import { openFiles } from './open-files.ts';

export class Metrics {
  readonly #broker: MonitoredBroker;
  readonly #requests: ReadonlyMap<string, number>;
  readonly #table = new MetricTable(metricTable);

  /** @param requests number of requests that monitoring has answered, by path */
  constructor(broker: MonitoredBroker, requests: ReadonlyMap<string, number>) {
    this.#broker = broker;
    this.#requests = requests;
  }

  get contentType(): string {
    return this.#table.contentType;
  }

  /** Prints the current value of every metric. */
  async print(): Promise<string> {
    const files = await openFiles();
    const traffic = this.#broker.sessions.traffic();
    return this.#table.print({ broker: this.#broker, requests: this.#requests, traffic, files });
  }
}
