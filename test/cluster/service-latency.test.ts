// Latency metrics of services with the requester, the responder and the subscriber of the results on different servers.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client, Inbox } from '../harness/client.ts';
import { Cluster } from './cluster.ts';
import { describeClusters } from './set-ups.ts';

const accounts = (latency: string) => `
  accounts {
    A { users: [ { user: a, password: p } ], exports: [ { service: "ask.*" ${latency} } ] }
    B { users: [ { user: b, password: p } ], imports: [ { service: { account: A, subject: "ask.*" }, share: true } ] }
  }
  no_auth_user: a
`;
const everywhere = ', latency: { subject: results, sampling: 100 }';

describeClusters('a latency metric in a cluster', (kinds) => {
  let cluster: Cluster;
  let services: Client[];
  let clients: Client[];
  let results: Inbox[];

  const connectAll = (user: string) =>
    Promise.all(
      cluster.nodes.map((node) => cluster.connect(node, { user, pass: 'p', name: `${user} ${node.name}` })),
    );

  beforeAll(async () => {
    cluster = await Cluster.start(kinds, { more: accounts(everywhere) });
    services = await connectAll('a');
    clients = await connectAll('b');
    results = services.map((reader) => reader.subscribe('results'));
    await cluster.settled(services);
    await cluster.settled(clients);
  });
  afterAll(() => cluster.stop());

  it('is published once for every request, wherever service, client and subscriber are', async () => {
    let told = 0;
    for (const [at, service] of services.entries()) {
      const asked = service.respond(`ask.s${at}`, () => 'ok');
      await cluster.settled(services);
      for (const [from, client] of clients.entries()) {
        expect((await client.request(`ask.s${at}`)).payload).toBe('ok');
        told += 1;
        const messages = await Promise.all(results.map((inbox) => inbox.has(told)));
        const [first, ...others] = messages.map((each) => String(each[told - 1]?.payload));
        expect(others).toEqual([first, first]);
        const result = JSON.parse(first ?? '');
        expect(result).toMatchObject({
          type: 'io.nats.server.metric.v1.service_latency',
          status: 200,
          requestor: { acc: 'B', user: 'b', name: `b n${from + 1}`, server: `n${from + 1}`, cluster: 'test' },
          responder: { acc: 'A', user: 'a', name: `a n${at + 1}`, server: `n${at + 1}`, cluster: 'test' },
        });
        const { service: took, system, total, requestor, responder } = result;
        const ways = total - requestor.rtt - responder.rtt;
        // The rest after the measured round-trip times is never negative.
        if (took > 0 && system > 0 && from !== at) expect(took + system).toBe(ways);
        else expect(total).toBeGreaterThanOrEqual(took);
      }
      service.unsubscribe(asked);
    }
    expect(results.map(({ messages }) => messages.length)).toEqual([told, told, told]);
  });

  it('names the responding member of a queue group on another server', async () => {
    const [first, second, third] = services as [Client, Client, Client];
    const before = results[2]?.messages.length ?? 0;
    for (const service of [first, second]) service.respond('ask.group', () => 'ok', 'workers');
    await cluster.settled([first, second, third]);
    for (let count = 0; count < 8; count++) await clients[2]?.request('ask.group');
    const all = (await results[2]?.has(before + 8))?.slice(before).map(({ payload }) => JSON.parse(payload));
    for (const { status, responder } of all ?? []) {
      expect(status).toBe(200);
      expect(['n1', 'n2']).toContain(responder.server);
    }
  });

  it('is no longer published after a reload has removed it on all servers', async () => {
    for (const node of cluster.nodes) {
      cluster.configure(node, { more: accounts('') });
      node.process.reload();
      await node.process.logged(/Reloaded server configuration/);
    }
    const [service] = services as [Client];
    const replies = service.respond('ask.last', ({ reply }) => String(reply));
    await cluster.settled(services);
    for (const client of clients)
      expect((await client.request('ask.last')).payload).toMatch(/^_R_\.\w{6}\.\w{6}$/);
    expect(replies.messages).toHaveLength(3);
  });
});
