// Cells in which publishers send as fast as the server accepts and subscribers count what arrives.
import type { LoadProcess } from '../load/process.ts';
import { deliveryLength, type Subscription, subscriptions } from '../messages.ts';
import { Meter } from '../meter.ts';
import type { BenchServer } from '../server.ts';
import { type Bench, both, type Cell, costs, type Measurement, type Table } from './cell.ts';

export const table: Table = {
  title: 'Messages delivered (published, where there is no subscriber)',
  quantities: [{ key: 'rate', title: 'messages/s' }, ...costs],
};

export interface Traffic {
  readonly size: number;
  readonly subjects: readonly string[];
  readonly publishers: number;
  /** The subscriptions of each connection. */
  readonly subscribers: readonly (readonly Subscription[])[];
  /** How often each published message is delivered. */
  readonly copies: number;
  /** The maximum length of a publisher's TLS records, in bytes. */
  readonly record?: number;
}

const sizes = [16, 128, 1024, 8192];
/** Numbers of subscriptions, in thousands. */
const thousands = [1, 10, 100, 1000];
const subject = 'bench.subject';
const one = subscriptions([subject]);
/** One publisher and one subscriber. */
export const simple = { size: 128, subjects: [subject], publishers: 1, subscribers: [one], copies: 1 };

export const trafficCells: readonly Cell[] = [
  ...sizes.map((size) =>
    traffic(`publish-${size}`, `publish only, ${size} B`, { ...simple, size, subscribers: [], copies: 0 }),
  ),
  ...sizes.map((size) => traffic(`one-to-one-${size}`, `one to one, ${size} B`, { ...simple, size })),
  traffic('one-to-four', 'one to four, 128 B', {
    ...simple,
    subscribers: [one, one, one, one],
    copies: 4,
  }),
  traffic('thousand-subjects', 'one to one over 1,000 subjects, 128 B', thousandSubjects()),
  traffic('four-publishers', 'four to one, 128 B', { ...simple, publishers: 4 }),
  {
    ...traffic('message-per-record', 'one to one, each message a TLS record of 512 B', {
      ...simple,
      // The shortest record into which OpenSSL can be told to split a long write.
      record: 512,
      size: 512 - `PUB ${subject} 482\r\n\r\n`.length,
    }),
    transports: ['tls'],
  },
  traffic('queue-group', 'one to a queue group of 8, 128 B', {
    ...simple,
    subscribers: Array.from({ length: 8 }, () => subscriptions([subject], 'workers')),
  }),
  ...thousands.map((count): Cell => {
    const says = `${(count * 1000).toLocaleString('en')} subscriptions, one in five with a wildcard; two match, 128 B`;
    return {
      ...traffic(`match-${count}000`, says, () => manySubscriptions(count)),
      // One of these cells is measured in full; the others show the slope.
      ...(count === 100 ? {} : { once: true, transports: ['tls'] }),
    };
  }),
];

/** Makes a cell; a large shape is made only when it is measured. */
function traffic(name: string, says: string, shape: Traffic | (() => Traffic)): Cell {
  const made = () => (typeof shape === 'function' ? shape() : shape);
  return { name, says, table, transports: both, measure: (bench) => measure(made(), bench) };
}

/**
 * @param far the server of the subscribers, and how to wait for their interest; by default the server of the
 * publishers
 */
export async function measure(
  shape: Traffic,
  { server, generator, seconds, verifies }: Bench,
  far: { readonly server: BenchServer; readonly settle: () => Promise<void> } | undefined = undefined,
): Promise<Measurement> {
  const { size, subjects, publishers, subscribers, copies, record } = shape;
  const { target } = server;
  const length = deliveryLength(subjects[0] ?? '', subscribers[0]?.[0]?.sid ?? '', size);
  const subscriber =
    copies === 0
      ? undefined
      : await generator.start('Subscriber', {
          target: far?.server.target ?? target,
          connections: subscribers,
          length,
        });
  await far?.settle();
  const publisher = await generator.start('Publisher', {
    target,
    connections: publishers,
    subjects,
    size,
    ...(record === undefined ? {} : { record }),
  });
  if (subscriber && verifies) await verify(shape, publisher, subscriber);
  await subscriber?.ask('count');
  let delivered = 0;

  // Publishes for a duration; the clock stops when the last message has arrived.
  const flow = async (duration: number) => {
    const { messages, from, to } = await publisher.ask('publish', duration);
    delivered += messages * copies;
    const last = (await subscriber?.ask('received', delivered)) ?? 0;
    return { operations: messages * Math.max(1, copies), elapsed: Math.max(to, last) - from };
  };
  await flow(Math.max(0.5, seconds / 2));
  const meter = new Meter(far === undefined ? [server.pid] : [server.pid, far.server.pid], generator.pids);
  const { operations, elapsed } = await flow(seconds);
  return {
    rate: (operations / elapsed) * 1000,
    ...meter.read(operations),
  };
}

async function verify(
  { size, subjects, publishers, copies }: Traffic,
  publisher: LoadProcess<'Publisher'>,
  subscriber: LoadProcess<'Subscriber'>,
): Promise<void> {
  const messages = 5000;
  await publisher.ask('publishSequence', messages);
  const faults = await subscriber.ask('verify', { publishers, messages, subjects, size, copies });
  if (faults.length > 0) throw new Error(`wrong content: ${faults.join('; ')}`);
}

function thousandSubjects(): Traffic {
  const subjects = Array.from({ length: 1000 }, (_, index) => `bench.subject.${1000 + index}`);
  return { ...simple, subjects, subscribers: [subscriptions(subjects)] };
}

// Each subject has a subscription of its own and shares one with its group of 999. The order defeats caches.
function manySubscriptions(thousand: number): Traffic {
  const groups = Array.from({ length: thousand }, (_, group) => `bench.g${1000 + group}`);
  const subjects = groups.flatMap((group) =>
    Array.from({ length: 999 }, (_, index) => `${group}.${1000 + index}.data`),
  );
  const patterns = subjects.map((name, index) => {
    if (index % 10 === 0) return name.replace('.data', '.*');
    return index % 10 === 1 ? name.replace('.data', '.>') : name;
  });
  const all = [...patterns, ...groups.map((group) => `${group}.*.data`)];
  // A prime step visits every subject once before it repeats one.
  const shuffled = subjects
    .slice(0, 100_000)
    .map((_, index) => subjects[(index * 7919) % subjects.length] ?? '');
  return { ...simple, subjects: shuffled, subscribers: [subscriptions(all)], copies: 2 };
}
