// Route certificates that are renewed on all servers, one after the other, while every server talks to every other one.
// CLUSTER_ROTATIONS says how many times; it is a few unless told otherwise.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { Certificate } from '../../src/x509/certificate.ts';
import { type MadePair, TestAuthority } from '../support/certificates.ts';
import { askJson, monitorUrlOf } from '../support/monitoring.ts';
import type { Client, Inbox } from './client.ts';
import { Cluster, type Node } from './cluster.ts';
import { describeClusters } from './set-ups.ts';

const rotations = Number(process.env.CLUSTER_ROTATIONS ?? 3);
/** A message of each server every so many milliseconds. */
const everyMs = 2;

describeClusters('new route certificates', (kinds) => {
  let cluster: Cluster;
  let timer: NodeJS.Timeout | undefined;

  afterEach(async () => {
    clearInterval(timer);
    await cluster.stop();
  });

  /** Has each server's client tell all others a number more each time; gives what ends it and looks at what was heard. */
  async function talk(): Promise<() => Promise<number>> {
    const clients = await Promise.all(cluster.nodes.map((node) => cluster.connect(node)));
    const inboxes: Inbox[] = clients.map((client: Client) => client.subscribe('numbers.*'));
    await cluster.settled(clients);
    let said = 0;
    timer = setInterval(() => {
      for (const [from, client] of clients.entries()) client.publish(`numbers.${from}`, String(said));
      said++;
    }, everyMs);
    return async () => {
      clearInterval(timer);
      await cluster.settled(clients);
      const expected = Array.from({ length: said }, (_, number) => String(number));
      for (const inbox of inboxes) {
        await inbox.has(said * clients.length);
        for (const from of clients.keys()) {
          const heard = inbox.messages.filter(({ subject }) => subject === `numbers.${from}`);
          // Nothing lost, doubled or out of its order.
          expect(heard.map(({ payload }) => payload)).toEqual(expected);
        }
      }
      return said;
    };
  }

  /** Resolves when a server uses what lies in its folder. */
  async function taken(node: Node, change: () => void, logged: RegExp): Promise<void> {
    if (node.kind === 'broker') {
      const before = node.process.log().length;
      change();
      await expect
        .poll(() => node.process.log().slice(before), { interval: 5, timeout: 10_000 })
        .toMatch(logged);
      return;
    }
    const reloads = () => node.process.log().split('Reloaded server configuration').length;
    const before = reloads();
    change();
    node.process.reload();
    await expect.poll(reloads, { interval: 5, timeout: 10_000 }).toBeGreaterThan(before);
  }

  function renew(node: Node, pair: MadePair): Promise<void> {
    const give = () => cluster.giveRouteCertificate(node, pair);
    return taken(node, give, new RegExp(`cluster\\.tls serves .*${pair.certificate.serial}`));
  }

  /** The serial number of the certificate that the route port of a server shows. */
  async function shown({ routePort: port }: Node, { cert, key }: MadePair): Promise<string> {
    const socket = connect({ port, host: '127.0.0.1', cert, key, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    return new Certificate(raw).serial;
  }

  /** Every route of every server, by the number it has there. */
  async function routes(): Promise<string[]> {
    const all = await Promise.all(
      cluster.nodes.map(async ({ name, process }) => {
        const routez = await askJson(`${monitorUrlOf(process.log())}/routez`);
        return routez.routes.map(
          (route: Record<string, unknown>) => `${name} ${route.remote_id} ${route.rid}`,
        );
      }),
    );
    return all.flat();
  }

  it(
    `are taken ${rotations} times by all servers, one after the other, and nothing is lost`,
    async () => {
      cluster = await Cluster.start(kinds, { more: 'http: "127.0.0.1:-1"' });
      const finish = await talk();
      const before = await routes();
      expect(before.length).toBeGreaterThanOrEqual(6);
      let last: MadePair[] = [];
      for (let round = 0; round < rotations; round++) {
        last = [];
        for (const node of cluster.nodes) {
          const pair = await cluster.routeCertificate(node.name);
          await renew(node, pair);
          last.push(pair);
        }
      }
      expect(await finish()).toBeGreaterThan(10);
      expect(await routes()).toEqual(expect.arrayContaining(before));
      for (const [at, node] of cluster.nodes.entries()) {
        expect(await shown(node, last[0] as MadePair)).toBe(last[at]?.certificate.serial);
      }
      // And a server that comes now is one of them, with what the others have by now.
      const [first] = cluster.nodes as [Node];
      await first.kill();
      await first.start();
      await cluster.complete();
    },
    30_000 + rotations * 3_000,
  );

  it('of another authority are taken while both are trusted, and the old one is forgotten', async () => {
    cluster = await Cluster.start(kinds, { more: 'http: "127.0.0.1:-1"' });
    const { nodes } = cluster;
    const finish = await talk();
    const before = await routes();
    const next = await TestAuthority.make('Next CA');
    const trust = async (pem: string, wait: RegExp) => {
      for (const node of nodes)
        await taken(node, () => writeFileSync(join(node.folder, 'ca.pem'), pem), wait);
    };
    await trust(next.pem + cluster.authority.pem, /cluster\.tls serves /);
    for (const node of nodes) {
      await renew(node, await next.server(node.name, { purposes: ['serverAuth', 'clientAuth'] }));
    }
    await trust(next.pem, /cluster\.tls serves /);
    await finish();
    expect(await routes()).toEqual(expect.arrayContaining(before));
    const [first, ...others] = nodes as [Node, Node, Node];
    await first.kill();
    await first.start();
    await cluster.complete();
    // Who still has the old certificate is out.
    await first.stop();
    cluster.giveRouteCertificate(first, await cluster.routeCertificate('n1'));
    await first.start();
    await others[0].process.logged(/TLS route handshake error/);
  });
});
