// Cells in which publishers and subscribers connect to two servers of a cluster, with a route between them.
import { setTimeout } from 'node:timers/promises';
import { Connection } from '../load/connection.ts';
import type { BenchServer } from '../server.ts';
import { type Bench, both, type Cell, type Measurement } from './cell.ts';
import { measure, simple, table } from './traffic.ts';

export const routeCells: readonly Cell[] = [128, 1024].map((size) => ({
  name: `route-${size}`,
  says: `one to one, ${size} B, from one server of a cluster to another`,
  table,
  transports: both,
  once: true,
  isCluster: true,
  measure: (bench) => measureRoute(size, bench),
}));

async function measureRoute(size: number, bench: Bench): Promise<Measurement> {
  const far = await bench.server.startPeer();
  const settle = () => waitForInterest(bench.server, far);
  return measure({ ...simple, size }, bench, { server: far, settle });
}

/**
 * Resolves when a message from one server reaches a subscription on the other; then all earlier subscriptions are
 * known too.
 */
async function waitForInterest(near: BenchServer, far: BenchServer): Promise<void> {
  const [speaker, listener] = [await Connection.open(near.target), await Connection.open(far.target)];
  let arrived = false;
  await listener.roundTrip('SUB bench.probe 1\r\n');
  listener.stream(() => {
    arrived = true;
  });
  while (!arrived) {
    await speaker.roundTrip('PUB bench.probe 0\r\n\r\n');
    await setTimeout(5);
  }
  speaker.close();
  listener.close();
}
