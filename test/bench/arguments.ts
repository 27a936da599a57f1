// The command line of the benchmark; it measures nothing.
import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** The beginnings of the names of the cells to measure; empty means all. */
  readonly cells: readonly string[];
  /** The folder that gets the report. */
  readonly out: string;
  /** The folder of the documentation, whose page on performance a whole run writes. */
  readonly docs: string;
  /** How often each side is measured. */
  readonly rounds: number;
  /** How long one measurement lasts. */
  readonly seconds: number;
  readonly transports: readonly Transport[];
  /** The two servers to compare, the first over the second; the same one twice shows the noise. */
  readonly sides: readonly [SideName, SideName];
  /** Checks every publish and subscribe against permissions, as in a system that means it. */
  readonly permissions: boolean;
  /** Writes a CPU profile of the bundled broker for each measurement; it slows it down a little. */
  readonly profile: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

export type Transport = 'tls' | 'plain';
export type SideName = 'natspki' | 'nats-server';

export const usage = `npm run bench -- [CELL...] [options]

CELL is the beginning of a cell's name: "one-to-one" is all its sizes. Without one, all cells are measured.

  --list               name the cells and end
  --out DIR            where the report goes (default .cache/bench)
  --docs DIR           where a run of everything puts performance.md and its plots (default docs)
  --rounds N           measurements of each side, taken in turns (default 3)
  --seconds N          length of one measurement (default 0.75)
  --transport tls|plain   only one of the two
  --sides A,B          the servers to compare (default natspki,nats-server); one twice shows the noise
  --no-permissions     let every user publish and subscribe everything
  --profile            also write a CPU profile of the bundled broker for each measurement
`;

/** Reads the arguments; throws a TypeError or RangeError that says what is wrong with them. */
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

/** Tells whether a run measures everything in the way that the documentation tells of. */
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

/** Tells whether a cell is among those that were asked for. */
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
