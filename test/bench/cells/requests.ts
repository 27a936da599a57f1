// The cell on request and reply: one request at a time, so that it measures only the path through the server.
import { Meter } from '../meter.ts';
import { percentile } from '../statistics.ts';
import { type Bench, both, type Cell, costs, type Measurement } from './cell.ts';

export const requestCells: readonly Cell[] = [
  {
    name: 'request-reply',
    says: 'one request at a time, 128 B in each direction; measured four times as long as other cells',
    table: {
      title: 'Request and reply',
      quantities: [{ key: 'p50', title: 'p50 µs' }, { key: 'p99', title: 'p99 µs' }, ...costs],
    },
    transports: both,
    measure,
  },
];

async function measure({ server, generator, seconds }: Bench): Promise<Measurement> {
  const setup = { target: server.target, subject: 'bench.service', inbox: '_INBOX.bench.1', size: 128 };
  await generator.start('Responder', setup);
  const requester = await generator.start('Requester', setup);
  await requester.ask('request', Math.max(0.5, seconds / 2));
  const meter = new Meter([server.pid], generator.pids);
  // One at a time, few requests complete; the 99th percentile of a few dozen would be noise.
  const latencies = await requester.ask('request', 4 * seconds);
  return {
    p50: percentile(latencies, 0.5) * 1000,
    p99: percentile(latencies, 0.99) * 1000,
    ...meter.read(latencies.length),
  };
}
