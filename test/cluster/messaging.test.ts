// Messages between clients of different servers of a cluster: the same on nats-servers, on brokers and on both.
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Client } from '../harness/client.ts';
import { Cluster } from './cluster.ts';
import { describeClusters } from './set-ups.ts';

const accounts = `
  max_payload: 64KB
  accounts {
    A { users: [
      {user: a, password: a}
      {user: limited, password: l, permissions: {
        publish: ["open.>", "probe.>", "_INBOX.>"], subscribe: {deny: "closed.>"}
      }}
    ] }
    B { users: [{user: b, password: b}] }
  }
  no_auth_user: a
`;
const b = { user: 'b', pass: 'b' };
const limited = { user: 'limited', pass: 'l' };
const trace = 'NATS/1.0\r\nTrace: 1\r\nTrace: two words\r\n\r\n';

describeClusters('clients of a cluster', (kinds) => {
  let cluster: Cluster;
  const clients: Client[] = [];
  let subjects = 0;

  beforeAll(async () => {
    cluster = await Cluster.start(kinds, { more: accounts });
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.close();
  });
  afterAll(() => cluster.stop());

  /** Connects one client to each node. */
  async function everywhere(options: object = {}): Promise<[Client, Client, Client]> {
    const three = await Promise.all(cluster.nodes.map((node) => cluster.connect(node, options)));
    clients.push(...three);
    return three as [Client, Client, Client];
  }

  /** A subject that no other case uses. */
  const subject = () => `s${++subjects}`;

  it('receive the messages of every server once and in order', async () => {
    const three = await everywhere();
    const s = subject();
    const inboxes = three.map((client) => client.subscribe(`${s}.*`));
    await cluster.settled(three);
    for (let count = 0; count < 50; count++) {
      for (const [from, client] of three.entries()) client.publish(`${s}.${from}`, String(count));
    }
    const expected = Array.from({ length: 50 }, (_, count) => String(count));
    for (const inbox of inboxes) {
      await inbox.has(150);
      for (const from of [0, 1, 2]) {
        const heard = inbox.messages.filter((message) => message.subject === `${s}.${from}`);
        expect(heard.map(({ payload }) => payload)).toEqual(expected);
      }
    }
    await cluster.settled(three);
    expect(inboxes.map(({ messages }) => messages.length)).toEqual([150, 150, 150]);
  });

  it('receive nothing without a subscription, or after they have unsubscribed', async () => {
    const [first, second, third] = await everywhere();
    const s = subject();
    const [gone, stays] = [second.subscribe(s), third.subscribe(s)];
    await cluster.settled([first, second, third]);
    second.unsubscribe(gone);
    await second.flush();
    first.publish(`${s}.other`, 'x');
    first.publish(s, 'x');
    await stays.has(1);
    await cluster.settled([first, second, third]);
    expect(gone.messages).toEqual([]);
    expect(stays.payloads).toEqual(['x']);
  });

  it('receive a message once for each subscription that matches, with or without wildcards', async () => {
    const [first, second, third] = await everywhere();
    const s = subject();
    const patterns = [
      `${s}.a.b`,
      `${s}.*.b`,
      `${s}.a.*`,
      `${s}.>`,
      `*.a.b`,
      `${s}.*`,
      `${s}.a.b.c`,
      `${s}.b.>`,
    ];
    const inboxes = patterns.map((pattern) => second.subscribe(pattern));
    const twice = [third.subscribe(`${s}.a.b`), third.subscribe(`${s}.a.b`)];
    await cluster.settled([first, second, third]);
    first.publish(`${s}.a.b`, 'x');
    await Promise.all([...inboxes.slice(0, 5), ...twice].map((inbox) => inbox.has(1)));
    await cluster.settled([first, second, third]);
    expect(inboxes.map(({ messages }) => messages.length)).toEqual([1, 1, 1, 1, 1, 0, 0, 0]);
    expect(twice.map(({ messages }) => messages.length)).toEqual([1, 1]);
  });

  it('receive headers, reply subjects and payloads unchanged', async () => {
    const three = await everywhere();
    const s = subject();
    const large = 'ü'.repeat(32 * 1024);
    for (const speaker of three) {
      const [near, far] = three.filter((client) => client !== speaker) as [Client, Client];
      const inboxes = [near.subscribe(s), far.subscribe(s)];
      await cluster.settled(three);
      speaker.publish(s, 'both', { headers: trace, reply: 'answer.here' });
      speaker.publish(s, '', { headers: trace });
      speaker.publish(s, '', { reply: 'answer.here' });
      speaker.publish(s, large);
      for (const inbox of inboxes) {
        await inbox.has(4);
        expect(inbox.messages).toEqual([
          { subject: s, reply: 'answer.here', headers: trace, payload: 'both' },
          { subject: s, reply: undefined, headers: trace, payload: '' },
          { subject: s, reply: 'answer.here', headers: undefined, payload: '' },
          { subject: s, reply: undefined, headers: undefined, payload: large },
        ]);
      }
      near.unsubscribe(inboxes[0] as never);
      far.unsubscribe(inboxes[1] as never);
    }
  });

  it('are disconnected for a payload above max_payload, which is not delivered', async () => {
    const three = await everywhere();
    const s = subject();
    for (const [at, listener] of three.entries()) {
      const speaker = await cluster.connect(cluster.nodes[(at + 1) % 3] as never);
      const inbox = listener.subscribe(s);
      await cluster.settled([listener, speaker]);
      expect(speaker.info.max_payload).toBe(64 * 1024);
      speaker.publish(s, 'x'.repeat(64 * 1024));
      // Do not send the payload: unread bytes would turn the close into a reset, which loses the answer.
      speaker.send(`PUB ${s} ${64 * 1024 + 1}\r\n`);
      await speaker.closed;
      expect(speaker.errors).toEqual(["-ERR 'Maximum Payload Violation'"]);
      await inbox.has(1);
      expect(inbox.messages).toHaveLength(1);
    }
  });

  it('receive responses from responders on any server', async () => {
    const three = await everywhere();
    const s = subject();
    for (const [at, client] of three.entries()) {
      client.respond(`${s}.${at}`, ({ payload }) => `${at} heard ${payload}`);
    }
    await cluster.settled(three);
    for (const [from, client] of three.entries()) {
      for (const to of [0, 1, 2]) {
        expect((await client.request(`${s}.${to}`, `${from}`)).payload).toBe(`${to} heard ${from}`);
      }
    }
  });

  it('receive 503 for a request if no server has a responder', async () => {
    const three = await everywhere();
    const s = subject();
    const service = three[2].respond(s, () => 'here');
    await cluster.settled(three);
    for (const client of three) {
      const answer = await client.request(`${s}.none`);
      expect(answer.headers).toMatch(/^NATS\/1\.0 503/);
      expect((await client.request(s)).payload).toBe('here');
    }
    three[2].unsubscribe(service);
    await cluster.settled(three);
    for (const client of three) expect((await client.request(s)).headers).toMatch(/^NATS\/1\.0 503/);
  });

  it('receive each message once per queue group, evenly distributed over its members', async () => {
    const three = await everywhere();
    const s = subject();
    const members = [0, 1, 1, 2, 2, 2].map((at) => (three[at] as Client).subscribe(s, 'workers'));
    const other = three[1].subscribe(s, 'others');
    const plain = three[2].subscribe(s);
    await cluster.settled(three);
    const total = 300;
    for (const speaker of three) {
      for (let count = 0; count < total; count++) speaker.publish(s, String(count));
      await speaker.flush();
    }
    await Promise.all([plain.has(3 * total), other.has(3 * total)]);
    await cluster.settled(three);
    const shares = members.map(({ messages }) => messages.length);
    expect(shares.reduce((sum, share) => sum + share)).toBe(3 * total);
    // All members have the same weight on every server: each receives 150 on average, and fewer than 80 once in 10^9
    // runs.
    expect(Math.min(...shares)).toBeGreaterThan(80);
    expect([plain.messages.length, other.messages.length]).toEqual([3 * total, 3 * total]);
  });

  it('leave their queue group when they disconnect', async () => {
    const three = await everywhere();
    const [first] = three;
    const s = subject();
    const leaver = await cluster.connect(cluster.nodes[1] as never);
    leaver.subscribe(s, 'workers');
    const stays = three[2].subscribe(s, 'workers');
    await cluster.settled([...three, leaver]);
    leaver.close();
    // The server withdraws the interest in order, before it sends a later message of another of its clients.
    await expect
      .poll(async () => {
        const count = stays.messages.length;
        for (let tries = 0; tries < 20; tries++) first.publish(s);
        await cluster.settled(three);
        return stays.messages.length - count;
      })
      .toBe(20);
  });

  it('receive nothing from other accounts', async () => {
    const inA = await everywhere();
    const inB = await everywhere(b);
    const s = subject();
    const inboxes = [...inA, ...inB].map((client) => client.subscribe(s));
    await Promise.all([cluster.settled(inA), cluster.settled(inB)]);
    inA[0].publish(s, 'A');
    inB[1].publish(s, 'B');
    await Promise.all(inboxes.map((inbox) => inbox.has(1)));
    await Promise.all([cluster.settled(inA), cluster.settled(inB)]);
    expect(inboxes.map(({ payloads }) => payloads.join())).toEqual(['A', 'A', 'A', 'B', 'B', 'B']);
    inA[2].respond(`${s}.service`, () => 'of A');
    await cluster.settled(inA);
    expect((await inB[0].request(`${s}.service`)).headers).toMatch(/^NATS\/1\.0 503/);
    expect((await inA[0].request(`${s}.service`)).payload).toBe('of A');
  });

  it('are restricted by their permissions on every server', async () => {
    const three = await everywhere();
    const restricted = await everywhere(limited);
    const all = three.map((client) => client.subscribe('>'));
    const closed = restricted.map((client) => client.subscribe('closed.x'));
    const open = restricted.map((client) => client.subscribe('open.x'));
    await cluster.settled(three);
    await cluster.settled(restricted);
    for (const client of restricted) {
      client.publish('secret.x', 'x');
      client.publish('open.y', 'x');
    }
    three[0].publish('closed.x', 'x');
    three[0].publish('open.x', 'x');
    await Promise.all(open.map((inbox) => inbox.has(1)));
    await cluster.settled([...three, ...restricted]);
    expect(closed.map(({ messages }) => messages.length)).toEqual([0, 0, 0]);
    for (const inbox of all) {
      const heard = inbox.messages
        .map((message) => message.subject)
        .filter((name) => !/^(probe|_INBOX)\./.test(name));
      expect(heard.sort()).toEqual(['closed.x', 'open.x', 'open.y', 'open.y', 'open.y']);
    }
    for (const client of restricted) {
      expect(client.errors).toEqual([
        expect.stringMatching(/^-ERR 'Permissions Violation for Subscription to "closed.x"/),
        expect.stringMatching(/^-ERR 'Permissions Violation for Publish to "secret.x"/),
      ]);
    }
  });

  it('receive the URLs of all servers in INFO', async () => {
    const urls = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).sort();
    for (const client of await everywhere()) {
      await client.informed(
        ({ connect_urls: told = [] }) => (told as string[]).sort().join() === urls.join(),
      );
      expect(client.info.cluster).toBe('test');
    }
  });
});
