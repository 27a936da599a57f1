// What an interval has cost the server and the load generator.
import { cpuSeconds, memory, now } from './usage.ts';

export interface Cost {
  /** CPU time of the servers for one operation, in microseconds. */
  readonly cpu: number;
  /** CPU time of all load generator processes for one operation, in microseconds. */
  readonly generator: number;
  /** The share of the interval for which the busiest generator process had a CPU, in percent. */
  readonly busiest: number;
  /** The most memory that one of the servers ever had, in megabytes. */
  readonly peak: number;
}

export class Meter {
  readonly #from = now();
  readonly #servers: readonly (readonly [pid: number, seconds: number])[];
  readonly #load: readonly (readonly [pid: number, seconds: number])[];

  /** Starts measuring. */
  constructor(servers: readonly number[], load: readonly number[]) {
    this.#servers = servers.map((pid) => [pid, cpuSeconds(pid)]);
    this.#load = load.map((pid) => [pid, cpuSeconds(pid)]);
  }

  /** The cost since the start of each of so many operations. */
  read(operations: number): Cost {
    const elapsed = (now() - this.#from) / 1000;
    const load = this.#load.map(since);
    return {
      cpu: (sum(this.#servers.map(since)) / operations) * 1e6,
      generator: (sum(load) / operations) * 1e6,
      busiest: (Math.max(0, ...load) / elapsed) * 100,
      peak: Math.max(...this.#servers.map(([pid]) => memory(pid, 'VmHWM'))) / 1e6,
    };
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function since([pid, seconds]: readonly [number, number]): number {
  return cpuSeconds(pid) - seconds;
}
