// The addresses for WebSocket clients that the servers of a cluster tell one another and their clients.
import { afterEach, expect, it } from 'vitest';
import { Client } from '../harness/client.ts';
import { websocketPort } from '../harness/server.ts';
import { Cluster, type Node } from './cluster.ts';
import { describePairs } from './set-ups.ts';

describePairs('WebSocket listeners of a cluster', (judge, kind) => {
  let cluster: Cluster | undefined;
  let web: Client | undefined;
  afterEach(async () => {
    web?.close();
    await cluster?.stop();
  });

  const isTold = (urls: readonly string[]) => {
    const expected = [...urls].sort().join();
    return ({ connect_urls: told = [] }: Record<string, unknown>) =>
      [...(told as string[])].sort().join() === expected;
  };

  it('are told to WebSocket clients, and those of the client ports to the other clients', async () => {
    cluster = await Cluster.start([judge, kind], {
      more: 'websocket { listen: "127.0.0.1:-1", no_tls: true }',
    });
    const [node, other] = cluster.nodes as [Node, Node];
    const ports = await Promise.all([node, other].map(({ process }) => websocketPort(process)));
    const [own, others] = ports.map((port) => `127.0.0.1:${port}`) as [string, string];
    web = await Client.connectWebSocket(ports[0] as number, {});
    const plain = await cluster.connect(node);
    await web.informed(isTold([own, others]));
    await plain.informed(isTold([node, other].map(({ port }) => `127.0.0.1:${port}`)));

    const far = await cluster.connect(other);
    const inbox = web.subscribe('far');
    await cluster.settled([web, far]);
    far.publish('far', 'away');
    expect((await inbox.has(1)).map(({ payload }) => payload)).toContain('away');

    await other.kill();
    await web.informed(isTold([own]));
  });
});
