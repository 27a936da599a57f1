// `natspki/testing` as a test suite uses it: starts, certificates that change, servers that die, and what is left at the end.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterEach, describe, expect, it } from 'vitest';
import { ScratchFolder } from '../../src/files/scratch-folder.ts';
import { startTestNats, type TestNats, type TestNatsOptions } from '../../src/testing/test-nats.ts';
import { certificateFingerprint } from '../../src/x509/pin.ts';
import { Program, run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';

const running: TestNats[] = [];
const clients: NatsConnection[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(running.splice(0).map((nats) => nats.stop()));
});

async function start(options?: TestNatsOptions): Promise<TestNats> {
  const nats = await startTestNats(options);
  running.push(nats);
  return nats;
}

async function open(nats: TestNats, client?: string, options: object = {}): Promise<NatsConnection> {
  const opened = await connect({
    servers: nats.url,
    tls: nats.tls(client),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 5,
    reconnectJitterTLS: 1,
    timeout: 20_000,
    ...options,
  });
  clients.push(opened);
  return opened;
}

/** Resolves when the client reports the event. */
async function happens(client: NatsConnection, type: string): Promise<void> {
  for await (const status of client.status()) if (status.type === type) return;
}

async function isFree(url: string): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(Number(new URL(url).port), '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

describe('startTestNats', () => {
  it('lets each client in with its certificate, and no client without one', async () => {
    const nats = await start({ clients: ['alice', 'bob'] });
    const [alice, bob] = await Promise.all([open(nats, 'alice'), open(nats, 'bob')]);
    const subscription = bob.subscribe('greeting', { max: 1 });
    await bob.flush();
    alice.publish('greeting', 'hello');
    for await (const message of subscription) expect(message.string()).toBe('hello');
    const stranger = connect({ servers: nats.url, tls: { caFile: nats.tls().caFile }, reconnect: false });
    await expect(stranger).rejects.toThrow();
    expect(() => nats.tls('carol')).toThrow(
      expect.objectContaining({ code: 'no-certificate', hint: expect.stringContaining('alice, bob') }),
    );
    expect(nats.log).toMatch(/\[INF\] Server is ready\n/);
  });

  it('keeps private keys to the user', async () => {
    const nats = await start();
    expect(statSync(dirname(nats.dir)).mode & 0o777).toBe(0o700);
    expect(statSync(nats.tls().keyFile).mode & 0o777).toBe(0o600);
    expect(statSync(join(nats.dir, 'ca-key.pem')).mode & 0o777).toBe(0o600);
  });

  it('serves on free ports when many start at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => start()));
    expect(new Set(all.map(({ url }) => url)).size).toBe(8);
    for (const nats of all) await open(nats);
  });

  it('shares the authority within the process, unless a start asks for its own', async () => {
    const [first, second, own] = [await start(), await start(), await start({ ownAuthority: true })];
    await open(first, undefined, { tls: second.tls() });
    const foreign = { ...own.tls(), caFile: first.tls().caFile };
    const rejected = connect({ servers: first.url, tls: foreign, reconnect: false });
    await expect(rejected).rejects.toThrow();
    await open(own);
  });

  it('serves the templates, also without certificates of clients', async () => {
    const basic = await start({ template: 'basic' });
    await open(basic, undefined, { tls: { caFile: basic.tls().caFile } });
    const mapped = await start({ template: 'verify-and-map', clients: ['alice'] });
    await open(mapped);
    expect((await start({ template: 'high-security' })).log).toContain('Server is ready');
  });

  it('puts clients into the accounts of their certificates', async () => {
    const nats = await start({ accounts: { A: ['alice', 'adam'], 'B b': ['bob'] } });
    const [alice, adam, bob] = await Promise.all(['alice', 'adam', 'bob'].map((name) => open(nats, name)));
    const received: string[] = [];
    for (const client of [adam, bob]) {
      client?.subscribe('x', { callback: (_, message) => void received.push(message.string()) });
      await client?.flush();
    }
    alice?.publish('x', 'from alice');
    await Promise.all([alice?.flush(), adam?.flush(), bob?.flush()]);
    await expect.poll(() => received).toEqual(['from alice']);
  });

  it('adds further configuration', async () => {
    const nats = await start({ config: 'max_payload: 1024' });
    expect((await open(nats)).info?.max_payload).toBe(1024);
  });

  it.each([
    [{ servers: 0 }, 'usage'],
    [{ clients: ['../x'] }, 'usage'],
    [{ clients: ['a', 'A'] }, 'usage'],
    [{ config: 'max_payload: x' }, 'invalid-configuration'],
    [{ accounts: { A: ['a'] }, template: 'basic' }, 'usage'],
  ] as [TestNatsOptions, string][])('rejects %j and leaves no folder', async (options, code) => {
    const before = scratchFolders();
    await expect(startTestNats(options)).rejects.toMatchObject({ code });
    expect(scratchFolders()).toEqual(before);
  });
});

/** The folders of this process. */
function scratchFolders(): string[] {
  const probe = new ScratchFolder();
  const names = readdirSync(dirname(probe.path)).filter((name) => name.includes(`-${process.pid}-`));
  probe.remove();
  return names.filter((name) => !probe.path.endsWith(name)).sort();
}

describe('rotate', () => {
  it('serves the new certificate when it resolves, and keeps connections open', async () => {
    const nats = await start({ clients: ['alice'] });
    const client = await open(nats);
    const before = fingerprints(nats);
    await nats.rotate();
    expect(fingerprints(nats)).not.toEqual(before);
    await client.flush();
    await open(nats);
    expect(client.isClosed()).toBe(false);
    expect(nats.log).toContain('Reloaded: tls serves CN=server');
  });

  it('replaces single certificates, also those that pins name', async () => {
    const nats = await start({ clients: ['alice', 'bob'] });
    await nats.revoke('bob');
    const before = fingerprints(nats);
    await nats.rotate('alice');
    const after = fingerprints(nats);
    expect({ ...after, alice: before.alice }).toEqual(before);
    await open(nats, 'alice');
    await expect(nats.rotate('carol')).rejects.toMatchObject({ code: 'no-certificate' });
  });
});

function fingerprints(nats: TestNats): Record<string, string> {
  const names = readdirSync(nats.dir).filter((name) => name.endsWith('-cert.pem'));
  return Object.fromEntries(
    names.map((name) => [name.replace('-cert.pem', ''), fingerprint(join(nats.dir, name))]),
  );
}

function fingerprint(file: string): string {
  return certificateFingerprint(readFileSync(file), file);
}

describe('revoke', () => {
  it('disconnects the client and rejects it from then on, and no other', async () => {
    const nats = await start({ clients: ['alice', 'bob'] });
    const alice = await open(nats, 'alice', { reconnect: false });
    const bob = await open(nats, 'bob');
    const { caFile, certFile, keyFile } = nats.tls('alice');
    const tls = { caFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
    await nats.revoke('alice');
    await alice.closed();
    await expect(connect({ servers: nats.url, tls, reconnect: false })).rejects.toThrow();
    await bob.flush();
    await open(nats, 'bob');
    expect(() => nats.tls('alice')).toThrow(expect.objectContaining({ code: 'no-certificate' }));
  });
});

describe('kill, restart and disconnect', () => {
  it('takes a server away from its clients and brings it back on the same port', async () => {
    const nats = await start();
    const client = await open(nats);
    const left = happens(client, 'disconnect');
    await nats.kill();
    await left;
    expect(await isFree(nats.url)).toBe(true);
    const returned = happens(client, 'reconnect');
    const { url } = nats;
    await nats.restart();
    await returned;
    expect(nats.url).toBe(url);
    await client.flush();
    await expect(nats.kill(1)).rejects.toMatchObject({ code: 'usage' });
  });

  it('reconnects clients with rotated certificates', async () => {
    const nats = await start();
    const client = await open(nats);
    await nats.rotate();
    const returned = happens(client, 'reconnect');
    await nats.restart();
    await returned;
    await client.flush();
  });

  it('closes the connections of one client, by its certificate or its name', async () => {
    const nats = await start({ clients: ['alice', 'bob'] });
    const [alice, bob] = [await open(nats, 'alice'), await open(nats, 'bob')];
    const named = await open(nats, 'bob', { name: 'worker' });
    const returned = Promise.all([happens(alice, 'reconnect'), happens(named, 'reconnect')]);
    await nats.rotate('alice');
    expect(nats.disconnect('alice')).toBe(1);
    expect(nats.disconnect('worker')).toBe(1);
    expect(nats.disconnect('nobody')).toBe(0);
    await returned;
    expect(bob.stats().inMsgs).toBe(0);
    expect(nats.disconnect()).toBe(3);
  });
});

describe('a cluster', () => {
  it('delivers between its servers, also after one was killed and restarted', async () => {
    const nats = await start({ servers: 3 });
    const ends = async () => {
      const subscriber = await open(nats, undefined, { servers: nats.urls[2] });
      const publisher = await open(nats, undefined, { servers: nats.urls[0] });
      subscriber.subscribe('where', { callback: (_, message) => void message.respond('here') });
      await subscriber.flush();
      // The interest of a subscription takes a moment to reach the other servers.
      await expect.poll(async () => (await publisher.request('where')).string()).toBe('here');
    };
    await ends();
    await nats.kill(0);
    await nats.restart(0);
    await ends();
    expect(nats.log).toMatch(/^n2 \[/m);
    expect(nats.env.NATS_URL.split(',')).toEqual(nats.urls);
  });
});

describe('the end', () => {
  it('frees ports and removes the folder', async () => {
    const nats = await startTestNats({ servers: 2 });
    await open(nats);
    const folder = dirname(nats.dir);
    await clients.pop()?.close();
    await nats.stop();
    await nats.stop();
    expect(existsSync(folder)).toBe(false);
    for (const url of nats.urls) expect(await isFree(url)).toBe(true);
  });

  it('takes at most 20 ms of a processor, also with clients that stay connected', async () => {
    const nats = await startTestNats();
    await Promise.all([open(nats), open(nats), open(nats)]);
    const { user, system } = process.cpuUsage();
    await nats.stop();
    const used = process.cpuUsage({ user, system });
    expect((used.user + used.system) / 1000).toBeLessThan(20);
  });

  it('stops at the end of `await using`', async () => {
    let dir = '';
    {
      await using nats = await startTestNats();
      ({ dir } = nats);
      expect(existsSync(dir)).toBe(true);
    }
    expect(existsSync(dir)).toBe(false);
  });

  const built = join(import.meta.dirname, '../../dist/api/testing.js');
  const program = (rest: string) =>
    `require(${JSON.stringify(built)}).startTestNats({ servers: 2 }).then(async (nats) => { ${rest} });`;

  it('leaves no handle that keeps the process running, nor a folder when it forgets to stop', async () => {
    expect(await run([process.execPath, '-e', program('await nats.stop();')])).toMatchObject({ code: 0 });
    const exit = program('console.log(nats.dir); process.exit();');
    const { stdout } = await run([process.execPath, '-e', exit]);
    expect(existsSync(dirname(stdout.trim()))).toBe(false);
  });

  it('is completed by the next start when the process was killed', async () => {
    const killed = Program.start([process.execPath, '-e', program('console.log(nats.dir);')]);
    const [dir] = await killed.printed(/^.+(?=\n)/, 'stdout');
    await killed.close();
    expect(existsSync(dir)).toBe(true);
    await (await startTestNats()).stop();
    expect(existsSync(dirname(dir))).toBe(false);
  });
});

describe('a scratch folder', () => {
  const root = testFolder('scratch');

  it('leaves the folders of running processes and of other systems alone', () => {
    const first = new ScratchFolder(root);
    const [, system] = /natspki-test-([0-9a-f]{8})-/.exec(first.path) ?? [];
    const other = createHash('sha256').update('other').digest('hex').slice(0, 8);
    // No process has an id above the limit of Linux, 2^22.
    const dead = 4_194_305;
    const kept = [`natspki-test-${other}-${dead}-a`, `natspki-test-${system}-${process.ppid}-a`, 'natspki-x'];
    for (const name of [...kept, `natspki-test-${system}-${dead}-a`]) mkdirSync(join(root, name));
    const second = new ScratchFolder(root);
    expect(readdirSync(root).sort()).toEqual(
      [...kept, first.path.slice(root.length + 1), second.path.slice(root.length + 1)].sort(),
    );
    first.remove();
    first.remove();
    second.remove();
    expect(readdirSync(root).sort()).toEqual(kept.sort());
  });

  it('reports a folder that cannot be written to', () => {
    expect(() => new ScratchFolder(join(tmpdir(), 'none', 'there'))).toThrow(
      expect.objectContaining({ name: 'NatspkiError' }),
    );
  });
});

describePeer('nats', 'env', (bin) => {
  it('lets the nats command connect', async () => {
    const nats = await start({ servers: 2 });
    const { code, stderr } = await run([bin, 'pub', 'greeting', 'hello'], { environment: nats.env });
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });
});
