// The NATS service of an authority, on the bundled broker and on nats-server, with the permissions that natspki prints.
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FleetAuthority } from '../../../src/fleet/authority/authority.ts';
import { invite } from '../../../src/fleet/authority/invite.ts';
import { makeRenewalRequest } from '../../../src/fleet/messages/renewal-request.ts';
import { verifyTrustStatement } from '../../../src/fleet/messages/trust-statement.ts';
import { connectNats, type Msg, type NatsConnection } from '../../../src/fleet/nats/connection.ts';
import { serveOverNats } from '../../../src/fleet/nats/serve.ts';
import { permissionBlocks, subjects } from '../../../src/fleet/nats/subjects.ts';
import { decodeToken } from '../../../src/fleet/token.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { type Certificate, readCertificates } from '../../../src/x509/certificate.ts';
import { decodePrivateKey, generateKey } from '../../../src/x509/key.ts';
import { makeRequest } from '../../../src/x509/sign.ts';
import { Output } from '../../harness/output.ts';
import { run } from '../../harness/process.ts';
import { bundledBroker, natsServer, type ServerUnderTest, type StartServer } from '../../harness/server.ts';
import { testFolder } from '../../support/folder.ts';
import { describePeer, findNatsCli } from '../../support/peers.ts';
import { madeDirectory } from '../../support/pki.ts';

describe('the bundled broker', () => runsTheService(bundledBroker));
describePeer('nats-server', 'nats-server', (bin) => runsTheService(natsServer(bin)));

interface Holder {
  readonly key: KeyObject;
  readonly chain: readonly [Certificate, ...Certificate[]];
}

function runsTheService(start: StartServer): void {
  const scratch = testFolder('nats-service');
  const log = new Output();
  const line = (level: string) => (text: string) => log.add(`${level} ${text}\n`);
  const logger = { info: line('INF'), warn: line('WRN'), error: line('ERR') };
  const stop = new AbortController();
  let directory: PkiDirectory;
  let authority: FleetAuthority;
  let server: ServerUnderTest;
  let serving: Promise<unknown>;
  let member: NatsConnection;
  const now = new Date();

  beforeAll(async () => {
    directory = await madeDirectory(scratch);
    await issueCertificates({ directory, profile: 'client', names: ['authority', 'web-1'] });
    authority = await FleetAuthority.open({ directory, logger, now: () => now });
    const { certificateFile, keyFile } = directory.pair('server');
    const users = permissionBlocks()
      .replace('MEMBER', 'web-1')
      .replace('users: [', 'users: [ { user: "client" }');
    server = await start(`${users}
tls { cert_file: "${certificateFile}", key_file: "${keyFile}", ca_file: "${directory.authorityFile}"
  verify_and_map: true }
`);
    const servers = [`tls://localhost:${server.port}`];
    const facts = { authority, servers, logger, version: '1.2.3', pauseMs: 10, now: () => now };
    serving = serveOverNats({ ...facts, signal: stop.signal });
    await log.has(/Answering over NATS/);
    member = await connectNats({ servers, directory, pair: directory.pair('web-1'), name: 'member' });
  });
  afterAll(async () => {
    await member?.close();
    stop.abort();
    await serving;
    await server?.stop();
  });

  const send = (subject: string, data: string | Uint8Array = ''): Promise<Msg> =>
    member.request(subject, data, { timeout: 5000 });
  const refusal = (answer: Msg) => {
    const header = (name: string) => answer.headers?.get(name);
    return { status: header('Nats-Service-Error-Code'), ...(answer.json() as { code: string }) };
  };
  async function enrolled(name: string): Promise<Holder> {
    const { token } = await invite({ directory, name, profile: 'client', urls: ['https://localhost:1'] });
    const key = await generateKey('p256');
    const request = await makeRequest({ commonName: name, sans: [] }, key);
    const decision = await authority.enroll({ ...decodeToken(token), request, peer: 'test' });
    if (!decision.granted) throw new Error(decision.reason);
    return { key, chain: readCertificates(Buffer.from(decision.chain), 'chain') };
  }
  const newRequest = async (key: KeyObject) => makeRequest({ commonName: 'anything', sans: [] }, key);
  const ask = async (signer: Holder, request: Buffer, more: { audience?: string; now?: Date } = {}) =>
    makeRenewalRequest({ signer, request, audience: authority.pin, now: new Date(), ...more });

  it('renews over the connection of another user, with a statement that the member can verify', async () => {
    const holder = await enrolled('db-1');
    const key = await generateKey('p256');
    const answer = (await send(subjects.renew, await ask(holder, await newRequest(key)))).json() as {
      chain: string;
      trust: string;
    };
    const [leaf] = readCertificates(Buffer.from(answer.chain), 'answer');
    expect(leaf.commonName).toBe('db-1');
    expect(leaf.hasKey(key)).toBe(true);
    const statement = await verifyTrustStatement(answer.trust, authority.roots, 0);
    expect(statement.renewAt?.getTime()).toBeGreaterThan(Date.now());
    expect(authority.tally.renewals.nats).toBe(1);
  });

  it('answers the same certificate again when the answer was lost', async () => {
    const holder = await enrolled('db-2');
    const request = await newRequest(await generateKey('p256'));
    const chains = [];
    for (const _ of [1, 2]) {
      chains.push(
        ((await send(subjects.renew, await ask(holder, request))).json() as { chain: string }).chain,
      );
    }
    expect(chains[0]).toBe(chains[1]);
  });

  it('refuses and records what is replayed, forged, for another authority or sent by a wrong clock', async () => {
    const holder = await enrolled('db-3');
    const other = await enrolled('db-4');
    const request = await newRequest(await generateKey('p256'));
    const once = await ask(holder, request);
    await send(subjects.renew, once);
    const day = 86_400_000;
    const cases: [string, string, string][] = [
      ['replayed', '403', once],
      ['bad-message', '400', 'not a request'],
      ['bad-message', '400', 'x'.repeat(900_000)],
      ['bad-message', '400', await ask({ key: other.key, chain: holder.chain }, request)],
      ['other-authority', '403', await ask(holder, request, { audience: 'ab'.repeat(32) })],
      ['clock', '403', await ask(holder, request, { now: new Date(Date.now() + day) })],
      ['clock', '403', await ask(holder, request, { now: new Date(Date.now() - day) })],
      ['damaged-request', '400', await ask(holder, Buffer.from('not DER'))],
    ];
    for (const [code, status, message] of cases) {
      expect(refusal(await send(subjects.renew, message))).toMatchObject({ code, status });
    }
    const recorded = authority.tally.refused.slice(-cases.length);
    expect(recorded.map(({ code }) => code)).toEqual(cases.map(([code]) => code));
    expect(recorded.every(({ over, peer }) => over === 'nats' && /^NATS /.test(peer ?? ''))).toBe(true);
  });

  it('refuses a copied key, which renews the same certificate with another new key', async () => {
    const holder = await enrolled('db-5');
    await send(subjects.renew, await ask(holder, await newRequest(await generateKey('p256'))));
    const thief = await send(subjects.renew, await ask(holder, await newRequest(await generateKey('p256'))));
    expect(refusal(thief)).toMatchObject({ code: 'renewed-twice' });
  });

  it('answers 404 for a revocation list that does not exist', async () => {
    const answer = await send(subjects.revoked);
    expect(answer.headers?.get('Nats-Service-Error-Code')).toBe('404');
  });

  it('names the new root in its next statement, signed by it, once the authority was replaced', async () => {
    const old = authority.roots;
    await send(subjects.trust);
    await startRollover({ directory });
    const holder = { key: await keyOf(directory, 'web-1'), chain: await directory.readChain('web-1') };
    // The first request makes the authority read the folder.
    const request = await newRequest(await generateKey('p256'));
    const answer = (await send(subjects.renew, await ask(holder, request))).json() as { trust: string };
    const statement = await verifyTrustStatement(answer.trust, old, 0);
    expect(statement.roots).toHaveLength(2);
    expect(statement.roots[0].pin).toBe(authority.pin);
  });

  it.skipIf(findNatsCli() === undefined)('is seen by `nats service ls`, `info` and `stats`', async () => {
    const nats = async (...words: string[]) => {
      const { certificateFile, keyFile } = directory.pair('client');
      const tls = ['--tlsca', directory.authorityFile, '--tlscert', certificateFile, '--tlskey', keyFile];
      const url = ['--server', `nats://localhost:${server.port}`];
      const environment = { HOME: scratch, XDG_CONFIG_HOME: join(scratch, 'none'), NO_COLOR: '1' };
      const { stdout, stderr } = await run([findNatsCli() as string, ...url, ...tls, 'service', ...words], {
        environment,
      });
      return stdout + stderr;
    };
    expect(await nats('ls')).toMatch(/natspki\b.*1\.2\.3/);
    expect(await nats('info', 'natspki')).toContain('pki.renew');
    expect(await nats('stats', 'natspki')).toMatch(/renew/);
  });
}

async function keyOf(directory: PkiDirectory, name: string): Promise<KeyObject> {
  const file = directory.keyFile(name);
  return decodePrivateKey(await directory.read(file), file);
}

describe('serveOverNats', () => {
  const scratch = testFolder('nats-serve');

  it('says how to make the pair that it connects with when the folder has none', async () => {
    const directory = await madeDirectory(scratch);
    const logger = { info: () => {}, warn: () => {}, error: () => {} };
    const authority = await FleetAuthority.open({ directory, logger });
    const { signal } = new AbortController();
    const facts = { authority, servers: ['tls://localhost:1'], logger, version: '1.2.3', signal };
    await expect(serveOverNats(facts)).rejects.toMatchObject({
      code: 'no-client-pair',
      hint: expect.stringContaining('natspki issue client authority'),
    });
  });
});
