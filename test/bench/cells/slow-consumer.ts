// The cell on the slow consumer: one subscriber reads nothing; measures the effect on the other one and on the
// memory of the server.
import { deliveryLength, subscriptions } from '../messages.ts';
import { Meter } from '../meter.ts';
import { now } from '../usage.ts';
import { type Bench, both, type Cell, costs, type Measurement } from './cell.ts';

export const slowConsumerCells: readonly Cell[] = [
  {
    name: 'slow-consumer',
    says: 'one to two, 1024 B; one subscriber reads nothing, the rate is that of the other',
    table: {
      title: 'A slow and a fast consumer',
      quantities: [
        { key: 'rate', title: 'messages/s' },
        { key: 'cut', title: 's until the slow one is disconnected' },
        ...costs,
      ],
    },
    transports: both,
    once: true,
    measure,
  },
];

async function measure({ server, generator, seconds }: Bench): Promise<Measurement> {
  const { target } = server;
  const subject = 'bench.subject';
  const size = 1024;
  const length = deliveryLength(subject, '1', size);
  const setup = { target, connections: [subscriptions([subject])], length };
  const fast = await generator.start('Subscriber', setup);
  await generator.start('Subscriber', { ...setup, deaf: true });
  const publisher = await generator.start('Publisher', {
    target,
    connections: 1,
    subjects: [subject],
    size,
  });
  await fast.ask('count');
  let cut = Number.NaN;
  const began = now();
  // Both servers log this text; a server that never does leaves the figure out.
  const noticed = server.logged(/slow consumer/i).then(
    () => {
      cut = (now() - began) / 1000;
    },
    () => undefined,
  );
  const meter = new Meter([server.pid], generator.pids);
  const { messages, from, to } = await publisher.ask('publish', Math.max(4, seconds));
  const last = await fast.ask('received', messages);
  const cost = meter.read(messages);
  await noticed;
  return {
    rate: (messages / (Math.max(to, last) - from)) * 1000,
    cut,
    ...cost,
  };
}
