// Rotation of route certificates on all servers, one after the other, while messages pass between all of them.
// CLUSTER_ROTATIONS sets the number of rotations; by default a few.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { Certificate } from '../../src/x509/certificate.ts';
import { type MadePair, TestAuthority } from '../harness/certificates.ts';
import type { Client, Inbox } from '../harness/client.ts';
import { askJson, monitorUrlOf } from '../support/monitoring.ts';
import { Cluster, type Node } from './cluster.ts';
import { describeClusters } from './set-ups.ts';

const rotations = Number(process.env.CLUSTER_ROTATIONS ?? 3);
/** Milliseconds between two messages of each server. */
const intervalMs = 2;

describeClusters('new route certificates', (kinds) => {
  let cluster: Cluster;
  let timer: NodeJS.Timeout | undefined;

  afterEach(async () => {
    clearInterval(timer);
    await cluster.stop();
  });

  /**
   * Has a client of each server publish consecutive numbers to all others. Returns the function that stops it, checks
   * what was received and resolves with the number of messages per client.
   */
  async function exchange(): Promise<() => Promise<number>> {
    const clients = await Promise.all(cluster.nodes.map((node) => cluster.connect(node)));
    const inboxes: Inbox[] = clients.map((client: Client) => client.subscribe('numbers.*'));
    await cluster.settled(clients);
    let sent = 0;
    timer = setInterval(() => {
      for (const [from, client] of clients.entries()) client.publish(`numbers.${from}`, String(sent));
      sent++;
    }, intervalMs);
    return async () => {
      clearInterval(timer);
      await cluster.settled(clients);
      const expected = Array.from({ length: sent }, (_, number) => String(number));
      for (const inbox of inboxes) {
        await inbox.has(sent * clients.length);
        for (const from of clients.keys()) {
          const received = inbox.messages.filter(({ subject }) => subject === `numbers.${from}`);
          // No message is lost, duplicated or out of order.
          expect(received.map(({ payload }) => payload)).toEqual(expected);
        }
      }
      return sent;
    };
  }

  /** Runs `change` and resolves when the server has reloaded the files in its folder. */
  async function reloaded(node: Node, change: () => void, logged: RegExp): Promise<void> {
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
    return reloaded(node, give, new RegExp(`cluster\\.tls serves .*${pair.certificate.serial}`));
  }

  /** Returns the serial number of the certificate that the route port of a server serves. */
  async function servedSerial({ routePort: port }: Node, { cert, key }: MadePair): Promise<string> {
    const socket = connect({ port, host: '127.0.0.1', cert, key, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    return new Certificate(raw).serial;
  }

  /** Lists every route of every server with its id. */
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
    `are reloaded ${rotations} times by all servers, one after the other, without losing a message or a route`,
    async () => {
      cluster = await Cluster.start(kinds, { more: 'http: "127.0.0.1:-1"' });
      const finish = await exchange();
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
        expect(await servedSerial(node, last[0] as MadePair)).toBe(last[at]?.certificate.serial);
      }
      // A restarted server joins the others with the new certificates.
      const [first] = cluster.nodes as [Node];
      await first.kill();
      await first.start();
      await cluster.complete();
    },
    30_000 + rotations * 3_000,
  );

  it('of a new authority are reloaded while both are trusted, before the old one is removed', async () => {
    cluster = await Cluster.start(kinds, { more: 'http: "127.0.0.1:-1"' });
    const { nodes } = cluster;
    const finish = await exchange();
    const before = await routes();
    const next = await TestAuthority.make('Next CA');
    const trust = async (pem: string, wait: RegExp) => {
      for (const node of nodes)
        await reloaded(node, () => writeFileSync(join(node.folder, 'ca.pem'), pem), wait);
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
    // A server that still has a certificate of the old authority is rejected.
    await first.stop();
    cluster.giveRouteCertificate(first, await cluster.routeCertificate('n1'));
    await first.start();
    await others[0].process.logged(/TLS route handshake error/);
  });
});
