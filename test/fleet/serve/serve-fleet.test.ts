// Two authorities on one folder that serve over NATS, beside a server that accepts only pinned keys.
import type { KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRenewalRequest } from '../../../src/fleet/messages/renewal-request.ts';
import { connectNats, type NatsConnection } from '../../../src/fleet/nats/connection.ts';
import { subjects } from '../../../src/fleet/nats/subjects.ts';
import { serveFleet } from '../../../src/fleet/serve/serve-fleet.ts';
import { LineLogger } from '../../../src/log.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { systemTime, type Timekeeper } from '../../../src/pki/rotate/rounds.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { type Certificate, readCertificates, toPem } from '../../../src/x509/certificate.ts';
import { decodePrivateKey, encodePrivateKey, generateKey } from '../../../src/x509/key.ts';
import { makeRequest } from '../../../src/x509/sign.ts';
import { Output } from '../../harness/output.ts';
import { bin, run } from '../../harness/process.ts';
import { type ServerProcess, startProcess } from '../../harness/server.ts';
import { testFolder } from '../../support/folder.ts';
import { describePeer } from '../../support/peers.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

describe('natspki broker', () => servesOver([process.execPath, bin, 'broker']));
describePeer('nats-server', 'nats-server', (program) => servesOver([program]));

const members = Array.from({ length: 12 }, (_, i) => `member-${i}`);

function servesOver(program: readonly string[]): void {
  const scratch = testFolder('serve-fleet');
  const configuration = join(scratch, 'nats.conf');
  const log = new Output();
  const logger = new LineLogger((line) => log.add(line), { timestamps: false });
  const stop = new AbortController();
  let directory: PkiDirectory;
  let server: ServerProcess;
  let serving: Promise<unknown>;
  let connection: NatsConnection;
  let servers: string[];

  beforeAll(async () => {
    directory = await madeDirectory(scratch);
    await issueCertificates({ directory, profile: 'client', names: ['authority', 'web-1', ...members] });
    const pins = ['authority', 'web-1', 'client'].map((name) => leafOf(directory, name).pin);
    const { certificateFile, keyFile } = directory.pair('server');
    writeFileSync(
      configuration,
      `listen: "127.0.0.1:-1"
tls { cert_file: "${certificateFile}", key_file: "${keyFile}", ca_file: "${directory.authorityFile}"
  verify: true, pinned_certs: [${pins.map((pin) => `"${pin}"`).join(', ')}] }
`,
    );
    server = await startProcess([...program, '-c', 'nats.conf'], scratch);
    servers = [`tls://localhost:${server.port}`];
    const { signal } = stop;
    const facts = { directory, nats: servers, pair: 'server', version: '1.2.3', logger, signal };
    const pinned = { configurations: [configuration], reload: [String(server.pid)] };
    serving = Promise.all([serveFleet({ ...facts, ...pinned }), serveFleet({ ...facts, ...pinned })]);
    await log.has(/(Answering over NATS.*\n[\s\S]*){2}/);
    connection = await connectNats({ servers, directory, pair: directory.pair('client'), name: 'member' });
  });
  afterAll(async () => {
    await connection?.close();
    stop.abort();
    await serving;
    await server?.stop();
  });

  async function renew(name: string): Promise<{ key: KeyObject; chain: Certificate[] }> {
    const file = directory.keyFile(name);
    const signer = {
      key: decodePrivateKey(await directory.read(file), file),
      chain: await directory.readChain(name),
    };
    const key = await generateKey('p256');
    const request = await makeRequest({ commonName: name, sans: [] }, key);
    const audience = (await directory.readBundle())[0].pin;
    const message = await makeRenewalRequest({ signer, request, audience, now: new Date() });
    const answer = await connection.request(subjects.renew, message, { timeout: 20_000 });
    const refusal = answer.headers?.get('Nats-Service-Error');
    if (refusal) throw new Error(`${refusal}\n${log.text}`);
    return { key, chain: readCertificates(Buffer.from(answer.json<{ chain: string }>().chain), name) };
  }

  it('makes the server accept a new key before the member gets its certificate', async () => {
    const { key, chain } = await renew('web-1');
    const host = new PkiDirectory(join(scratch, 'host'));
    mkdirSync(host.path);
    const pair = host.pair('web-1');
    writeFileSync(host.authorityFile, readFileSync(directory.authorityFile));
    writeFileSync(pair.certificateFile, toPem(chain));
    writeFileSync(pair.keyFile, await encodePrivateKey(key), { mode: 0o600 });
    const renewed = await connectNats({ servers, directory: host, pair, name: 'web-1' });
    await renewed.flush();
    await renewed.close();
    expect(readFileSync(configuration, 'utf8')).toContain(chain[0]?.pin);
    expect(log.text).toMatch(/Added 1 pin to .*nats\.conf\n.*Told process \d+ to reload/);
  });

  it('shares the requests of many members between the authorities, and records each certificate once', async () => {
    const renewed = await Promise.all(members.map(renew));
    const serials = renewed.map(({ chain }) => chain[0]?.serial);
    const { entries } = await directory.ledger.read();
    for (const [i, name] of members.entries()) {
      const own = entries.filter((entry) => entry.name === name && entry.member !== undefined);
      expect(own.map(({ serial }) => serial)).toEqual([serials[i]]);
    }
    expect(log.text.match(/Renewed "member-\d+" over nats/g)).toHaveLength(members.length);
  });
}

/** A clock beside that of the system, in milliseconds; moving it ends each pause. */
class TestTime implements Timekeeper {
  #passed: number;
  #wake = new AbortController();

  constructor(startMs: number) {
    this.#passed = startMs;
  }

  now = () => new Date(Date.now() + this.#passed);
  elapsed = () => performance.now() + this.#passed;
  sleep = (ms: number, signal: AbortSignal) =>
    systemTime.sleep(ms, AbortSignal.any([signal, this.#wake.signal]));

  pass(ms: number): void {
    this.#passed += ms;
    const woken = this.#wake;
    this.#wake = new AbortController();
    woken.abort();
  }
}

/** Asks for the authorities over EST; returns also the certificate of the server and the local port. */
function authorities(port: number, agent: Agent) {
  return new Promise<{ status: number | undefined; serial: string; socket: number | undefined }>(
    (resolve, reject) => {
      const options = { port, host: 'localhost', path: '/.well-known/est/cacerts', agent };
      get(options, (response) => {
        const socket = response.socket as TLSSocket;
        const { serialNumber } = socket.getPeerCertificate();
        const { localPort } = socket;
        const answer = { status: response.statusCode, serial: serialNumber.toLowerCase(), socket: localPort };
        response.resume().once('end', () => resolve(answer));
      }).once('error', reject);
    },
  );
}

describe('serveFleet', () => {
  const scratch = testFolder('serve-fleet-start');
  const log = new Output();
  const logger = new LineLogger((line) => log.add(line), { timestamps: false });

  it('issues the client pair of the authority, starts without the NATS server, and ends when it is told to', async () => {
    const directory = await madeDirectory(scratch);
    const stop = new AbortController();
    const serving = serveFleet({
      ...{ directory, pair: 'server', version: '1.2.3', logger, signal: stop.signal },
      ...{ nats: ['tls://127.0.0.1:1'], configurations: [], reload: [] },
    });
    await log.has(/cannot connect to NATS at 127\.0\.0\.1:1/);
    expect(leafOf(directory, 'authority').extendedKeyUsage).toEqual(['clientAuth']);
    stop.abort();
    await serving;
    expect(log.text).toMatch(/Stopped\n$/);
  });

  it('serves the revocation list that certificates name and makes it, and answers OCSP requests', async () => {
    const addresses = { ocsp: ['http://pki.test/ocsp'], crl: ['http://pki.test/ca.crl'] };
    const directory = await madeDirectory(scratch, { addresses });
    const stop = new AbortController();
    const output = new Output();
    const serving = serveFleet({
      ...{ directory, pair: 'server', version: '1.2.3', signal: stop.signal },
      ...{ nats: [], configurations: [], reload: [], http: { host: '127.0.0.1', port: 0 } },
      logger: new LineLogger((line) => output.add(line), { timestamps: false }),
    });
    const [, url] = await output.has(/Listening for HTTP on (\S+)/);
    await output.has(/Wrote revocation list \d+ of "Test authority" with 0 certificates/);
    // As a proxy passes it on.
    const list = await fetch(`${url}/ca.crl`, { headers: { Host: 'pki.test' } });
    expect([list.status, list.headers.get('content-type')]).toEqual([200, 'application/pkix-crl']);
    const ocsp = ['ocsp', '-issuer', directory.authorityFile, '-CAfile', directory.authorityFile];
    const asked = await run([
      ...['openssl', ...ocsp, '-serial', `0x${leafOf(directory, 'client').serial}`, '-url', `${url}/ocsp`],
    ]);
    expect(asked.stdout).toMatch(/: good\n/);
    stop.abort();
    await serving;
  });

  it('renews the pairs that it uses and serves the new one, without closing a connection', async () => {
    const lateMs = 300 * 24 * 60 * 60 * 1000;
    const time = new TestTime(-lateMs);
    const { now } = time;
    const directory = await madeDirectory(scratch, { now });
    await issueCertificates({ directory, profile: 'client', names: ['authority'], now });
    const before = ['server', 'authority', 'client'].map((name) => leafOf(directory, name).serial);
    const pinned = join(scratch, 'pinned.conf');
    const { pin } = leafOf(directory, 'authority');
    writeFileSync(pinned, `tls { verify: true, pinned_certs: ["${pin}"] }\n`);
    const stop = new AbortController();
    const output = new Output();
    const serving = serveFleet({
      ...{ directory, pair: 'server', version: '1.2.3', signal: stop.signal, time },
      ...{ nats: ['tls://127.0.0.1:1'], configurations: [pinned], reload: [] },
      listen: { host: '127.0.0.1', port: 0 },
      logger: new LineLogger((line) => output.add(line), { timestamps: false }),
    });
    const [, port] = await output.has(/Listening for EST on \S+:(\d+)/);
    await output.has(/the next renewal of "server" and "authority" is at/);
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(directory.authorityFile) });
    const first = await authorities(Number(port), agent);
    time.pass(lateMs);
    await output.has(/EST.*reloaded|Reloaded.*EST/i);
    const second = await authorities(Number(port), agent);
    expect(second).toEqual({ status: 200, serial: before[0], socket: first.socket });
    agent.destroy();
    const { serial } = await authorities(
      Number(port),
      new Agent({ ca: readFileSync(directory.authorityFile) }),
    );
    const after = ['server', 'authority', 'client'].map((name) => leafOf(directory, name).serial);
    expect(serial).toBe(after[0]);
    expect(after.map((each, i) => each === before[i])).toEqual([false, false, true]);
    expect(readFileSync(pinned, 'utf8')).toContain(leafOf(directory, 'authority').pin);
    stop.abort();
    await serving;
  });

  it('fails at the start for a configuration that cannot be read and a process that is no NATS server', async () => {
    const directory = await madeDirectory(scratch);
    const { signal } = new AbortController();
    const facts = { directory, pair: 'server', version: '1.2.3', logger, signal, nats: [] };
    const missing = { configurations: [join(scratch, 'none.conf')], reload: [] };
    await expect(serveFleet({ ...facts, ...missing })).rejects.toThrow(/none\.conf/);
    const wrong = { configurations: [], reload: [String(process.pid)] };
    await expect(serveFleet({ ...facts, ...wrong })).rejects.toMatchObject({ code: 'not-a-server' });
  });
});
