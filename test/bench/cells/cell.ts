// What a cell of the benchmark is: one thing measured on one running server.
import type { Transport } from '../arguments.ts';
import type { LoadGenerator } from '../load/generator.ts';
import type { BenchServer } from '../server.ts';

/** A figure of a cell, in the unit that its table names. */
export interface Quantity {
  readonly key: string;
  readonly title: string;
  /** Not compared: it tells of the load generator or of one side only. */
  readonly plain?: boolean;
}

/** Cells that have the same quantities stand in one table. */
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
  /** The first measurement of a side also checks all content, before the clock starts. */
  readonly verifies: boolean;
}

export interface Cell {
  readonly name: string;
  /** What happens in it, for the report. */
  readonly says: string;
  readonly table: Table;
  readonly transports: readonly Transport[];
  /** Whether the server is one that others can join. */
  readonly isCluster?: boolean;
  /** Measured once and not in every round, because it takes long or shows the same again. */
  readonly once?: true;
  measure(bench: Bench): Promise<Measurement>;
}

/** The most memory that the server ever had. */
export const peak: Quantity = { key: 'peak', title: 'peak MB' };

/** What a `Meter` reads. */
export const costs: readonly Quantity[] = [
  { key: 'cpu', title: 'server CPU µs each' },
  peak,
  { key: 'generator', title: 'generator CPU µs each', plain: true },
  { key: 'busiest', title: 'busiest generator process %', plain: true },
];

export const both: readonly Transport[] = ['tls', 'plain'];
