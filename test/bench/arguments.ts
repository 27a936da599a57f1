// Parses the command line of the benchmark; it measures nothing.
import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Prefixes of the names of the cells to measure; empty for all. */
  readonly cells: readonly string[];
  /** The folder for the report. */
  readonly out: string;
  /** The folder of the documentation; a complete run writes its page on performance. */
  readonly docs: string;
  /** The number of measurements of each side. */
  readonly rounds: number;
  /** The length of one measurement. */
  readonly seconds: number;
  readonly transports: readonly Transport[];
  /** The two servers to compare, the first divided by the second; the same server twice shows the noise. */
  readonly sides: readonly [SideName, SideName];
  /** Whether users have permissions, so that both servers check every publish and subscribe. */
  readonly permissions: boolean;
  /** Writes a CPU profile of the bundled broker for each measurement, which slows it down slightly. */
  readonly profile: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

export type Transport = 'tls' | 'plain';
export type SideName = 'natspki' | 'nats-server';

export const usage = `npm run bench -- [CELL...] [options]

CELL is a prefix of a cell's name: "one-to-one" selects all its sizes. The default is all cells.

    --list               list the cells and exit
    --out DIR            folder for the report (default .cache/bench)
    --docs DIR           folder for performance.md and its plots, which a complete run writes (default docs)
    --rounds N           measurements of each side, which alternate (default 3)
  --seconds N          length of one measurement (default 0.75)
    --transport tls|plain   measure only one of the two
    --sides A,B          servers to compare (default natspki,nats-server); the same one twice shows the noise
    --no-permissions     let every user publish and subscribe to everything
  --profile            also write a CPU profile of the bundled broker for each measurement
`;

/** Parses the arguments; throws a TypeError or RangeError with the reason when they are invalid. */
export function parseArguments(words: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      out: { type: 'string', default: '.cache/bench' },
      docs: { type: 'string', default: 'docs' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '0.75' },
      transport: { type: 'string' },
      sides: { type: 'string', default: 'natspki,nats-server' },
      'no-permissions': { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return {
    cells: positionals,
    out: values.out,
    docs: values.docs,
    rounds: positive('--rounds', values.rounds, Number.isInteger),
    seconds: positive('--seconds', values.seconds, Number.isFinite),
    transports: values.transport === undefined ? ['tls', 'plain'] : [transport(values.transport)],
    sides: sides(values.sides),
    permissions: !values['no-permissions'],
    profile: values.profile,
    list: values.list,
    help: values.help,
  };
}

/** Returns whether a run measures everything, in the setting that the documentation describes. */
export function isWhole({
  cells,
  transports,
  sides: [first, second],
  permissions,
  profile,
}: BenchOptions): boolean {
  const isUsual = first === 'natspki' && second === 'nats-server' && permissions && !profile;
  return isUsual && cells.length === 0 && transports.length === 2;
}

/** Returns whether the command line selects a cell. */
export function isSelected(cell: string, cells: readonly string[]): boolean {
  return cells.length === 0 || cells.some((beginning) => cell.startsWith(beginning));
}

function positive(name: string, text: string, isAllowed: (value: number) => boolean): number {
  const value = Number(text);
  if (isAllowed(value) && value > 0) return value;
  throw new RangeError(`${name} is "${text}", expected a positive number`);
}

function transport(text: string): Transport {
  if (text === 'tls' || text === 'plain') return text;
  throw new RangeError(`--transport is "${text}", expected tls or plain`);
}

function sides(text: string): [SideName, SideName] {
  const names = text.split(',');
  const [first, second] = names.filter((name) => name === 'natspki' || name === 'nats-server');
  if (names.length === 2 && first && second) return [first, second];
  throw new RangeError(`--sides is "${text}", expected two of natspki and nats-server with a comma between`);
}
