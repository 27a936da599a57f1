// Compares what the broker and a real nats-server, two nodes of one cluster, report in monitoring about each other
// and themselves: every key with its JSON type, and the counters of the route between them.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { bundledBroker, natsServer, type ServerUnderTest } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { askJson, monitorUrlOf, typesOf } from '../support/monitoring.ts';
import { describePeer } from '../support/peers.ts';

const permissions = '{ import: ["a.>", "reply"], export: {allow: ["a.>", "reply"], deny: ["a.secret"]} }';
const configuration = (name: string, routes: string) => `
server_name: ${name}
no_system_account: true
http: "127.0.0.1:-1"
cluster { name: c, listen: "127.0.0.1:-1", permissions: ${permissions}, routes: [${routes}] }
`;

describePeer('nats-server', 'monitoring of a cluster, compared with nats-server', (bin) => {
  let mine: ServerUnderTest;
  let real: ServerUnderTest;
  const wires: Wire[] = [];

  async function connect({ port }: ServerUnderTest): Promise<Wire> {
    const wire = await Wire.open(port);
    wires.push(wire);
    wire.send('CONNECT {"verbose":false,"headers":true}\r\n');
    await wire.receives('');
    return wire;
  }

  const both = (path: string) =>
    Promise.all([mine, real].map((server) => askJson(`${monitorUrlOf(server.log())}${path}`)));

  beforeAll(async () => {
    real = await natsServer(bin)(configuration('real', ''));
    const listening = /Listening for route connections on \S+:(\d+)/;
    await real.logged(listening);
    const port = listening.exec(real.log())?.[1];
    mine = await bundledBroker(configuration('mine', `"nats://127.0.0.1:${port}"`));
    const [a, b] = [await connect(mine), await connect(real)];
    for (const [listener, speaker] of [
      [a, b],
      [b, a],
    ] as const) {
      listener.send('SUB a.b 1\r\nSUB a.q q 2\r\nSUB other 3\r\n');
      await listener.receives('');
      await vi.waitFor(
        async () => {
          speaker.send('PUB a.b 1\r\nx\r\n');
          await speaker.drain();
          expect(await listener.drain()).toContain('MSG a.b 1 1\r\nx\r\n');
        },
        { timeout: 8000, interval: 20 },
      );
    }
  });

  afterAll(async () => {
    for (const wire of wires) wire.end();
    await mine?.stop();
    await real?.stop();
  });

  describe.each(['/routez', '/routez?subs=1', '/routez?subs=detail', '/varz'])('%s', (path) => {
    it('has the same keys and types as nats-server', async () => {
      const relevant = (document: Record<string, unknown>) =>
        path === '/varz' ? { cluster: document.cluster, connect_urls: document.connect_urls } : document;
      const [a, b] = (await both(path)).map((document) => typesOf(relevant(document))) as [
        Map<string, string>,
        Map<string, string>,
      ];
      // Only one node is configured with a route URL.
      const own = ['cluster.urls', 'cluster.urls[]'];
      const different = [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key));
      expect(different.filter((key) => !own.includes(key))).toEqual([]);
    });
  });

  it('reports the same route from both ends', async () => {
    const steady = ['import', 'export', 'subscriptions', 'subscriptions_list_detail', 'compression'] as const;
    const [a, b] = await both('/routez?subs=detail');
    // Any of the three may carry the account.
    const busiest = (routes: Record<string, unknown>[]) =>
      routes.find(({ subscriptions }) => subscriptions !== 0);
    const pick = ({ routes }: { routes: Record<string, unknown>[] }) =>
      steady.map((key) => {
        const value = busiest(routes)?.[key];
        const list = (Array.isArray(value) ? value : []).map(({ cid, ...rest }) => ({ ...rest, msgs: 0 }));
        const order = (one: { sid: string }, other: { sid: string }) => (one.sid < other.sid ? -1 : 1);
        return [key, Array.isArray(value) ? list.sort(order) : value];
      });
    expect(pick(a)).toEqual(pick(b));
    expect(a).toMatchObject({ import: b.import, export: b.export, num_routes: 3 });
    expect(a.routes[0]).toMatchObject({ remote_name: 'real', did_solicit: true, is_configured: true });
    expect(b.routes[0]).toMatchObject({ remote_name: 'mine', did_solicit: false, is_configured: false });
    expect(busiest(a.routes)?.in_msgs).toBe(busiest(b.routes)?.out_msgs);
    expect(busiest(a.routes)?.out_bytes).toBe(busiest(b.routes)?.in_bytes);
  });

  it('reports the same routes, remotes, connect URLs and subscriptions, and counts routed messages', async () => {
    const [a, b] = await both('/varz');
    expect(a).toMatchObject({ routes: 3, remotes: 1, cluster: { name: 'c', addr: '127.0.0.1' } });
    expect(b).toMatchObject({ routes: 3, remotes: 1 });
    expect(new Set(a.connect_urls)).toEqual(new Set(b.connect_urls));
    expect(a.subscriptions).toBe(b.subscriptions);
    for (const { in_msgs, in_client_msgs } of [a, b]) expect(in_msgs).toBeGreaterThan(in_client_msgs);
  });
});
