// The public interface as a program calls it: values in, values out, errors with codes.
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  check,
  createAuthority,
  issue,
  NatspkiError,
  pin,
  type RunningBroker,
  readConfiguration,
  rotate,
  startBroker,
  tlsBlock,
} from '../../src/index.ts';
import { freshCopy, testFolder } from '../support/folder.ts';

const folder = testFolder('api');
const certs = join(folder, 'certs');
const config = join(folder, 'nats.conf');
const text = (file: string) => readFileSync(file, 'utf8');

beforeAll(async () => {
  const made = await createAuthority({
    dir: certs,
    hosts: ['localhost', '127.0.0.1'],
    clients: ['alice'],
    config,
  });
  expect(made.configurations).toEqual([config]);
  expect(made.certificates.map(({ name, profile }) => `${name} ${profile}`)).toEqual([
    'ca authority',
    'server server',
    'route route',
    'alice client',
  ]);
});

describe('createAuthority', () => {
  it('refuses to replace an authority, with a code', async () => {
    const again = createAuthority({ dir: certs, hosts: ['localhost'] });
    await expect(again).rejects.toThrow(NatspkiError);
    await expect(again).rejects.toMatchObject({ code: 'authority-exists', exitCode: 1 });
  });

  it.each([
    [{ template: 'verfy' }, 'unknown template "verfy"'],
    [{ keyType: 'p255' }, 'unknown key type "p255"'],
    [{ days: 0 }, 'days'],
    [{ permit: ['nonsense'] }, 'nonsense'],
    [{ hosts: [] }, 'no host'],
  ])('reports %j as wrong usage and writes nothing', async (options, message) => {
    const dir = join(folder, 'none');
    await expect(createAuthority({ dir, hosts: ['localhost'], ...options })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining(message),
    });
    expect(existsSync(dir)).toBe(false);
  });

  it('writes a configuration for each node of a cluster', async () => {
    const dir = join(folder, 'cluster');
    const { configurations } = await createAuthority({
      dir,
      nodes: { n1: ['localhost'], n2: ['localhost'] },
      permit: ['dns:localhost'],
      config: join(folder, 'node.conf'),
    });
    expect(configurations).toEqual([join(folder, 'node-n1.conf'), join(folder, 'node-n2.conf')]);
    expect(await check(configurations[0] as string)).toEqual([]);
  });
});

describe('issue', () => {
  it('returns the files and the pin of each certificate', async () => {
    const { certificates, notices } = await issue({ dir: certs, profile: 'client', names: ['bob', 'carol'] });
    expect(notices).toEqual([]);
    expect(certificates.map(({ name }) => name)).toEqual(['bob', 'carol']);
    const [bob] = certificates;
    expect(bob?.pin).toBe(pin(text(bob?.certificateFile ?? '')));
    expect(pin(readFileSync(bob?.keyFile ?? ''))).toBe(bob?.pin);
    expect(statSync(bob?.keyFile ?? '').mode & 0o777).toBe(0o600);
    expect(bob?.notAfter.getTime()).toBeGreaterThan(Date.now() + 364 * 86_400_000);
  });

  it.each([
    [{ profile: 'clint', names: ['x'] }, 'usage'],
    [{ profile: 'client', names: ['../x'] }, 'usage'],
    [{ profile: 'client', names: ['alice'] }, 'certificate-exists'],
    [{ profile: 'server', names: ['a+b'] }, 'no-san'],
    [{ profile: 'client', names: ['x'], request: 'nonsense' }, 'no-material'],
    [{ profile: 'client', names: ['x'], dir: '/nonexistent' }, 'no-authority'],
  ])('throws a NatspkiError with a code for %j', async (options, code) => {
    await expect(issue({ dir: certs, ...options })).rejects.toMatchObject({ name: /Error$/, code });
  });
});

describe('rotate', () => {
  it('replaces a certificate, and its pin in a configuration', async () => {
    const copy = freshCopy(folder);
    const [dir, pinned] = [join(copy, 'certs'), join(copy, 'pinned.conf')];
    const before = pin(text(join(dir, 'alice-cert.pem')));
    writeFileSync(pinned, tlsBlock({ dir, verify: true, pins: [before] }));
    const { certificates, pins } = await rotate({
      dir,
      names: ['alice'],
      configs: [pinned],
      settleMs: 0,
      prunePins: true,
    });
    const [{ pin: after } = { pin: '' }] = certificates;
    expect(after).not.toBe(before);
    expect(pins).toEqual({
      added: [{ file: pinned, pins: [after] }],
      removed: [{ file: pinned, pins: [before] }],
    });
    expect(readConfiguration({ file: pinned })).toMatchObject({ tls: { pinned_certs: [after] } });
  });

  it('replaces nothing when nothing is due', async () => {
    expect((await rotate({ dir: certs, due: '1d' })).certificates).toEqual([]);
    await expect(rotate({ dir: certs, due: 'soon' })).rejects.toMatchObject({ code: 'usage' });
    await expect(rotate({ dir: certs, names: ['alic'] })).rejects.toMatchObject({ code: 'no-certificate' });
  });
});

describe('readConfiguration', () => {
  it('returns plain values, with variables and includes resolved', () => {
    writeFileSync(join(folder, 'more.conf'), 'users: [{user: a, password: "$x"}]');
    writeFileSync(
      join(folder, 'main.conf'),
      'p: 4300\nport: $p\nmax: 1k\nauthorization { include more.conf }',
    );
    expect(readConfiguration({ file: join(folder, 'main.conf') })).toEqual({
      p: 4300,
      port: 4300,
      max: 1000,
      authorization: { users: [{ user: 'a', password: '$x' }] },
    });
    expect(readConfiguration({ text: 'a: 9223372036854775807, b: true, c: 1.5' })).toEqual({
      a: 9223372036854775807n,
      b: true,
      c: 1.5,
    });
    const hostile = readConfiguration({ text: '__proto__ { polluted: true }' });
    expect(Object.keys(hostile)).toEqual(['__proto__']);
    expect((hostile as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('throws every error with its line', () => {
    expect(() => readConfiguration({ text: 'a: [\nb' })).toThrow(NatspkiError);
    expect(() => readConfiguration({ text: 'a: [' })).toThrow(/^text:1:/);
    expect(() => readConfiguration({ file: join(folder, 'missing.conf') })).toThrow(
      expect.objectContaining({ code: 'file-missing' }),
    );
  });
});

describe('check', () => {
  it('returns findings with their position', async () => {
    const file = join(folder, 'bad.conf');
    writeFileSync(file, 'port: 4222\ntls { cert_file: "none.pem", key_file: "none.pem" }\n');
    expect(await check(file)).toContainEqual(
      expect.objectContaining({ severity: 'error', code: 'file-missing', file, line: 2 }),
    );
    expect((await check(config)).filter(({ severity }) => severity === 'error')).toEqual([]);
  });
});

describe('pin and tlsBlock', () => {
  it('reject what they cannot use', () => {
    expect(() => pin('nothing')).toThrow(expect.objectContaining({ code: 'no-material' }));
    expect(() => tlsBlock({ dir: folder })).toThrow(expect.objectContaining({ code: 'missing-certificate' }));
    expect(() => tlsBlock({ dir: certs, verify: true, pins: ['x'] })).toThrow(
      expect.objectContaining({ code: 'usage' }),
    );
    expect(() => tlsBlock({ dir: certs, context: 'clients' })).toThrow(/did|unknown context/);
  });
});

describe('startBroker', () => {
  const running: RunningBroker[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((broker) => broker.close()));
  });
  async function start(...args: Parameters<typeof startBroker>): Promise<RunningBroker> {
    const broker = await startBroker({ host: '127.0.0.1', port: 0, ...args[0] });
    running.push(broker);
    return broker;
  }
  const alice = {
    caFile: join(certs, 'ca.pem'),
    certFile: join(certs, 'alice-cert.pem'),
    keyFile: join(certs, 'alice-key.pem'),
  };

  it('serves clients with options alone', async () => {
    const tls = {
      certFile: join(certs, 'server-cert.pem'),
      keyFile: join(certs, 'server-key.pem'),
      caFile: alice.caFile,
      verify: true,
    };
    const lines: string[] = [];
    const broker = await start({ tls, user: 'u', pass: 'p', onLog: (line) => void lines.push(line) });
    expect(broker.url).toBe(`tls://127.0.0.1:${broker.port}`);
    const client = await connect({ servers: broker.url, tls: alice, user: 'u', pass: 'p' });
    expect(broker.clients).toBe(1);
    await client.close();
    // In TLS 1.3 the client is done before it is refused, and reports that as its own timeout.
    const stranger = {
      servers: broker.url,
      tls: { caFile: alice.caFile },
      user: 'u',
      pass: 'p',
      timeout: 500,
    };
    await expect(connect(stranger)).rejects.toThrow('timeout');
    expect(lines.join('\n')).toContain('TLS handshake error: client sent no certificate');
    expect(lines.at(0)).toMatch(/^\[\d+\] .* \[INF\] Starting natspki/);
  });

  it('reloads its configuration file when it changes', async () => {
    const file = join(folder, 'limits.conf');
    writeFileSync(file, 'max_payload: 1024\n');
    const broker = await start({ file });
    const client = await connect({ servers: broker.url });
    writeFileSync(`${file}.new`, 'max_payload: 2048\n');
    renameSync(`${file}.new`, file);
    await expect.poll(() => client.info?.max_payload).toBe(2048);
    await client.close();
    await expect(broker.reload('max_payload: 1')).rejects.toMatchObject({ code: 'usage' });
  });

  it('takes a new text, and keeps the one in force when the new one is invalid', async () => {
    const broker = await start({ text: 'max_payload: 1024' });
    await expect(broker.reload('max_payload: -1')).rejects.toMatchObject({ code: 'invalid-configuration' });
    const client = await connect({ servers: broker.url });
    await broker.reload();
    expect(client.info?.max_payload).toBe(1024);
    await broker.reload('max_payload: 2048');
    await expect.poll(() => client.info?.max_payload).toBe(2048);
    await client.close();
  });

  it.each([
    [{ text: 'prot: 4222' }, 'invalid-configuration'],
    [{ text: '', file: 'nats.conf' }, 'usage'],
    [{ file: '/nonexistent/nats.conf' }, 'file-missing'],
    [{ text: 'jetstream: true' }, 'invalid-configuration'],
    [{ tls: { certFile: 'none.pem', keyFile: 'none.pem' } }, 'file-missing'],
  ])('throws a NatspkiError with a code for %j', async (options, code) => {
    await expect(start(options)).rejects.toMatchObject({ code });
  });

  it('reports a port that is taken, and leaves nothing behind', async () => {
    const { port } = await start();
    await expect(start({ port })).rejects.toMatchObject({ code: 'listen' });
  });

  it('frees its port at the end of `await using`', async () => {
    let port = 0;
    {
      await using broker = await startBroker({ host: '127.0.0.1', port: 0 });
      ({ port } = broker);
    }
    const next = await start({ port });
    await next.kill();
    await next.ended;
    expect(next.clients).toBe(0);
  });

  it('kills connections without waiting for their peers', async () => {
    const broker = await start();
    const silent = connectSocket({ port: broker.port, host: '127.0.0.1', allowHalfOpen: true });
    silent.on('error', () => {});
    await new Promise((resolve) => silent.once('data', resolve));
    const ended = new Promise((resolve) => silent.once('end', resolve));
    const before = performance.now();
    await broker.kill();
    // A broker that closes waits 250 ms for a peer that does not close.
    expect(performance.now() - before).toBeLessThan(200);
    await ended;
    silent.destroy();
  });
});
