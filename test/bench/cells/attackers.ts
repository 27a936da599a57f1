// Cells on password guessing: the rate of rejections, and their effect on honest clients that are connected or
// connect from the same address.
import { Meter } from '../meter.ts';
import { percentile } from '../statistics.ts';
import { type Bench, both, type Cell, costs, type Measurement } from './cell.ts';

const attackers = 200;
const honest = 50;
const guessers = 500;
const patienceMs = 2000;

export const attackerCells: readonly Cell[] = [
  {
    name: 'attackers',
    says: `${attackers} clients that guess passwords without a pause, and ${honest} honest clients, 25 of which send a request every 20 ms`,
    table: {
      title: 'Password guessing',
      quantities: [
        { key: 'refusals', title: 'rejections/s' },
        { key: 'before50', title: 'honest p50 µs before' },
        { key: 'during50', title: 'p50 µs during' },
        { key: 'before99', title: 'honest p99 µs before' },
        { key: 'during99', title: 'p99 µs during' },
        ...costs,
      ],
    },
    transports: both,
    once: true,
    measure,
  },
  {
    name: 'newcomers',
    says: `${guessers} clients that guess passwords without a pause; every 50 ms an honest client connects from the same address and gives up after ${patienceMs / 1000} s`,
    table: {
      title: 'Connecting from an address that guesses passwords',
      quantities: [
        { key: 'refusals', title: 'rejections/s' },
        { key: 'admitted', title: 'accepted, %' },
        { key: 'p50', title: 'p50 ms' },
        { key: 'p90', title: 'p90 ms' },
        ...costs,
      ],
    },
    transports: ['tls'],
    once: true,
    measure: measureNewcomers,
  },
];

async function measure({ server, generator, seconds }: Bench): Promise<Measurement> {
  const { target } = server;
  const clients = await generator.start('Honest', {
    target,
    subject: 'bench.service',
    inbox: '_INBOX.bench',
    size: 128,
    pairs: honest / 2,
    pauseMs: 20,
  });
  const wrong = { ...target, password: 'not-the-password' };
  const crowd = await generator.start('Attackers', { target: wrong, attackers });
  await clients.ask('request', Math.max(0.5, seconds / 2));
  const before = await clients.ask('request', seconds);
  // The first attempts compile code that all later ones reuse.
  await crowd.ask('attack', Math.max(0.5, seconds / 2));
  const meter = new Meter([server.pid], generator.pids);
  const [during, { refusals, from, to }] = await Promise.all([
    clients.ask('request', seconds),
    crowd.ask('attack', seconds),
  ]);
  return {
    refusals: (refusals / (to - from)) * 1000,
    before50: percentile(before, 0.5) * 1000,
    during50: percentile(during, 0.5) * 1000,
    before99: percentile(before, 0.99) * 1000,
    during99: percentile(during, 0.99) * 1000,
    ...meter.read(refusals),
  };
}

async function measureNewcomers({ server, generator, seconds }: Bench): Promise<Measurement> {
  const { target } = server;
  const wrong = { ...target, password: 'not-the-password' };
  const half = { target: wrong, attackers: guessers / 2 };
  const crowds = [await generator.start('Attackers', half), await generator.start('Attackers', half)];
  const newcomers = await generator.start('Newcomers', { target, everyMs: 50, patienceMs });
  // Long enough for every attacker to reach the throttled state in which it spends most of its time.
  const warmUp = Math.max(2, seconds);
  const attacks = crowds.map((crowd) => crowd.ask('attack', warmUp + seconds + patienceMs / 1000));
  await new Promise((resolve) => setTimeout(resolve, warmUp * 1000));
  const meter = new Meter([server.pid], generator.pids);
  const waits = await newcomers.ask('arrive', seconds);
  const ended = await Promise.all(attacks);
  const refusals = ended.reduce((sum, attack) => sum + attack.refusals, 0);
  const admitted = waits.filter((wait) => Number.isFinite(wait));
  return {
    refusals: ended.reduce((sum, attack) => sum + (attack.refusals / (attack.to - attack.from)) * 1000, 0),
    admitted: (admitted.length / waits.length) * 100,
    p50: percentile(waits, 0.5),
    p90: percentile(waits, 0.9),
    ...meter.read(refusals),
  };
}
