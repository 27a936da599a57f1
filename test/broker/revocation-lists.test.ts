// Revocation lists of `--crl`: which peers they reject, and what a change of the files does to open connections.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import type { Certificate } from '../../src/x509/certificate.ts';
import { writePem } from '../../src/x509/pem.ts';
import { type MadePair, TestAuthority } from '../harness/certificates.ts';
import { type BrokerUnderTest, startInProcess } from '../harness/server.ts';
import { closed, connectLine } from '../harness/socket.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { monitorUrlOf } from '../support/monitoring.ts';
import { renameOver } from '../support/replace.ts';

const folder = testFolder('revocation-lists');
const at = (name: string) => join(folder, name);
const ca = await TestAuthority.make();
const below = await ca.intermediate('Below');
const [alice, bob, carol] = [await ca.leaf('alice'), await ca.leaf('bob'), await below.leaf('carol')];

for (const [name, pair] of Object.entries({ server: await ca.server() })) writePair(name, pair);
writeFileSync(at('ca.pem'), ca.pem);

function writePair(name: string, { cert, key }: MadePair): void {
  writeFileSync(at(`${name}.pem`), cert);
  writeFileSync(at(`${name}.key`), key);
}

const tlsBlock = (name: string) =>
  `tls { cert_file: "${at(`${name}.pem`)}", key_file: "${at(`${name}.key`)}", ca_file: "${at('ca.pem')}", verify: true }`;

async function list(revoked: readonly MadePair[], { by = ca, number = 1n, until = 1 } = {}): Promise<string> {
  const certificates = revoked.map(({ certificate }) => certificate as Certificate);
  return writePem('X509 CRL', await by.revocationList(certificates, number, until));
}

const servers: BrokerUnderTest[] = [];
const wires: Wire[] = [];
let files = 0;

afterEach(async () => {
  for (const wire of wires.splice(0)) wire.end();
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

/** Writes a list to a new file and starts a broker on it. */
async function start(content: string | Buffer, configuration = tlsBlock('server')) {
  const file = at(`list-${++files}.crl`);
  writeFileSync(file, content);
  const server = await startInProcess(configuration, { crl: [file] });
  servers.push(server);
  return { server, file };
}

/** Connects a client; resolves to its open connection, or undefined when it is rejected. */
async function open({ port }: BrokerUnderTest, { cert, key }: MadePair): Promise<Wire | undefined> {
  const wire = await Wire.open(port, { tls: { ca: ca.pem, cert, key, servername: 'localhost' } });
  wires.push(wire);
  wire.send(connectLine(), 'PING\r\n');
  const line = await wire.line().catch(() => '');
  return line === 'PONG' ? wire : undefined;
}

const accepted = async (server: BrokerUnderTest, ...pairs: MadePair[]) =>
  Promise.all(pairs.map(async (pair) => (await open(server, pair)) !== undefined));

it('rejects the client whose certificate is on a list, and no other', async () => {
  const { server } = await start(await list([bob]));
  expect(await accepted(server, alice, bob, carol)).toEqual([true, false, true]);
  await server.logged(
    /client certificate CN=bob \(serial \w+\) is revoked: serial \w+ \(CN=bob\) is on the list of Test CA/,
  );
});

it('reads DER, and several lists of one file', async () => {
  const der = await start(await ca.revocationList([bob.certificate]));
  expect(await accepted(der.server, alice, bob)).toEqual([true, false]);
  const both = await start((await list([bob])) + (await list([carol], { by: below })));
  expect(await accepted(both.server, alice, bob, carol)).toEqual([true, false, false]);
});

it('rejects the clients of an intermediate that is revoked', async () => {
  const { server } = await start(writePem('X509 CRL', await ca.revocationList([below.certificate])));
  expect(await accepted(server, alice, carol)).toEqual([true, false]);
  await server.logged(/client certificate CN=carol .* is revoked: serial \w+ \(CN=Below\) is on the list/);
});

it('disconnects a client when a changed list contains its certificate, and accepts it when it no longer does', async () => {
  const { server, file } = await start(await list([]));
  const [kept, gone] = [await open(server, alice), await open(server, bob)];
  renameOver({ [file]: await list([bob], { number: 2n }) });
  await gone?.closed();
  await server.logged(/Disconnect 1 clients with revoked certificates: CN=bob/);
  await kept?.receives('');
  expect(await accepted(server, alice, bob)).toEqual([true, false]);
  renameOver({ [file]: await list([]) });
  await server.logged(/the list in ".*" is older than the one before it \(number 1, before it 2\)/);
  expect(await accepted(server, bob)).toEqual([true]);
});

it('disconnects who looks at monitoring with a certificate that is revoked by now', async () => {
  const block = tlsBlock('server').replace('}', ', ocsp_peer: { verify: true, warn_only: true } }');
  const { server, file } = await start(await list([]), `https: "127.0.0.1:-1", ${block}`);
  const { port, host } = new URL(monitorUrlOf(server.log()));
  const looking = [alice, bob].map(({ cert, key }) =>
    connect({ ca: ca.pem, cert, key, port: Number(port), host: '127.0.0.1', servername: 'localhost' }),
  );
  for (const socket of looking) {
    socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1\.1 200 /);
  }
  const [kept, gone] = looking as [TLSSocket, TLSSocket];
  renameOver({ [file]: await list([bob], { number: 2n }) });
  await Promise.all([
    closed(gone),
    server.logged(/Disconnect 1 monitoring connections with revoked certificates: CN=bob/),
  ]);
  expect(kept.closed).toBe(false);
  kept.destroy();
});

it('keeps the lists in use while the file is damaged or missing', async () => {
  const { server, file } = await start(await list([bob]));
  renameOver({ [file]: 'no list' });
  await server.logged(/crl: ".*" is neither PEM nor DER .*; the lists read before stay in use/);
  expect(await accepted(server, alice, bob)).toEqual([true, false]);
  renameOver({ [file]: await list([alice], { number: 2n }) });
  await server.logged(/crl: the files are valid again/);
  expect(await accepted(server, alice, bob)).toEqual([false, true]);
});

it('obeys an expired list and logs an error', async () => {
  const { server } = await start(await list([bob], { until: -1 }));
  await server.logged(
    /crl: the list of CN=Test CA in ".*" expired at \S+: later revocations are unknown here/,
  );
  expect(await accepted(server, alice, bob)).toEqual([true, false]);
});

it('ignores a list that another key than that of the issuer has signed, and logs an error', async () => {
  const { server } = await start(await list([bob], { by: await TestAuthority.make() }));
  expect(await accepted(server, bob)).toEqual([true]);
  await server.logged(/crl: no list of CN=Test CA has the signature of the trusted key: none is used for it/);
});

it.each([
  ['a missing file', undefined, 'file-missing'],
  ['a certificate', ca.pem, 'wrong-material'],
  ['a damaged list', writePem('X509 CRL', Buffer.from('3003020101', 'hex')), 'damaged-revocation-list'],
])('does not start on %s', async (_what, content, code) => {
  const file = at(`bad-${++files}.crl`);
  if (content !== undefined) writeFileSync(file, content);
  await expect(startInProcess(tlsBlock('server'), { crl: [file] })).rejects.toMatchObject({ code });
});

it('rejects a route in either direction and closes it when a changed list contains its certificate', async () => {
  const both = { purposes: ['serverAuth', 'clientAuth'] as const, sans: ['dns:localhost'] };
  const [n1, n2] = [
    await ca.leaf('n1', { ...both, purposes: [...both.purposes] }),
    await ca.leaf('n2', { ...both, purposes: [...both.purposes] }),
  ];
  writePair('n1', n1);
  writePair('n2', n2);
  const cluster = (name: string, routes: string) =>
    `server_name: ${name}, cluster { name: x, listen: "127.0.0.1:-1", routes: [${routes}], ${tlsBlock(name)} }`;
  const url = ({ broker }: BrokerUnderTest) => `"nats://localhost:${new URL(broker.routeUrl ?? '').port}"`;
  // The first one obeys a list; the second one dials it, and the third one is dialled by it.
  const third = await start(await list([]), cluster('n2', ''));
  const first = await start(await list([n2]), cluster('n1', url(third.server)));
  await start(await list([]), cluster('n2', url(first.server)));
  await first.server.logged(/TLS route handshake error: server certificate CN=n2 .* is revoked/);
  await first.server.logged(/TLS route handshake error: client certificate CN=n2 .* is revoked/);
  renameOver({ [first.file]: await list([], { number: 2n }) });
  await first.server.logged(/Route connection created/);
  renameOver({ [first.file]: await list([n2], { number: 3n }) });
  await first.server.logged(/Disconnect \d routes with revoked certificates: CN=n2/);
}, 30_000);
