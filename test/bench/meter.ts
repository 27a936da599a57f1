// Measures what an interval costs the servers and the load generator.
import { cpuSeconds, memory, now } from './usage.ts';

export interface Cost {
  /** CPU time of the servers per operation, in microseconds. */
  readonly cpu: number;
  /** CPU time of all load generator processes per operation, in microseconds. */
  readonly generator: number;
  /** CPU time of the busiest generator process as a share of the interval, in percent. */
  readonly busiest: number;
  /** The highest memory use of any of the servers so far, in megabytes. */
  readonly peak: number;
}

export class Meter {
  readonly #from = now();
  readonly #servers: readonly (readonly [pid: number, seconds: number])[];
  readonly #load: readonly (readonly [pid: number, seconds: number])[];

  /** Starts measuring these process ids. */
  constructor(servers: readonly number[], load: readonly number[]) {
    this.#servers = servers.map((pid) => [pid, cpuSeconds(pid)]);
    this.#load = load.map((pid) => [pid, cpuSeconds(pid)]);
  }

  /** Returns the cost per operation since the start. */
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
