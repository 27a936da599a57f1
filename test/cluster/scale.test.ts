// Many subscriptions that servers announce to each other and drop again. CLUSTER_SUBSCRIPTIONS sets their number; a
// large system has 200,000.
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Client } from '../harness/client.ts';
import { Cluster, type Node } from './cluster.ts';
import { describeClusters } from './set-ups.ts';

const total = Number(process.env.CLUSTER_SUBSCRIPTIONS ?? 50_000);
/** One in this many subjects receives a message. */
const every = 100;

describeClusters(`${total} subscriptions`, (kinds) => {
  it('become known to every server, including one that joins later, and are dropped when they end', async () => {
    const cluster = await Cluster.start(kinds);
    try {
      const [first, second, third] = cluster.nodes as [Node, Node, Node];
      const [listener, near] = [await cluster.connect(first), await cluster.connect(second)];
      let heard = 0;
      const subjects = Array.from({ length: total }, (_, index) => `many.${index % 500}.${index}`);
      const inbox = listener.subscribeAll(subjects);
      await listener.flush();
      await cluster.settled([listener, near]);
      // A server that was not running when they were announced.
      await third.kill();
      await third.start();
      const far = await cluster.connect(third);
      await cluster.settled([listener, near, far]);
      for (const client of [near, far]) {
        const wanted = subjects.filter((_, index) => index % every === 0);
        for (const subject of wanted) client.publish(subject);
        heard += wanted.length;
        await inbox.has(heard);
        const last = inbox.messages.slice(-wanted.length).map(({ subject }) => subject);
        expect(last).toEqual(wanted);
      }
      expect((await far.request('many.none')).headers).toMatch(/^NATS\/1\.0 503/);
      listener.close();
      // Before a server learns that the interest has ended, it sends a request that no responder receives.
      const isKnown = async (client: Client) => {
        const answer = client.request(subjects.at(-1) as string).catch(() => undefined);
        return (await Promise.race([answer, delay(100)]))?.headers === undefined;
      };
      for (const client of [near, far]) {
        await expect.poll(() => isKnown(client), { timeout: 10_000 }).toBe(false);
      }
    } finally {
      await cluster.stop();
    }
  });
});
