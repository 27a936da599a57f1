// A traced message that crosses routes: each server publishes its own event, wherever the subscriber of the events is.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client, Inbox } from '../harness/client.ts';
import { Cluster } from './cluster.ts';
import { describeClusters } from './set-ups.ts';

const accounts = (allowed = ', allow_trace: true') => `
  accounts {
    A { users: [ { user: a, password: p } ], exports: [ { service: "ask.*"${allowed} } ] }
    B { users: [ { user: b, password: p } ], imports: [ { service: { account: A, subject: "ask.*" } } ] }
  }
  no_auth_user: a
`;
interface Event {
  readonly server: { readonly name: string };
  readonly request: { readonly header: object };
  readonly hops?: number;
  readonly events: readonly {
    readonly ts: string;
    readonly cid?: number;
    readonly hop?: string;
    readonly name?: string;
  }[];
}

const unsupported =
  'Message delivered but remote does not support message tracing so no trace event generated from there';

describeClusters('a traced message in a cluster', (kinds) => {
  let cluster: Cluster;
  let inA: Client[];
  let inB: Client[];
  let first: Client;
  /** Of the events in account B, on the last node. */
  let traces: Inbox;
  const tracing = kinds.filter((kind) => kind !== 'old').length;
  const last = tracing - 1;

  const connectAll = (user: string) =>
    Promise.all(cluster.nodes.map((node) => cluster.connect(node, { user, pass: 'p' })));

  beforeAll(async () => {
    cluster = await Cluster.make(kinds, { more: accounts() });
    // nats-server 2.9 does not know the option.
    for (const node of cluster.nodes)
      if (node.kind === 'old') cluster.configure(node, { more: accounts('') });
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.complete();
    inA = await connectAll('a');
    inB = await connectAll('b');
    first = inB[0] as Client;
    traces = (inB[last] as Client).subscribe('traces');
    for (const client of inA) client.subscribe('ask.x');
    for (const client of inB) client.subscribe('s');
    await cluster.settled(inA);
    await cluster.settled(inB);
  });
  afterAll(() => cluster.stop());

  /** Publishes on the first node; returns the events by the names of their servers. */
  async function trace(subject: string, more = ''): Promise<Map<string, Event>> {
    const before = traces.messages.length;
    const headers = `NATS/1.0\r\nNats-Trace-Dest: traces\r\n${more}\r\n`;
    first.publish(subject, 'x', { headers });
    const messages = (await traces.has(before + tracing)).slice(before);
    return new Map(
      messages.map(({ payload }) => {
        const event: Event = JSON.parse(payload);
        return [event.server.name, event];
      }),
    );
  }

  /** What the first server says of the way to the others. */
  const sent = kinds.slice(1).map((kind, index) => ({
    type: 'eg',
    kind: 1,
    name: `n${index + 2}`,
    ...(kind === 'old' ? { error: unsupported } : {}),
  }));
  const withoutPlace = (event: Event | undefined) =>
    (event?.events ?? []).map(({ ts: _ts, cid: _cid, hop: _hop, ...rest }) => rest);

  it('has an event of each server, with its place among them', async () => {
    const found = await trace('s');
    expect([...found.keys()].sort()).toEqual(kinds.flatMap((k, i) => (k === 'old' ? [] : `n${i + 1}`)));
    const { hops, events = [] } = found.get('n1') ?? {};
    expect(hops).toBe(2);
    const [ingress, ...rest] = withoutPlace(found.get('n1'));
    expect(ingress).toEqual({ type: 'in', kind: 0, acc: 'B', subj: 's' });
    expect(rest.slice(0, 1)).toEqual([{ type: 'eg', kind: 0, sub: 's' }]);
    expect(rest.slice(1)).toEqual(expect.arrayContaining(sent));
    expect(events.slice(2).map(({ hop }) => hop)).toEqual(['1', '2']);
    for (const [name, event] of [...found].filter(([each]) => each !== 'n1')) {
      const hop = events.find((each) => each.name === name)?.hop;
      expect(event.request.header).toEqual({ 'Nats-Trace-Dest': ['traces'], 'Nats-Trace-Hop': [hop] });
      expect(withoutPlace(event)).toEqual([
        { type: 'in', kind: 1, name: 'n1', acc: 'B', subj: 's' },
        { type: 'eg', kind: 0, sub: 's' },
      ]);
    }
  });

  it('has the events of a request to another account', async () => {
    const found = await trace('ask.x');
    expect(withoutPlace(found.get('n1')).slice(0, 3)).toEqual([
      { type: 'in', kind: 0, acc: 'B', subj: 'ask.x' },
      { type: 'si', acc: 'A', from: 'ask.x', to: 'ask.x' },
      { type: 'eg', kind: 0, acc: 'A', sub: 'ask.x' },
    ]);
    expect(withoutPlace(found.get(`n${last + 1}`))).toEqual([
      { type: 'in', kind: 1, name: 'n1', acc: 'A', subj: 'ask.x' },
      { type: 'eg', kind: 0, sub: 'ask.x' },
    ]);
  });

  it('is delivered on no server when it is only traced', async () => {
    const delivered = inB.map((client) => client.subscribe('only'));
    await cluster.settled(inB);
    const found = await trace('only', 'Nats-Trace-Only: true\r\n');
    const [, ...rest] = withoutPlace(found.get('n1'));
    expect(rest).toHaveLength(3);
    if (kinds.includes('old')) {
      const error = 'Not delivered because remote does not support message tracing';
      expect(rest).toContainEqual({ type: 'eg', kind: 1, name: 'n3', error });
    }
    await cluster.settled(inB);
    expect(delivered.flatMap(({ payloads }) => payloads)).toEqual([]);
  });
});
