// vitest: one server for the tests of a file.
import { connect } from '@nats-io/transport-node';
import { startTestNats } from 'natspki/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

let nats;
beforeAll(async () => {
  nats = await startTestNats({ clients: ['greeter', 'alice'] });
});
afterAll(() => nats.stop());

const open = (name) => connect({ servers: nats.url, tls: nats.tls(name) });

it('answers a request', async () => {
  const [greeter, alice] = [await open('greeter'), await open('alice')];
  greeter.subscribe('greet', { callback: (_, request) => request.respond(`hello ${request.string()}`) });
  await greeter.flush();
  expect((await alice.request('greet', 'alice')).string()).toBe('hello alice');
  await Promise.all([greeter.close(), alice.close()]);
});

it('is locked out when its certificate is revoked', async () => {
  const alice = await open('alice');
  await nats.revoke('alice');
  await expect(alice.flush()).rejects.toThrow();
  await alice.close();
});
