// Defines a cell of the benchmark: one measurement on one running server.
import type { Transport } from '../arguments.ts';
import type { LoadGenerator } from '../load/generator.ts';
import type { BenchServer } from '../server.ts';

/** A figure of a cell, in the unit that its title names. */
export interface Quantity {
  readonly key: string;
  readonly title: string;
  /** Shown without a ratio, because it describes the load generator or one side only. */
  readonly plain?: boolean;
}

/** Cells with the same quantities share a table. */
export interface Table {
  readonly title: string;
  readonly quantities: readonly Quantity[];
}

export type Measurement = Readonly<Record<string, number>>;

/** A running server and an idle load generator for one measurement; both are stopped afterwards. */
export interface Bench {
  readonly server: BenchServer;
  readonly generator: LoadGenerator;
  readonly seconds: number;
  /** True for the first measurement of a side, which also checks all content before the clock starts. */
  readonly verifies: boolean;
}

export interface Cell {
  readonly name: string;
  /** A description for the report. */
  readonly says: string;
  readonly table: Table;
  readonly transports: readonly Transport[];
  /** Whether other servers can join the server. */
  readonly isCluster?: boolean;
  /** Whether handshakes have the default timeout, instead of one that no measurement reaches. */
  readonly defaultTimeout?: boolean;
  /** Measured once instead of in every round, because it takes long or adds little. */
  readonly once?: true;
  measure(bench: Bench): Promise<Measurement>;
}

/** The peak memory of the server. */
export const peak: Quantity = { key: 'peak', title: 'peak MB' };

/** The figures that a `Meter` reads. */
export const costs: readonly Quantity[] = [
  { key: 'cpu', title: 'server CPU µs each' },
  peak,
  { key: 'generator', title: 'generator CPU µs each', plain: true },
  { key: 'busiest', title: 'busiest generator process %', plain: true },
];

export const both: readonly Transport[] = ['tls', 'plain'];
