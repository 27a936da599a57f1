// Cells on connections: how fast the server accepts them, and how much memory an idle one holds.
import { setTimeout } from 'node:timers/promises';
import type { Dialling } from '../load/crowd.ts';
import { Meter } from '../meter.ts';
import { memory } from '../usage.ts';
import { type Bench, both, type Cell, costs, type Measurement, peak } from './cell.ts';

export const connectionCells: readonly Cell[] = [
  {
    name: 'handshakes',
    says: 'connect, full handshake, CONNECT, PING, PONG, close; 16 at a time; measured for the first 500 after the start, and again after 4,000',
    table: {
      title: 'New connections',
      quantities: [
        { key: 'rate', title: 'connections/s' },
        { key: 'first', title: 'server CPU µs each at the start' },
        ...costs,
      ],
    },
    transports: both,
    measure: dial,
  },
  {
    name: 'idle',
    says: 'idle connections',
    table: {
      title: 'Memory of idle connections',
      quantities: [
        { key: 'at1000', title: 'KB each at 1,000' },
        { key: 'at5000', title: 'KB each at 5,000' },
        { key: 'at10000', title: 'KB each at 10,000' },
        peak,
      ],
    },
    transports: both,
    once: true,
    measure: idle,
  },
];

async function dial({ server, generator, seconds }: Bench): Promise<Measurement> {
  // One process could not saturate a fast server: a client's half of a handshake costs as much as the server's.
  const setup = { target: server.target, concurrency: 8 };
  const crowds = [await generator.start('Crowd', setup), await generator.start('Crowd', setup)];
  const dialAll = (dialling: Dialling) => Promise.all(crowds.map((crowd) => crowd.ask('dial', dialling)));
  const dialTimes = (times: number) => dialAll({ times: times / crowds.length });
  const start = new Meter([server.pid], generator.pids);
  await dialTimes(500);
  const { cpu: first } = start.read(500);
  // Before that, a JIT compiler has not yet compiled the frequent code.
  await dialTimes(3500);
  const meter = new Meter([server.pid], generator.pids);
  const dialled = await dialAll({ seconds });
  const connections = dialled.reduce((sum, { times }) => sum + times, 0);
  const from = Math.min(...dialled.map(({ from }) => from));
  const to = Math.max(...dialled.map(({ to }) => to));
  return {
    rate: (connections / (to - from)) * 1000,
    first,
    ...meter.read(connections),
  };
}

async function idle({ server, generator }: Bench): Promise<Measurement> {
  const crowd = await generator.start('Crowd', { target: server.target, concurrency: 16 });
  // The first connections load code and fill caches that all later ones reuse.
  await crowd.ask('grow', 50);
  const empty = await settledMemory(server.pid);
  const each = async (connections: number) => {
    await crowd.ask('grow', 50 + connections);
    return ((await settledMemory(server.pid)) - empty) / connections / 1e3;
  };
  const at1000 = await each(1000);
  const at5000 = await each(5000);
  const at10000 = await each(10_000);
  return { at1000, at5000, at10000, peak: memory(server.pid, 'VmHWM') / 1e6 };
}

// There is no event to wait for: the garbage collector of the server frees the memory of handshakes when it sees
// fit.
async function settledMemory(pid: number): Promise<number> {
  await setTimeout(1000);
  return memory(pid, 'VmRSS');
}
