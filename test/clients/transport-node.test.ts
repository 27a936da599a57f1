// The NATS client for Node.js over mutual TLS, with the files of `natspki init`.
import {
  connect,
  headers,
  type Msg,
  type NatsConnection,
  type NodeConnectionOptions,
  NoRespondersError,
  type Subscription,
} from '@nats-io/transport-node';
import { afterEach, expect, it } from 'vitest';
import { onBothServers } from './installation.ts';

onBothServers('transport-node', (installation) => {
  const opened: NatsConnection[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((client) => client.close()));
  });

  async function open(options: NodeConnectionOptions = {}): Promise<NatsConnection> {
    const client = await connect({
      servers: `localhost:${installation.server.port}`,
      tls: installation.files,
      reconnect: false,
      ...options,
    });
    opened.push(client);
    return client;
  }

  it('publishes and subscribes in order', async () => {
    const [publisher, subscriber] = [await open(), await open()];
    const subscription = subscriber.subscribe('numbers.>', { max: 1000 });
    await subscriber.flush();
    for (let number = 0; number < 1000; number += 1) publisher.publish(`numbers.${number}`, String(number));
    const received = await collect(subscription);
    expect(received.map((message) => message.subject)).toEqual(
      Array.from({ length: 1000 }, (_, number) => `numbers.${number}`),
    );
    expect(received.map((message) => message.string()).join()).toBe([...Array(1000).keys()].join());
  });

  it('delivers a payload of the maximum size', async () => {
    const client = await open();
    const payload = new Uint8Array(client.info?.max_payload ?? 0).map((_, index) => index);
    const subscription = client.subscribe('large', { max: 1 });
    client.publish('large', payload);
    const [message] = await collect(subscription);
    expect(Buffer.from(message?.data ?? []).equals(payload)).toBe(true);
    expect(payload).toHaveLength(1048576);
  });

  it('requests and replies', async () => {
    const [requester, responder] = [await open(), await open()];
    answer(responder, 'upper', (text) => text.toUpperCase());
    await responder.flush();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, number) => requester.request('upper', `answer ${number}`)),
    );
    expect(answers.map((answer) => answer.string())).toEqual(
      Array.from({ length: 100 }, (_, number) => `ANSWER ${number}`),
    );
  });

  it('receives the replies of many responders to one request', async () => {
    const requester = await open();
    for (const responder of [await open(), await open(), await open()]) {
      answer(responder, 'who', () => 'me');
      await responder.flush();
    }
    const answers: string[] = [];
    const limits = { strategy: 'count', maxMessages: 3, maxWait: 5000 } as const;
    for await (const message of await requester.requestMany('who', '', limits))
      answers.push(message.string());
    expect(answers).toEqual(['me', 'me', 'me']);
  });

  it('delivers headers', async () => {
    const client = await open();
    const subscription = client.subscribe('headed', { max: 1 });
    const sent = headers();
    sent.append('Colour', 'red');
    sent.append('Colour', 'blue');
    sent.set('Place', 'žluť');
    client.publish('headed', 'body', { headers: sent });
    const [message] = await collect(subscription);
    expect(message?.headers?.values('Colour')).toEqual(['red', 'blue']);
    expect(message?.headers?.get('Place')).toBe('žluť');
    expect(message?.string()).toBe('body');
  });

  it('shares messages among the members of a queue group', async () => {
    const publisher = await open();
    const counts = [0, 0, 0];
    const members = await Promise.all(counts.map(() => open()));
    for (const [index, member] of members.entries()) {
      member.subscribe('work', {
        queue: 'workers',
        callback: () => {
          counts[index] = (counts[index] ?? 0) + 1;
        },
      });
      await member.flush();
    }
    for (let number = 0; number < 300; number += 1) publisher.publish('work');
    await publisher.flush();
    for (const member of members) await member.flush();
    expect(counts.reduce((total, count) => total + count)).toBe(300);
    expect(Math.min(...counts)).toBeGreaterThan(30);
  });

  it('delivers pending messages on drain, then closes', async () => {
    const [publisher, subscriber] = [await open(), await open()];
    const subscription = subscriber.subscribe('drained');
    await subscriber.flush();
    for (let number = 0; number < 500; number += 1) publisher.publish('drained', String(number));
    await publisher.flush();
    const received = collect(subscription);
    await subscriber.drain();
    expect((await received).map((message) => message.string())).toEqual([...Array(500).keys()].map(String));
    expect(subscriber.isClosed()).toBe(true);
  });

  it('fails at once when a request has no responders', async () => {
    const client = await open();
    const refusal = await client.request('nobody', '', { timeout: 10_000 }).catch((error: Error) => error);
    expect(refusal).toMatchObject({ cause: expect.any(NoRespondersError) });
  });

  it('receives no message after unsubscribing', async () => {
    const client = await open();
    const subscription = client.subscribe('once');
    client.publish('once', 'first');
    await client.flush();
    subscription.unsubscribe();
    client.publish('once', 'second');
    await client.flush();
    expect((await collect(subscription)).map((message) => message.string())).toEqual(['first']);
  });

  it('is rejected without a certificate', async () => {
    await expect(open({ tls: { caFile: installation.files.caFile } })).rejects.toThrow();
    await open(); // with a certificate it is accepted
  });

  it('reads tls_required and tls_verify from the INFO', async () => {
    const client = await open();
    expect(client.info).toMatchObject({ tls_required: true, tls_verify: true, headers: true });
  });

  it('reconnects to a restarted server and restores its subscriptions', async () => {
    const first = await installation.start();
    const client = await open({
      servers: `localhost:${first.port}`,
      reconnect: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      reconnectJitterTLS: 1,
    });
    const subscription = client.subscribe('after', { max: 1 });
    await client.flush();
    const [left, returned] = [happens(client, 'disconnect'), happens(client, 'reconnect')];
    await first.stop();
    await left;
    const second = await installation.start(first.port);
    try {
      await returned;
      client.publish('after', 'the break');
      expect((await collect(subscription)).map((message) => message.string())).toEqual(['the break']);
    } finally {
      await client.close();
      await second.stop();
    }
  });
});

function answer(client: NatsConnection, subject: string, make: (text: string) => string): void {
  client.subscribe(subject, {
    callback: (_, message) => {
      message.respond(make(message.string()));
    },
  });
}

async function collect(subscription: Subscription): Promise<Msg[]> {
  const received: Msg[] = [];
  for await (const message of subscription) received.push(message);
  return received;
}

async function happens(client: NatsConnection, type: string): Promise<void> {
  for await (const status of client.status()) if (status.type === type) return;
}
