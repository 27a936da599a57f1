// The performance goals of natspki relative to its peers, checked against a report. Goals are ratios, which are
// comparable across machines.
import { type CommandResult, type Report, short } from './report.ts';
import { readyRatio } from './starts/figures.ts';
import { median, percentile } from './statistics.ts';

export interface Outcome {
  readonly goal: string;
  readonly limit: string;
  /** Undefined when the report lacks a figure. */
  readonly found: number | undefined;
  readonly isReached: boolean | undefined;
}

interface Goal {
  readonly says: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly of: (report: Report) => number | undefined;
}

const goals: readonly Goal[] = [
  ...(['publish', 'one-to-one'] as const).flatMap((kind) => [
    { says: `${kind}, 16 B: rate`, atLeast: 1.5, of: ratio(`${kind}-16`, 'rate') },
    { says: `${kind}, 128 B: rate`, atLeast: 1.3, of: ratio(`${kind}-128`, 'rate') },
    { says: `${kind}, 1024 B: rate`, atLeast: 1, of: ratio(`${kind}-1024`, 'rate') },
    ...[16, 128, 1024].map((size) => ({
      says: `${kind}, ${size} B: CPU`,
      atMost: 0.7,
      of: ratio(`${kind}-${size}`, 'cpu'),
    })),
  ]),
  { says: 'one to four: rate', atLeast: 1.2, of: ratio('one-to-four', 'rate') },
  { says: '1,000 subjects: rate', atLeast: 1.2, of: ratio('thousand-subjects', 'rate') },
  { says: 'request and reply: p50', atMost: 1.1, of: ratio('request-reply', 'p50') },
  { says: 'request and reply: p99', atMost: 1.3, of: ratio('request-reply', 'p99') },
  { says: 'handshake, after the first 4,000: CPU', atMost: 1.5, of: ratio('handshakes', 'cpu') },
  { says: 'idle connections, 5,000: memory', atMost: 1.2, of: ratio('idle', 'at5000') },
  { says: 'slowest hot swap, in seconds', atMost: 0.1, of: slowestSwap },
  {
    says: '`natspki pin FILE` over `node -e 0`',
    atMost: 2.7,
    of: commands('cli-start', 'natspki pin FILE', 'node -e 0'),
  },
  {
    says: '`natspki --help` over `node -e 0`',
    atMost: 2.7,
    of: commands('cli-start', 'natspki --help', 'node -e 0'),
  },
  {
    says: '`natspki init` over `node -e 0`',
    atMost: 3.5,
    of: commands('cli-init', 'natspki init', 'node -e 0'),
  },
  {
    says: '1,000 certificates over mkcert -ecdsa',
    atMost: 0.6,
    of: commands('cli-issue-1000', 'natspki issue', 'mkcert -ecdsa'),
  },
  {
    says: 'fastest start in a test, after the first, over a spawned nats-server',
    atMost: 0.333,
    of: ({ starts }) => readyRatio(starts, 'nats-server, spawned'),
  },
  {
    says: 'the same, over three openssl commands and nats-server',
    atMost: 0.333,
    of: ({ starts }) => readyRatio(starts, 'openssl, then nats-server'),
  },
];

/** Compares every goal with a report. */
export function judge(report: Report): Outcome[] {
  return goals.map(({ says, atLeast, atMost, of }) => {
    const value = of(report);
    const found = Number.isFinite(value) ? value : undefined;
    return {
      goal: says,
      limit: atLeast === undefined ? `at most ${short(atMost ?? Number.NaN)}` : `at least ${short(atLeast)}`,
      found,
      isReached: found && found >= (atLeast ?? 0) && found <= (atMost ?? Number.POSITIVE_INFINITY),
    } as Outcome;
  });
}

function ratio(cell: string, key: string): Goal['of'] {
  return ({ cells }) => {
    const found = cells.find((result) => result.cell === cell && result.transport === 'tls');
    const [ours, theirs] = (found?.sides ?? []).map(({ runs }) =>
      median(runs.map((run) => run[key] ?? Number.NaN)),
    );
    return ours === undefined || theirs === undefined ? undefined : ours / theirs;
  };
}

function slowestSwap({ cells }: Report): number | undefined {
  const runs = cells.find(({ cell }) => cell === 'swap')?.sides[0]?.runs ?? [];
  return (
    percentile(
      runs.map(({ slowest = Number.NaN }) => slowest),
      1,
    ) / 1000
  );
}

function commands(cell: string, ours: string, theirs: string): Goal['of'] {
  return (report) => {
    const found = report.commands.find((result) => result.cell === cell);
    return found && time(found, ours) / time(found, theirs);
  };
}

function time({ contestants }: CommandResult, name: string): number {
  return median(contestants.find((contestant) => contestant.name === name)?.runs ?? []);
}
