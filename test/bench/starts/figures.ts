// What is measured of servers that tests start, as data and as a table.
import { markdownTable, short } from '../report.ts';
import { median } from '../statistics.ts';

export const contestantNames = [
  'natspki/testing',
  'nats-server, spawned',
  'nats-memory-server',
  'openssl, then nats-server',
] as const;
export type ContestantName = (typeof contestantNames)[number];

/** One process: times in milliseconds; those without `first` are medians of the later starts. */
export interface Figures {
  readonly firstReady: number;
  readonly firstRoundTrip: number;
  readonly ready: number;
  readonly roundTrip: number;
  readonly fastestReady: number;
  readonly fastestRoundTrip: number;
  readonly stop: number;
  readonly slowestStop: number;
  readonly megabytesOfTen: number;
}

export interface StartsResult {
  /** The number of starts after the first, in one process. */
  readonly count: number;
  readonly contestants: readonly { readonly name: ContestantName; readonly runs: readonly Figures[] }[];
}

const columns: readonly [key: keyof Figures, title: string][] = [
  ['firstReady', 'first: ready'],
  ['firstRoundTrip', 'first: round trip'],
  ['ready', 'then: ready'],
  ['roundTrip', 'then: round trip'],
  ['fastestReady', 'fastest: ready'],
  ['fastestRoundTrip', 'fastest: round trip'],
  ['stop', 'stop'],
  ['slowestStop', 'slowest stop'],
  ['megabytesOfTen', 'MB of 10 at once'],
];

/** Renders the results with a third-level heading. */
export function renderStarts({ count, contestants }: StartsResult): string {
  return [
    '### Servers that tests start',
    markdownTable(
      ['', ...columns.map(([, title]) => title)],
      contestants.map(({ name, runs }) => [
        name,
        ...columns.map(([key]) => short(median(runs.map((figures) => figures[key])))),
      ]),
    ),
    `Milliseconds from the call until the server is ready, and until the first round trip of a client over mutual TLS; the first start of a process, which loads the code, then the median and the fastest of ${count} more in a row. On a machine with other load only the fastest are comparable. \`stop\`: from the call until another program can listen on the port. Memory: proportional set size of the process with its children, more than before. \`natspki/testing\` makes its certificates with the first start and copies them later; "openssl" makes them with each start, in three commands; the two others use certificates that exist. nats-memory-server starts the same nats-server.`,
  ].join('\n\n');
}

/** Returns the fastest start of natspki after the first, until it is ready, as a share of another contestant's. */
export function readyRatio(starts: StartsResult | undefined, other: ContestantName): number | undefined {
  const of = (wanted: ContestantName) =>
    median(
      starts?.contestants.find(({ name }) => name === wanted)?.runs.map((run) => run.fastestReady) ?? [],
    );
  return starts && of('natspki/testing') / of(other);
}
