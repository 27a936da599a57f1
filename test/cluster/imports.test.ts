// Imports between accounts with clients on different servers of a cluster.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Client } from '../harness/client.ts';
import { Cluster } from './cluster.ts';
import { describeClusters, type Kind, kindHas } from './set-ups.ts';

const accounts = `accounts {
  A { users: [ { user: a, password: a } ], exports: [ { stream: "news.>" }, { service: "ask.*" }, { service: "count", response: stream } ] }
  B { users: [ { user: b, password: b } ], imports: [
    { stream: { account: A, subject: "news.>" }, prefix: in }
    { service: { account: A, subject: "ask.*" }, to: "my.*" }
    { service: { account: A, subject: "count" } }
  ] }
}
no_auth_user: a
`;

describeClusters('imports in a cluster', (kinds) => {
  let cluster: Cluster;
  let a: Client[];
  let b: Client[];

  beforeAll(async () => {
    cluster = await Cluster.start(kinds, { more: accounts });
    a = await Promise.all(cluster.nodes.map((node) => cluster.connect(node, { user: 'a', pass: 'a' })));
    b = await Promise.all(cluster.nodes.map((node) => cluster.connect(node, { user: 'b', pass: 'b' })));
  });
  afterAll(() => cluster.stop());

  it('deliver each message of a stream once to the clients of every server', async () => {
    const inboxes = b.map((client) => client.subscribe('in.news.x.*'));
    await Promise.all(b.map((client) => client.flush()));
    for (const [from, publisher] of a.entries()) {
      // Repeat until all interest has reached all servers.
      for (const inbox of inboxes) {
        while (!inbox.payloads.includes(`ready ${from}`)) {
          publisher.publish(`news.x.${from}`, `ready ${from}`);
          await Promise.all([publisher, ...b].map((client) => client.flush()));
        }
      }
    }
    for (const [from, publisher] of a.entries()) {
      for (let count = 0; count < 10; count++) publisher.publish(`news.x.${from}`, `${from}:${count}`);
      publisher.publish(`news.x.${from}`, `end ${from}`);
    }
    for (const inbox of inboxes) {
      await expect.poll(() => inbox.payloads.filter((text) => text.startsWith('end'))).toHaveLength(3);
      for (const from of [0, 1, 2]) {
        const heard = inbox.messages.filter(({ payload }) => payload.startsWith(`${from}:`));
        expect(heard.map(({ payload }) => payload)).toEqual(
          Array.from({ length: 10 }, (_, n) => `${from}:${n}`),
        );
        expect(new Set(heard.map(({ subject }) => subject))).toEqual(new Set([`in.news.x.${from}`]));
      }
    }
  });

  it('carry a request to a service on any server and its response back', async () => {
    for (const [at, service] of a.entries()) {
      const asked = service.respond(`ask.s${at}`, ({ payload }) => `${payload}!`);
      await service.flush();
      for (const client of b) {
        let answer = await client.request(`my.s${at}`, 'hello');
        while (answer.headers?.includes('503')) answer = await client.request(`my.s${at}`, 'hello');
        expect(answer.payload).toBe('hello!');
      }
      expect(asked.messages).toHaveLength(3);
      for (const { subject, headers } of asked.messages) {
        expect(subject).toBe(`ask.s${at}`);
        expect(headers).toMatch(/^NATS\/1\.0\r\nNats-Request-Info: \{"acc":"B"(,"rtt":\d+)?\}\r\n\r\n$/);
      }
    }
  });

  it('carry a stream of responses from another server until its end', async () => {
    const service = a[0] as Client;
    const client = b[1] as Client;
    const requests = service.subscribe('count');
    const answers = client.subscribe('_INBOX.count');
    await service.flush();
    for (;;) {
      client.publish('count', '', { reply: '_INBOX.count' });
      await client.flush();
      await service.flush();
      if (requests.messages.length > 0) break;
    }
    const [request] = await requests.has(1);
    for (const answer of ['1', '2', '3', '', '4']) service.publish(request?.reply ?? '', answer);
    await service.flush();
    await expect.poll(() => answers.payloads.filter((text) => text !== '')).toEqual(['1', '2', '3']);
  });

  it('answer 503 to a request if no server has a responder', async () => {
    for (const [index, client] of b.entries()) {
      if (!kindHas(kinds[index] as Kind, 'nobody-serves-an-import')) continue;
      const answer = await client.request('my.nobody');
      expect(answer.headers).toBe('NATS/1.0 503\r\nNats-Subject: my.nobody\r\n\r\n');
    }
  });
});
