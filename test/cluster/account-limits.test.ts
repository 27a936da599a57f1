// The connection limit of an account over all servers of a cluster.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Client } from '../harness/client.ts';
import { Cluster, type Node } from './cluster.ts';
import { describeClusters } from './set-ups.ts';

const accounts = `
  system_account: SYS
  accounts {
    SYS { users: [{ user: sys, password: p }] }
    A { users: [{ user: a, password: p }] }
    B { users: [{ user: b, password: p }], limits { max_connections: 3 } }
    C { users: [{ user: c, password: p }], limits { max_connections: 3 } }
    D { users: [{ user: d, password: p }], limits { max_connections: 3 } }
  }
  no_auth_user: a
`;

/** Servers tell each other about connections with a delay. */
const patience = { timeout: 15_000 };

describeClusters('the connection limit of an account in a cluster', (kinds) => {
  let cluster: Cluster;
  let watchers: Client[];

  beforeAll(async () => {
    cluster = await Cluster.start(kinds, { more: accounts });
    watchers = await Promise.all(
      cluster.nodes.map((node) => cluster.connect(node, { user: 'sys', pass: 'p' })),
    );
    await cluster.settled(watchers);
  });
  afterAll(() => cluster.stop());

  /** Runs `act` and resolves when every server knows these connection counts of an account, by server name. */
  async function counted(
    account: string,
    counts: Record<string, number>,
    act: () => Promise<unknown>,
  ): Promise<void> {
    const inboxes = watchers.map((watcher) => watcher.subscribe(`$SYS.ACCOUNT.${account}.SERVER.CONNS`));
    await cluster.settled(watchers);
    await act();
    for (const [index, inbox] of inboxes.entries()) {
      const last = () => {
        const all = inbox.messages.map(({ payload }) => JSON.parse(payload));
        return Object.keys(counts).map((name) => all.findLast(({ server }) => server.name === name)?.conns);
      };
      await expect.poll(last, patience).toEqual(Object.values(counts));
      watchers[index]?.unsubscribe(inbox);
    }
  }

  const connect = (node: Node | undefined, user: string) =>
    cluster.connect(node as Node, { user, pass: 'p' });

  /** Connects a client above the limit; resolves with the errors that it received before the server closed. */
  async function rejected(node: Node | undefined, user: string): Promise<string[]> {
    const client = await connect(node, user);
    await client.closed;
    return client.errors;
  }

  it('applies to the connections of all servers together, and admits new ones after others have closed', async () => {
    const [first, second, third] = cluster.nodes;
    const clients: Client[] = [];
    await counted('B', { n1: 2, n2: 1 }, async () => {
      for (const node of [first, first, second]) clients.push(await connect(node, 'b'));
    });
    for (const node of cluster.nodes) {
      expect(await rejected(node, 'b')).toEqual([
        expect.stringMatching(/maximum account active connections exceeded/),
      ]);
    }
    for (const client of clients) await client.flush();
    expect(clients.flatMap(({ errors }) => errors)).toEqual([]);
    await counted('B', { n1: 1 }, async () => clients.shift()?.close());
    await counted('B', { n3: 1 }, () => connect(third, 'b'));
    expect(await rejected(second, 'b')).toHaveLength(1);
  });

  it('admits new connections in place of those of a server that has stopped', async () => {
    const [first, , third] = cluster.nodes;
    expect(await rejected(first, 'b')).toHaveLength(1);
    await third?.stop();
    await expect
      .poll(async () => {
        const client = await connect(first, 'b');
        await client.flush();
        return client.errors;
      }, patience)
      .toEqual([]);
    await third?.start();
    await cluster.complete();
    watchers[2] = await cluster.connect(third as Node, { user: 'sys', pass: 'p' });
    await cluster.settled(watchers);
  });

  it('closes the connections above it that were opened at the same time', async () => {
    const clients = await Promise.all(
      cluster.nodes.flatMap((node) => [0, 1].map(() => Client.connect(node.port, { user: 'c', pass: 'p' }))),
    );
    const gone = new Set<Client>();
    for (const client of clients) void client.closed.then(() => gone.add(client));
    await expect.poll(() => clients.length - gone.size, patience).toBeLessThanOrEqual(3);
    for (const client of gone)
      expect(client.errors.join()).toMatch(/maximum account active connections exceeded/);
    for (const client of clients) client.close();
  });

  // A nats-server counts them until it has not heard from the killed server for minutes.
  if (kinds.every((kind) => kind === 'broker')) {
    it('admits new connections in place of those of a server that was killed', async () => {
      const [first, second] = cluster.nodes;
      await counted('D', { n1: 1, n2: 2 }, async () => {
        for (const node of [first, second, second]) await connect(node, 'd');
      });
      expect(await rejected(first, 'd')).toHaveLength(1);
      await second?.kill();
      await expect
        .poll(async () => {
          const client = await connect(first, 'd');
          await client.flush();
          return client.errors;
        }, patience)
        .toEqual([]);
    });
  }
});
