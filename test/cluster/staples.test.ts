// Routes with `ocsp`: each server proves that its certificate is good, with the answer that it staples. OpenSSL sends none as
// a client, so that a broker asks the responder about a server that dials it.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeAuthority, makeLeaf, type Pair } from '../harness/openssl.ts';
import { bundledBroker, natsServer, type ServerUnderTest, type StartServer } from '../harness/server.ts';
import { testFolder } from '../support/folder.ts';
import { OcspResponder } from '../support/ocsp-responder.ts';
import { describePeer } from '../support/peers.ts';

const folder = testFolder('staples');
const ca = makeAuthority(folder);
let responder: OcspResponder;
let nodes: readonly [Pair, Pair];
let unnamed: Pair;
const servers: ServerUnderTest[] = [];

beforeAll(async () => {
  responder = await OcspResponder.start({ ca });
  nodes = [
    makeLeaf(folder, 'n1', ca, { ocsp: responder.url('good') }),
    makeLeaf(folder, 'n2', ca, { ocsp: responder.url('delegate') }),
  ];
  unnamed = makeLeaf(folder, 'unnamed', ca);
}, 60_000);
afterAll(() => responder.stop());
beforeEach(() => responder.instead.clear());
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

async function run(
  start: StartServer,
  name: string,
  { cert, key }: Pair,
  { ocsp = 'always', routes = '' } = {},
): Promise<ServerUnderTest> {
  const server = await start(`
    server_name: ${name}
    ocsp { mode: ${ocsp} }
    ocsp_cache: false
    cluster { name: x, listen: "127.0.0.1:-1", routes: [${routes}]
              tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ca.cert}" } }`);
  servers.push(server);
  return server;
}

async function urlOf(server: ServerUnderTest): Promise<string> {
  const [, port] = await server.logged(/Listening for route connections on \S*:(\d+)/);
  return `"nats://localhost:${port}"`;
}

const connected =
  /Route connection created|Router connection created|Registering remote route|rid:\d+ - Route/;

describe('routes with stapling, between brokers', () => {
  it('connect servers whose certificates are good', async () => {
    const first = await run(bundledBroker, 'n1', nodes[0]);
    const second = await run(bundledBroker, 'n2', nodes[1], { routes: await urlOf(first) });
    await Promise.all([first.logged(connected), second.logged(connected)]);
    expect(first.log() + second.log()).not.toContain('handshake error');
  });

  it('are refused by the server that dials when the other one staples nothing', async () => {
    const first = await run(bundledBroker, 'n1', nodes[0], { ocsp: 'never' });
    const second = await run(bundledBroker, 'n2', nodes[1], { routes: await urlOf(first) });
    await second.logged(/server certificate CN=n1 .* is not known to be good: it has stapled no OCSP answer/);
  });

  it('are refused by the server that is dialled when the certificate is revoked, or names no responder', async () => {
    const first = await run(bundledBroker, 'n1', nodes[0]);
    responder.instead.set('delegate', 'revoked');
    await run(bundledBroker, 'n2', nodes[1], { ocsp: 'never', routes: await urlOf(first) });
    await run(bundledBroker, 'n3', unnamed, { ocsp: 'never', routes: await urlOf(first) });
    await first.logged(/client certificate CN=n2 .* is revoked: the OCSP responder answers revoked/);
    await first.logged(/client certificate CN=unnamed .* it names no OCSP responder, which "ocsp" requires/);
  });
});

describePeer('nats-server', 'routes with stapling, between a broker and a nats-server', (bin) => {
  it('connect when the nats-server dials', async () => {
    const first = await run(bundledBroker, 'n1', nodes[0]);
    const second = await run(natsServer(bin), 'n2', nodes[1], { routes: await urlOf(first) });
    await Promise.all([first.logged(/Route connection created/), second.logged(/Route connection created/)]);
    expect(first.log()).not.toContain('handshake error');
  });

  it('do not connect when only the broker dials, which cannot staple as a client', async () => {
    const first = await run(natsServer(bin), 'n1', nodes[0]);
    await run(bundledBroker, 'n2', nodes[1], { routes: await urlOf(first) });
    await first.logged(/Router peer missing OCSP Staple/i);
  });
});
