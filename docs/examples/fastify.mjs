// A service with Fastify that asks NATS, and follows its client certificate: when `natspki rotate` or `natspki watch` has
// replaced the files, it reconnects with the new ones, and no request fails.
import { readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { connect } from '@nats-io/transport-node';
import fastify from 'fastify';

const { NATS_URL, NATS_CERT: certFile, NATS_KEY: keyFile, NATS_CA: caFile, PORT = '3000' } = process.env;
const connection = await connect({
  servers: NATS_URL.split(','),
  // Paths, not contents: each new connection reads them again.
  tls: { certFile, keyFile, caFile },
  maxReconnectAttempts: -1,
});

let inUse = readFileSync(certFile, 'utf8');
let settled;
// The folder, because files are replaced as a whole.
watch(dirname(certFile), () => {
  clearTimeout(settled);
  settled = setTimeout(async () => {
    const present = readFileSync(certFile, 'utf8');
    if (present === inUse) return;
    inUse = present;
    await connection.reconnect();
  }, 100);
});

const app = fastify();
app.get('/greet/:name', async ({ params }) => {
  // A request that is under way during a reconnect is repeated.
  for (let attempt = 1; ; attempt++) {
    try {
      return (await connection.request('greet', params.name, { timeout: 1000 })).string();
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
});
console.log(await app.listen({ port: Number(PORT), host: '127.0.0.1' }));
