// Servers that join and leave a cluster: killed, new, separated by the network, or in lame duck mode.
import { afterEach, expect, it } from 'vitest';
import { Cluster, type Node } from './cluster.ts';
import { TcpProxy } from './proxy.ts';
import { describeClusters, kindHas } from './set-ups.ts';

describeClusters('a cluster', (kinds) => {
  let cluster: Cluster | undefined;
  const proxies: TcpProxy[] = [];

  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
    for (const proxy of proxies.splice(0)) proxy.close();
  });

  const urlsOf = (nodes: readonly Node[]) => nodes.map(({ port }) => `127.0.0.1:${port}`).sort();
  const isTold = (nodes: readonly Node[]) => {
    const expected = urlsOf(nodes).join();
    return ({ connect_urls: told = [] }: Record<string, unknown>) =>
      (told as string[]).sort().join() === expected;
  };

  it.each([0, 2])('keeps delivering messages when server %i is killed, and accepts it back', async (at) => {
    cluster = await Cluster.start(kinds);
    const { nodes } = cluster;
    const victim = nodes[at] as Node;
    const [near, far] = nodes.filter((node) => node !== victim) as [Node, Node];
    const [client, other] = [await cluster.connect(near), await cluster.connect(far)];
    const doomed = await cluster.connect(victim);
    doomed.respond('service', () => 'from the killed one');
    await cluster.settled([client, other, doomed]);
    expect((await client.request('service')).payload).toBe('from the killed one');

    await victim.kill();
    await Promise.all([client, other].map((one) => one.informed(isTold([near, far]))));
    for (const one of [client, other]) {
      await expect.poll(async () => (await one.request('service')).headers).toMatch(/^NATS\/1\.0 503/);
    }
    const inbox = other.subscribe('still');
    await cluster.settled([client, other]);
    client.publish('still', 'there');
    expect((await inbox.has(1))[0]?.payload).toBe('there');

    await victim.start();
    await cluster.complete();
    await Promise.all([client, other].map((one) => one.informed(isTold(nodes))));
    const back = await cluster.connect(victim);
    const again = back.subscribe('still');
    await cluster.settled([client, other, back]);
    client.publish('still', 'and back');
    expect((await again.has(1))[0]?.payload).toBe('and back');
    await inbox.has(2);
    await cluster.settled([client, other, back]);
    expect([inbox.payloads, again.payloads]).toEqual([['there', 'and back'], ['and back']]);
  });

  it.each([...new Set(kinds)])(
    'connects a new %s that knows only one member to all members',
    async (kind) => {
      cluster = await Cluster.start(kinds);
      const { nodes } = cluster;
      const clients = await Promise.all(nodes.map((node) => (cluster as Cluster).connect(node)));
      const known = nodes[0] as Node;
      const newcomer = await cluster.add(kind, { routes: [known.url] });
      await newcomer.start();
      await cluster.complete();
      const four = [...clients, await cluster.connect(newcomer)];
      await Promise.all(four.map((client) => client.informed(isTold(nodes))));
      const inboxes = four.map((client) => client.subscribe('news'));
      await cluster.settled(four);
      for (const client of four) client.publish('news');
      await Promise.all(inboxes.map((inbox) => inbox.has(4)));
      await cluster.settled(four);
      expect(inboxes.map(({ messages }) => messages.length)).toEqual([4, 4, 4, 4]);

      // The other two stay connected without the new server and the one that it knew.
      const log = newcomer.process.log();
      await newcomer.stop();
      const host = kindHas(kind, 'route-log-names-host') ? ` (${new URL(known.url).host})` : '';
      expect(log).toContain(`Route connection created${host}\n`);
      await known.stop();
      const [, second, third] = clients as [never, (typeof four)[0], (typeof four)[0]];
      await Promise.all([second, third].map((client) => client.informed(isTold(nodes.slice(1, 3)))));
      await cluster.settled([second, third]);
    },
  );

  it('splits when the network is partitioned and reunites when it heals', async () => {
    cluster = await Cluster.make(kinds);
    const [first, second, third] = cluster.nodes as [Node, Node, Node];
    const through = async (node: Node) => {
      const proxy = await TcpProxy.to(node.routePort);
      proxies.push(proxy);
      return proxy;
    };
    // The third server dials through proxies, and advertises a proxy to the others.
    const outgoing = [await through(first), await through(second)];
    const incoming = await through(third);
    const routes = outgoing.map(({ port }) => `nats://localhost:${port}`);
    cluster.configure(third, { routes, inCluster: `advertise: "localhost:${incoming.port}"` });
    cluster.configure(first, { routes: [second.url] });
    cluster.configure(second, { routes: [first.url] });
    // Start the third server last: gossip would tell it about a later one, by an address without a proxy.
    await Promise.all([first.start(), second.start()]);
    await cluster.complete([first, second]);
    await third.start();
    await cluster.complete();
    const clients = await Promise.all(cluster.nodes.map((node) => (cluster as Cluster).connect(node)));
    const [one, two, three] = clients as [(typeof clients)[0], (typeof clients)[0], (typeof clients)[0]];
    const inboxes = clients.map((client) => client.subscribe('news'));
    await cluster.settled(clients);

    for (const proxy of proxies) proxy.cut();
    await Promise.all([one, two].map((client) => client.informed(isTold([first, second]))));
    await three.informed(isTold([third]));
    one.publish('news', 'of two');
    three.publish('news', 'of one');
    await Promise.all(inboxes.map((inbox) => inbox.has(1)));
    await cluster.settled([one, two]);
    expect(inboxes.map(({ payloads }) => payloads.join())).toEqual(['of two', 'of two', 'of one']);
    // Change subscriptions while the other side cannot learn about it.
    const late = three.subscribe('late');
    three.unsubscribe(inboxes[2] as never);
    await three.flush();

    for (const proxy of proxies) proxy.heal();
    await cluster.complete();
    await cluster.settled(clients);
    await Promise.all(clients.map((client) => client.informed(isTold(cluster?.nodes ?? []))));
    one.publish('late', 'x');
    one.publish('news', 'x');
    two.publish('news', 'y');
    await late.has(1);
    await Promise.all(inboxes.slice(0, 2).map((inbox) => inbox.has(3)));
    await cluster.settled(clients);
    expect([...inboxes, late].map(({ messages }) => messages.length)).toEqual([3, 3, 1, 1]);
  });

  it('no longer announces a server in lame duck mode to clients', async () => {
    cluster = await Cluster.start(kinds, {
      more: 'lame_duck_duration: "30s", lame_duck_grace_period: "20s"',
    });
    const [first, second, third] = cluster.nodes as [Node, Node, Node];
    const clients = await Promise.all([first, second].map((node) => (cluster as Cluster).connect(node)));
    const staying = await cluster.connect(third);
    await Promise.all(clients.map((client) => client.informed(isTold([first, second, third]))));
    third.process.lameDuck();
    await Promise.all(clients.map((client) => client.informed(isTold([first, second]))));
    await staying.informed(({ ldm }) => ldm === true);
    // Until that server stops, messages still pass in both directions.
    await cluster.settled([...clients, staying]);
    await third.kill();
  });
});
