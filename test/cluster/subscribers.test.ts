// Requests for the number of subscribers of a subject in a whole cluster, sent to any of its servers.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '../harness/client.ts';
import { Cluster } from './cluster.ts';
import { describeClusters } from './set-ups.ts';

const accounts = `
  system_account: SYS
  accounts {
    SYS { users: [{ user: sys, password: p }], exports: [{ service: "$SYS.DEBUG.SUBSCRIBERS" }] }
    A {
      users: [{ user: a, password: p }]
      imports: [{ service: { account: SYS, subject: "$SYS.DEBUG.SUBSCRIBERS" }, to: "how.many" }]
    }
  }
  no_auth_user: a
`;

describeClusters('the subscriber count of a cluster', (kinds) => {
  let cluster: Cluster;
  let clients: Client[];

  beforeAll(async () => {
    cluster = await Cluster.start(kinds, { more: accounts });
    clients = await Promise.all(cluster.nodes.map((node) => cluster.connect(node)));
  });
  afterAll(() => cluster.stop());

  it('totals the subscribers of all servers, whichever server receives the request', async () => {
    for (const [index, client] of clients.entries()) {
      for (let count = 0; count <= index; count++) client.subscribe('x.one');
      client.subscribe('x.one', 'workers');
      client.subscribe(`x.only.${index}`);
    }
    await cluster.settled(clients);
    for (const [index, client] of clients.entries()) {
      for (const [body, expected] of [
        ['x.one', '9'],
        ['x.one workers', '3'],
        [`x.only.${(index + 1) % 3}`, '1'],
        ['x.>', '12'],
        ['y', '0'],
      ]) {
        // A nats-server waits only for servers that have reported clients.
        await expect
          .poll(async () => (await client.request('how.many', body)).payload, { timeout: 15_000 })
          .toBe(expected);
      }
    }
  });

  it('counts in the account that the request names, on each server that answers', async () => {
    const [first] = cluster.nodes;
    if (first === undefined) throw new Error('no cluster');
    const [sys, watcher] = [
      await cluster.connect(first, { user: 'sys', pass: 'p' }),
      await cluster.connect(first, { user: 'sys', pass: 'p' }),
    ];
    const answers = sys.subscribe('answers');
    await cluster.settled(clients);
    sys.publish('$SYS.REQ.ACCOUNT.NSUBS', '{"acc":"A","subject":"x.one"}', { reply: 'answers' });
    const all = await answers.has(3);
    expect(all.map(({ payload }) => payload).sort()).toEqual(['2', '3', '4']);
    expect((await watcher.request('$SYS.DEBUG.SUBSCRIBERS', 'answers')).payload).toBe('1');
  });
});
