// node:test: a cluster whose certificates change while messages flow.
import { equal } from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect } from '@nats-io/transport-node';
import { startTestNats } from 'natspki/testing';

let nats;
before(async () => {
  nats = await startTestNats({ servers: 3 });
});
after(() => nats.stop());

test('delivers between servers, before and after a rotation', async () => {
  const [publisher, subscriber] = await Promise.all(
    [nats.urls[0], nats.urls[2]].map((servers) => connect({ servers, tls: nats.tls() })),
  );
  subscriber.subscribe('add', { callback: (_, request) => request.respond(`${request.json() + 1}`) });
  await subscriber.flush();
  const ask = async (number) => (await publisher.request('add', JSON.stringify(number))).json();
  // A subscription takes a moment to reach the other servers of a cluster.
  while ((await ask(0).catch(() => undefined)) === undefined);
  equal(await ask(1), 2);
  await nats.rotate();
  equal(await ask(2), 3);
  await Promise.all([publisher.close(), subscriber.close()]);
});
