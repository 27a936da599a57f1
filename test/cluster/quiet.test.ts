// What a cluster of several kinds of servers logs while it forms: nothing that an operator would take for a problem.
import { expect, it, onTestFinished } from 'vitest';
import { askJson, monitorUrlOf } from '../support/monitoring.ts';
import { Cluster } from './cluster.ts';
import { describeClusters, type Kind } from './set-ups.ts';

const pinned = `
  http: "127.0.0.1:-1"
  accounts { A { users: [ { user: a, password: p } ] }, B { users: [ { user: b, password: p } ] } }
  no_auth_user: b
`;

/** How many routes a broker keeps to a server: a pool of three, and one each for the system account and account A. */
const routesTo: Readonly<Record<Kind, number>> = { broker: 1, old: 1, 'nats-server': 5 };

describeClusters('a cluster that has formed', (kinds) => {
  it('has the routes that each server wants, and no server has logged an error', async () => {
    const cluster = await Cluster.make(kinds, {
      more: pinned,
      inCluster: 'accounts: [A], compression: accept',
    });
    onTestFinished(() => cluster.stop());
    for (const node of cluster.nodes) if (node.kind === 'old') cluster.configure(node, { more: pinned });
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.complete();
    const brokers = cluster.nodes.filter(({ kind }) => kind === 'broker');
    for (const broker of brokers) {
      const others = cluster.nodes.filter((node) => node !== broker);
      const expected = others.reduce((sum, { kind }) => sum + routesTo[kind], 0);
      const url = `${monitorUrlOf(broker.process.log())}/routez`;
      await expect.poll(async () => (await askJson(url)).num_routes, { timeout: 10_000 }).toBe(expected);
    }
    // A nats-server and one of version 2.9 report errors about each other.
    const judged = kinds.includes('old') ? brokers : cluster.nodes;
    const errors = judged.flatMap((node) => node.process.log().match(/.*\[ERR\].*/g) ?? []);
    expect(errors.filter((line) => !line.includes('Error trying to connect to route'))).toEqual([]);
  });
});
