// OCSP stapling on both servers: what a client that asks for an answer gets in each mode, when a server does not start,
// and answers that outlive a restart.
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readCertificates } from '../../src/x509/certificate.ts';
import { readOcspAnswer } from '../../src/x509/ocsp-answer.ts';
import { makeAuthority, makeLeaf, type Pair } from '../harness/openssl.ts';
import { bundledBroker, natsServer, type ServerUnderTest, type StartServer } from '../harness/server.ts';
import { openSocket } from '../harness/socket.ts';
import { testFolder } from '../support/folder.ts';
import { OcspResponder } from '../support/ocsp-responder.ts';
import { describePeer } from '../support/peers.ts';

const folder = testFolder('ocsp-stapling');
const ca = makeAuthority(folder);
let responder: OcspResponder;
let plain: Pair;
let must: Pair;

beforeAll(async () => {
  responder = await OcspResponder.start({ ca });
  plain = makeLeaf(folder, 'plain', ca, { ocsp: responder.url('good') });
  must = makeLeaf(folder, 'must', ca, { ocsp: responder.url('good'), mustStaple: true });
}, 60_000);
afterAll(() => responder.stop());
beforeEach(() => {
  responder.asked.clear();
  responder.instead.clear();
});

function configuration({ cert, key }: Pair, ocsp: string): string {
  return `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ca.cert}" }\n${ocsp}`;
}

/** Connects as a client that asks for an answer; resolves to what the answer says. */
async function stapled({ port }: ServerUnderTest, { cert }: Pair): Promise<string> {
  const raw = await openSocket(port);
  await once(raw, 'data');
  const options: ConnectionOptions & { requestOCSP: boolean } = {
    socket: raw,
    ca: readFileSync(ca.cert),
    servername: 'localhost',
    requestOCSP: true,
  };
  const secure = connect(options);
  let answer: Buffer | undefined;
  secure.once('OCSPResponse', (bytes: Buffer | null) => {
    answer = bytes ?? undefined;
  });
  await once(secure, 'secureConnect');
  secure.destroy();
  if (!answer?.length) return 'nothing';
  const [leaf] = readCertificates(readFileSync(cert), cert);
  const [issuer] = readCertificates(readFileSync(ca.cert), ca.cert);
  return readOcspAnswer(answer, { serial: leaf.serial, issuer }, new Date()).status;
}

function suite(start: StartServer): void {
  const servers: ServerUnderTest[] = [];
  afterEach(() => Promise.all(servers.splice(0).map((server) => server.stop())));

  async function run(pair: () => Pair, ocsp: string): Promise<ServerUnderTest> {
    const server = await start(configuration(pair(), ocsp));
    servers.push(server);
    return server;
  }

  it.each([
    ['no option', '', 'nothing', 'good'],
    ['ocsp: true', 'ocsp: true', 'nothing', 'good'],
    ['ocsp: false', 'ocsp: false', 'nothing', 'nothing'],
    ['mode: auto', 'ocsp { mode: auto }', 'nothing', 'good'],
    ['mode: always', 'ocsp { mode: ALWAYS }', 'good', 'good'],
    ['mode: must', 'ocsp { mode: must }', 'nothing', 'good'],
    ['mode: never', 'ocsp { mode: never }', 'nothing', 'nothing'],
  ])(
    'staples for a certificate that does not demand it, and for one that does: %s',
    async (_name, ocsp, a, b) => {
      const [first, second] = [await run(() => plain, ocsp), await run(() => must, ocsp)];
      expect([await stapled(first, plain), await stapled(second, must)]).toEqual([a, b]);
    },
  );

  it.each([
    ['mode: always', 'ocsp { mode: always }', 'revoked', false],
    ['mode: always', 'ocsp { mode: always }', 'unknown', false],
    ['mode: must', 'ocsp { mode: must }', 'revoked', false],
    ['mode: auto', 'ocsp { mode: auto }', 'revoked', true],
    ['mode: auto', 'ocsp { mode: auto }', 'error', false],
    ['mode: always', 'ocsp { mode: always }', 'expired', false],
  ] as const)(
    'starts or not by what the responder answers: %s, %s',
    async (_name, ocsp, behaviour, starts) => {
      responder.instead.set('good', behaviour);
      const started = await run(() => must, ocsp).then(
        () => true,
        () => false,
      );
      expect(started).toBe(starts);
      if (starts) expect(await stapled(servers[0] as ServerUnderTest, must)).toBe(behaviour);
    },
  );

  it('asks the address of the option instead of that in the certificate', async () => {
    const server = await run(() => plain, `ocsp { mode: always, url: "${responder.url('delegate')}" }`);
    expect(await stapled(server, plain)).toBe('good');
    expect([...responder.asked.keys()]).toEqual(['delegate']);
  });

  it('saves the answer below store_dir, and starts with it while no responder answers', async () => {
    const store = join(folder, `store-${Math.random()}`);
    mkdirSync(store);
    const ocsp = `ocsp { mode: always }\nstore_dir: "${store}"`;
    await run(() => plain, ocsp);
    const { fingerprint } = readCertificates(readFileSync(plain.cert), 'plain')[0];
    expect(readdirSync(join(store, 'ocsp'))).toEqual([fingerprint]);
    responder.instead.set('good', 'error');
    const again = await run(() => plain, ocsp);
    expect(await stapled(again, plain)).toBe('good');
  });
}

describe('stapling by the broker', () => suite(bundledBroker));
describePeer('nats-server', 'stapling by nats-server', (bin) => suite(natsServer(bin)));
