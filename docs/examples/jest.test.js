// jest, with `require`: a server that dies and comes back.
const { connect } = require('@nats-io/transport-node');
const { startTestNats } = require('natspki/testing');

let nats;
beforeAll(async () => {
  nats = await startTestNats();
});
afterAll(() => nats.stop());

test('reconnects to a restarted server', async () => {
  const client = await connect({ servers: nats.url, tls: nats.tls(), reconnectTimeWait: 10 });
  const received = client.subscribe('news', { max: 1 });
  await client.flush();
  await nats.restart();
  for await (const { type } of client.status()) if (type === 'reconnect') break;
  client.publish('news', 'it works');
  for await (const message of received) expect(message.string()).toBe('it works');
  await client.close();
});
