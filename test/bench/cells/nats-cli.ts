// A cell with an independent load generator, `nats bench`, as a check on ours. The cipher suite is the one that Go
// and the server negotiate.
import { run } from '../../harness/process.ts';
import { findPeer, missing } from '../../support/peers.ts';
import { Meter } from '../meter.ts';
import { type Bench, both, type Cell, costs, type Measurement } from './cell.ts';

export const natsCliCells: readonly Cell[] = [
  {
    name: 'nats-bench',
    says: '`nats bench pub`, 3,000,000 messages of 128 B, the rate that it reports',
    table: {
      title: 'The nats CLI as load generator',
      quantities: [{ key: 'rate', title: 'messages/s' }, ...costs.filter(({ plain }) => !plain)],
    },
    transports: both,
    once: true,
    measure,
  },
];

async function measure({ server }: Bench): Promise<Measurement> {
  const bin = findPeer('nats');
  if (bin === undefined) throw new Error(missing('nats'));
  const { port, user, password, tls } = server.target;
  const files = tls ? ['--tlsca', tls.ca, '--tlscert', tls.cert, '--tlskey', tls.key] : [];
  const publish = async (messages: number) => {
    const { code, stdout, stderr } = await run([
      ...[bin, '--server', `nats://localhost:${port}`, '--user', user, '--password', password, ...files],
      ...['bench', 'pub', 'bench.subject', '--msgs', String(messages), '--size', '128', '--no-progress'],
    ]);
    const rate = /([\d,]+) msgs\/sec/.exec(stdout)?.[1];
    if (code !== 0 || rate === undefined)
      throw new Error(`nats bench ended with ${code}: ${stderr || stdout}`);
    return Number(rate.replaceAll(',', ''));
  };
  await publish(1_000_000);
  const meter = new Meter([server.pid], []);
  const messages = 3_000_000;
  const rate = await publish(messages);
  return { rate, ...meter.read(messages) };
}
