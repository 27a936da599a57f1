// Handshakes during which certificates, keys or pins change.
import { renameSync, writeFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { expect, it } from 'vitest';
import type { CertificatePair } from '../../src/tls/block.ts';
import { type MadePair, TestAuthority } from '../harness/certificates.ts';
import { connectHalting } from '../support/halting.ts';
import { listenTls, type TlsListener } from '../support/tls-listener.ts';

const rounds = 25;
const ca = await TestAuthority.make('NATS CA');
const alice = await ca.leaf('alice');
const bob = await ca.leaf('bob');

class Client {
  readonly secure: TLSSocket;
  readonly #socket: Awaited<ReturnType<typeof connectHalting>>;
  /** The first data from the server, or `closed`. */
  readonly said: Promise<string>;

  private constructor(socket: Awaited<ReturnType<typeof connectHalting>>, { cert, key }: MadePair) {
    this.#socket = socket;
    this.secure = connect({ socket: socket.stream, ca: ca.pem, cert, key, servername: 'localhost' });
    this.said = new Promise((resolve) => {
      this.secure.once('data', (data) => resolve(String(data)));
      this.secure.once('close', () => resolve('closed')).on('error', () => {});
    });
  }

  /** Starts a handshake and stops before the client certificate is sent. */
  static async begin(port: number, pair: MadePair): Promise<Client> {
    const socket = await connectHalting(port);
    const client = new Client(socket, pair);
    await socket.halted;
    return client;
  }

  async goOn(): Promise<string> {
    this.#socket.goOn();
    return this.said;
  }

  get shown(): string | undefined {
    return this.secure.getPeerX509Certificate()?.serialNumber.toLowerCase();
  }

  end(): void {
    this.secure.destroy();
    this.#socket.end();
  }
}

function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

async function begin(listener: TlsListener, pairs: readonly MadePair[]): Promise<Client[]> {
  return Promise.all(pairs.map((pair) => Client.begin(listener.port, pair)));
}

it('completes each handshake with the whole pair that it started with, while the files are renamed one by one', async () => {
  let current = await ca.server();
  const listener = await listenTls({ pairs: [current], ca: ca.pem }, { verify: true, timeoutMs: 20_000 });
  const { source } = listener;
  const { certFile, keyFile } = source.block.pairs[0] as CertificatePair;
  for (let round = 0; round < rounds; round++) {
    const next = await ca.server();
    const before = await begin(listener, [alice, alice]);
    replace(certFile, next.cert);
    expect(await source.reload()).toBe(false);
    const between = await begin(listener, [alice, alice]);
    replace(keyFile, next.key);
    const meanwhile = begin(listener, [alice, alice]);
    expect(await source.reload()).toBe(true);
    const after = await begin(listener, [alice, alice]);
    const all = [...before, ...between, ...(await meanwhile), ...after];
    expect(await Promise.all(all.map((client) => client.goOn()))).toEqual(all.map(() => 'hello'));
    const old = current.certificate.serial;
    const { serial } = next.certificate;
    for (const client of [...before, ...between]) expect(client.shown).toBe(old);
    for (const client of await meanwhile) expect([old, serial]).toContain(client.shown);
    for (const client of after) expect(client.shown).toBe(serial);
    for (const client of all) client.end();
    current = next;
  }
  await listener.close();
}, 60_000);

it('applies a new list of authorities to new handshakes, and the old list to those in progress', async () => {
  const other = await TestAuthority.make('Other CA');
  const carol = await other.leaf('carol');
  const pair = await ca.server();
  const listener = await listenTls({ pairs: [pair], ca: ca.pem }, { verify: true, timeoutMs: 20_000 });
  const { source } = listener;
  for (let round = 0; round < rounds; round++) {
    const isBoth = round % 2 === 0;
    const before = await begin(listener, [alice, carol]);
    replace(source.block.caFile as string, isBoth ? ca.pem + other.pem : ca.pem);
    expect(await source.reload()).toBe(true);
    const after = await begin(listener, [alice, carol]);
    const all = [...before, ...after];
    const answers = isBoth ? ['hello', 'closed', 'hello', 'hello'] : ['hello', 'hello', 'hello', 'closed'];
    expect(await Promise.all(all.map((client) => client.goOn()))).toEqual(answers);
    for (const client of all) client.end();
  }
  await listener.close();
}, 60_000);

it('rejects only the clients whose pin was removed before their handshake was complete', async () => {
  const pair = await ca.server();
  const pins = [alice, bob].map(({ certificate }) => certificate.pin);
  const listener = await listenTls(
    { pairs: [pair], ca: ca.pem },
    { verify: true, timeoutMs: 20_000, pinnedCerts: new Set(pins) },
  );
  const { source } = listener;
  const pinOnly = async (...some: MadePair[]) => {
    const pinnedCerts = new Set(some.map(({ certificate }) => certificate.pin));
    await source.adopt(await source.prepare({ ...source.block, pinnedCerts }));
  };
  for (let round = 0; round < rounds; round++) {
    const clients = await begin(listener, [alice, bob, alice, bob]);
    await pinOnly(bob);
    const late = await begin(listener, [alice, bob]);
    const all = [...clients, ...late];
    const said = await Promise.all(all.map((client) => client.goOn()));
    expect(said).toEqual(['closed', 'hello', 'closed', 'hello', 'closed', 'hello']);
    for (const client of all) client.end();
    await pinOnly(alice, bob);
  }
  await listener.close();
}, 60_000);
