// Cells on clients that begin and then send nothing more: how many honest clients, requests of monitoring and servers
// of the cluster still get in.
import { setTimeout } from 'node:timers/promises';
import { Meter } from '../meter.ts';
import { percentile } from '../statistics.ts';
import { type Bench, type Cell, costs, type Measurement } from './cell.ts';

const handshakes = 1500;
const idleRoutes = 400;
const halfRequests = 150;
const everyMs = 100;
const patienceMs = 10_000;
const seconds = 8;

/** Time for the silent clients to fill every queue, in milliseconds. */
const warmUpMs = 3000;

const localAddress = '127.0.0.2';

export const silentCells: readonly Cell[] = [
  {
    name: 'silent-handshakes',
    says: `${handshakes} clients from one address begin a handshake, send nothing more and connect again when disconnected; for ${seconds} s, every ${everyMs} ms an honest client connects from another address and gives up after ${patienceMs / 1000} s`,
    table: {
      title: 'Connecting beside silent handshakes',
      quantities: [
        { key: 'admitted', title: 'accepted' },
        { key: 'p50', title: 'p50 ms' },
        { key: 'p90', title: 'p90 ms' },
        { key: 'ended', title: 'silent clients disconnected/s', plain: true },
        ...costs,
      ],
    },
    transports: ['tls'],
    defaultTimeout: true,
    once: true,
    measure: measureHandshakes,
  },
  {
    name: 'silent-ports',
    says: `${idleRoutes} connections to the route port that send nothing, and ${halfRequests} half-sent requests to the monitoring port; every ${everyMs} ms a request of /healthz from another address, and another server joins`,
    table: {
      title: 'Monitoring and joining beside silent connections',
      quantities: [
        { key: 'healthy', title: 'answered, %' },
        { key: 'health50', title: '/healthz p50 ms' },
        { key: 'health90', title: 'p90 ms' },
        { key: 'joined', title: 'join s' },
      ],
    },
    transports: ['tls'],
    isCluster: true,
    defaultTimeout: true,
    once: true,
    measure: measurePorts,
  },
];

async function measureHandshakes({ server, generator }: Bench): Promise<Measurement> {
  const { target } = server;
  const newcomers = await generator.start('Newcomers', { target, everyMs, patienceMs });
  // The first handshakes load code that all later ones reuse.
  await newcomers.ask('arrive', 1);
  const silent = await generator.start('Silent', {
    port: target.port,
    localAddress,
    clients: handshakes,
    sends: { hello: true },
  });
  await setTimeout(warmUpMs);
  const meter = new Meter([server.pid], generator.pids);
  const before = await silent.ask('closed');
  const waits = await newcomers.ask('arrive', seconds);
  const ended = (await silent.ask('closed')) - before;
  await silent.ask('stop');
  const admitted = waits.filter(Number.isFinite).length;
  return {
    admitted,
    p50: percentile(waits, 0.5),
    p90: percentile(waits, 0.9),
    ended: ended / seconds,
    ...meter.read(ended + admitted),
  };
}

async function measurePorts({ server, generator }: Bench): Promise<Measurement> {
  const monitorPort = await server.portOf('monitor');
  const routes = await generator.start('Silent', {
    port: await server.portOf('route'),
    localAddress,
    clients: idleRoutes,
    sends: { text: '' },
  });
  const requests = await generator.start('Silent', {
    port: monitorPort,
    localAddress,
    clients: halfRequests,
    sends: { text: 'GET /healthz HTTP/1.1\r\nHost: localho' },
  });
  await setTimeout(warmUpMs);
  const waits: number[] = [];
  for (let count = 0; count < 50; count++) {
    const began = performance.now();
    const isAnswered = await fetch(`http://127.0.0.1:${monitorPort}/healthz`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(patienceMs),
    }).then(
      async (response) => (await response.text()) !== '',
      () => false,
    );
    waits.push(isAnswered ? performance.now() - began : Number.POSITIVE_INFINITY);
    await setTimeout(everyMs);
  }
  const began = performance.now();
  const joined = await Promise.race([
    server.startPeer().then(async () => {
      while ((await readRoutes(monitorPort)) === 0) await setTimeout(20);
      return (performance.now() - began) / 1000;
    }),
    setTimeout(patienceMs, Number.POSITIVE_INFINITY),
  ]);
  await Promise.all([routes.ask('stop'), requests.ask('stop')]);
  return {
    healthy: (waits.filter(Number.isFinite).length / waits.length) * 100,
    health50: percentile(waits, 0.5),
    health90: percentile(waits, 0.9),
    joined,
  };
}

/** Returns how many routes the server has; 0 as well when monitoring does not answer. */
async function readRoutes(monitorPort: number): Promise<number> {
  const url = `http://127.0.0.1:${monitorPort}/routez`;
  const routes = fetch(url, { headers: { connection: 'close' }, signal: AbortSignal.timeout(patienceMs) });
  return routes.then(
    async (response) => ((await response.json()) as { num_routes: number }).num_routes,
    () => 0,
  );
}
