// A member renews over NATS: with an attacker on the same system who answers first, over a server that restarts, and seen by a
// client that reads everything.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Member, type MemberOptions } from '../../../src/fleet/member/member.ts';
import { natsLink } from '../../../src/fleet/member/nats-link.ts';
import { readPair } from '../../../src/fleet/member/pair.ts';
import { connectNats, type Msg, type NatsConnection } from '../../../src/fleet/nats/connection.ts';
import { serveOverNats } from '../../../src/fleet/nats/serve.ts';
import { subjects } from '../../../src/fleet/nats/subjects.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { Output } from '../../harness/output.ts';
import {
  bundledBroker,
  freePorts,
  natsServer,
  type ServerUnderTest,
  type StartServer,
  startProcess,
} from '../../harness/server.ts';
import { copyOf, type TestFleet, testFleet } from '../../support/fleet.ts';
import { testFolder } from '../../support/folder.ts';
import { describePeer } from '../../support/peers.ts';
import { leafOf } from '../../support/pki.ts';
import { decoded, secretsOf } from '../../support/secrets.ts';

const { signal } = new AbortController();

/** Returns the configuration of a server that asks for certificates. */
function configurationFor({ directory }: TestFleet): string {
  const { certificateFile, keyFile } = directory.pair('server');
  return `tls { cert_file: "${certificateFile}", key_file: "${keyFile}", ca_file: "${directory.authorityFile}"
  verify: true }
`;
}

/** Answers on a system until `stop` is called. */
function serving(fleet: TestFleet, port: number) {
  const controller = new AbortController();
  const log = new Output();
  const line = (text: string) => log.add(`${text}\n`);
  const logger = { info: line, warn: line, error: line };
  const servers = [`tls://localhost:${port}`];
  const facts = { authority: fleet.authority, servers, logger, version: '1.2.3', pauseMs: 10 };
  const ended = serveOverNats({ ...facts, signal: controller.signal });
  return {
    log,
    stop: async () => {
      controller.abort();
      await ended;
    },
  };
}

let names = 0;
async function newMember(
  fleet: TestFleet,
  scratch: string,
): Promise<{ directory: PkiDirectory; name: string }> {
  const name = `m-${names++}`;
  await issueCertificates({ directory: fleet.directory, profile: 'client', names: [name] });
  return { name, directory: copyOf(fleet.directory, name, scratch) };
}

async function renew(directory: PkiDirectory, name: string, options: Partial<MemberOptions>) {
  const done = await (await Member.open({ directory, ...options })).renew([name], signal);
  for (const { error } of done.failures) throw error;
  return done;
}

describe('the bundled broker', () => runsMembers(bundledBroker));
describePeer('nats-server', 'nats-server', (bin) => runsMembers(natsServer(bin)));

function runsMembers(start: StartServer): void {
  const scratch = testFolder('over-nats');
  let fleet: TestFleet;
  let server: ServerUnderTest;
  let authority: ReturnType<typeof serving>;
  let mallory: NatsConnection;
  let from: string[];

  beforeAll(async () => {
    fleet = await testFleet(scratch, []);
    await issueCertificates({
      ...{ directory: fleet.directory, profile: 'client', names: ['authority', 'mallory'] },
    });
    server = await start(configurationFor(fleet));
    from = [`tls://localhost:${server.port}`];
    authority = serving(fleet, server.port);
    await authority.log.has(/Answering over NATS/);
    const pair = fleet.directory.pair('mallory');
    mallory = await connectNats({ servers: from, directory: fleet.directory, pair, name: 'mallory' });
  });
  afterAll(async () => {
    await mallory?.close();
    await authority?.stop();
    await server?.stop();
  });

  /** Answers every request before the authority does, until the result is called. */
  async function answering(answer: (request: Msg) => void): Promise<() => void> {
    const subscription = mallory.subscribe(subjects.renew, {
      callback: (error, message) => {
        if (error === null) answer(message);
      },
    });
    await mallory.flush();
    return () => subscription.unsubscribe();
  }

  it('renews with the pair that it renews, or with another one of the folder for a server certificate', async () => {
    const { directory, name } = await newMember(fleet, scratch);
    const before = leafOf(directory, name);
    await renew(directory, name, { from });
    expect(leafOf(directory, name).pin).not.toBe(before.pin);
    const server = `n-${names++}.example.com`;
    await issueCertificates({ directory: fleet.directory, profile: 'server', names: [server] });
    const copy = copyOf(fleet.directory, server, scratch);
    for (const file of ['certificateFile', 'keyFile'] as const) {
      writeFileSync(copy[file](name), await directory.read(directory[file](name)), { mode: 0o600 });
    }
    const { certificates } = await renew(copy, server, { from });
    expect(certificates[0]?.profile).toBe('server');
  });

  it('takes the answer of the authority although another client answers first, whatever it says', async () => {
    const lies: ((request: Msg) => void)[] = [
      (request) => request.respond('nothing'),
      (request) =>
        request.respond(JSON.stringify({ chain: leafOf(fleet.directory, 'client').toPem(), trust: '{}' })),
      (request) => request.respond(request.data),
    ];
    for (const lie of lies) {
      const { directory, name } = await newMember(fleet, scratch);
      const stop = await answering(lie);
      const { certificates } = await renew(directory, name, { from });
      stop();
      expect(certificates[0]?.serial).toBe(fleet.authority.index.newest.get(name)?.serial);
    }
  });

  it('keeps its pair, its key and its roots when only an attacker answers', async () => {
    const { directory, name } = await newMember(fleet, scratch);
    const before = await readPair(directory, name);
    await authority.stop();
    const stop = await answering((request) => request.respond('nothing'));
    const links = () => [natsLink({ servers: from, directory, timeoutMs: 300 })];
    await expect(renew(directory, name, { from, links })).rejects.toMatchObject({ code: 'untrusted-answer' });
    stop();
    const after = await readPair(directory, name);
    expect(after.chain[0].der).toEqual(before.chain[0].der);
    authority = serving(fleet, server.port);
    await authority.log.has(/Answering over NATS/);
    await renew(directory, name, { from });
  });

  it('shows a client that reads everything no private key and no secret', async () => {
    const read: string[] = [];
    const tap = mallory.subscribe('>', {
      callback: (_error, message) => {
        read.push(Buffer.from(message.data).toString('latin1'));
      },
    });
    await mallory.flush();
    const { directory, name } = await newMember(fleet, scratch);
    const keys = [(await readPair(directory, name)).key];
    await renew(directory, name, { from });
    keys.push((await readPair(directory, name)).key, (await fleet.directory.readAuthority()).current.key);
    await mallory.flush();
    tap.unsubscribe();
    expect(read.length).toBeGreaterThanOrEqual(2);
    for (const secret of keys.flatMap(secretsOf)) expect(decoded(read)).not.toContain(secret);
  });

  it('says what no authority on the system means', async () => {
    await authority.stop();
    const { directory, name } = await newMember(fleet, scratch);
    await expect(renew(directory, name, { from })).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('no `natspki serve` is connected to this NATS system'),
    });
    authority = serving(fleet, server.port);
    await authority.log.has(/Answering over NATS/);
  });
}

describePeer('nats-server', 'a NATS server that restarts', (bin) => {
  const scratch = testFolder('nats-restarts');

  it('is found again by the authority and by the members', async () => {
    const fleet = await testFleet(scratch, []);
    await issueCertificates({ directory: fleet.directory, profile: 'client', names: ['authority'] });
    writeFileSync(join(scratch, 'nats.conf'), configurationFor(fleet));
    const [port = 0] = await freePorts(1);
    const start = () =>
      startProcess([bin, '-c', 'nats.conf', '-a', '127.0.0.1', '-p', String(port)], scratch);
    const from = [`tls://localhost:${port}`];
    let server = await start();
    const authority = serving(fleet, port);
    await authority.log.has(/Answering over NATS/);
    const { directory, name } = await newMember(fleet, scratch);
    await renew(directory, name, { from });
    await server.kill();
    await expect(renew(directory, name, { from })).rejects.toMatchObject({ code: 'unreachable' });
    server = await start();
    await authority.log.has(/Connected to the NATS server|Answering over NATS[\s\S]*Answering over NATS/);
    const { serial } = leafOf(directory, name);
    await renew(directory, name, { from });
    expect(leafOf(directory, name).serial).not.toBe(serial);
    await authority.stop();
    await server.stop();
  });
});
