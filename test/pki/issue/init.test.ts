// Making an authority; test/commands/init.test.ts tests the output.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultHosts, initialize } from '../../../src/pki/issue/init.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { listCertificates } from '../../../src/pki/store/listing.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { builtModule } from '../../support/built.ts';
import { testFolder } from '../../support/folder.ts';
import { killedAt } from '../../support/killed.ts';
import { initDefaults, madeDirectory, newDirectory } from '../../support/pki.ts';
import { contents, tree } from '../../support/tree.ts';

const scratch = testFolder('init');

describe('init', () => {
  it('makes an authority and server, route and client certificates without any finding', async () => {
    const directory = newDirectory(scratch);
    const steps: number[] = [];
    const { certificates, notices } = await initialize({
      directory,
      ...initDefaults,
      progress: (done, total) => {
        expect(total).toBe(8);
        steps.push(done);
      },
    });
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(notices).toEqual([]);
    const hosts = ['dns:localhost', 'ip:127.0.0.1', 'ip:::1'];
    expect(
      certificates.map(({ name, profile, sans, daysLeft }) => ({ name, profile, sans, daysLeft })),
    ).toEqual([
      { name: 'ca', profile: 'authority', sans: [], daysLeft: 3650 },
      { name: 'server', profile: 'server', sans: hosts, daysLeft: 365 },
      { name: 'route', profile: 'route', sans: hosts, daysLeft: 365 },
      { name: 'client', profile: 'client', sans: ['dns:client'], daysLeft: 365 },
    ]);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('records every certificate in the ledger', async () => {
    const directory = await madeDirectory(scratch);
    const { certificates: listed } = await listCertificates(directory);
    const { entries } = await directory.ledger.read();
    expect(entries.map(({ serial }) => serial).sort()).toEqual(listed.map(({ serial }) => serial).sort());
    const authority = listed[0];
    expect(entries.map(({ issuer }) => issuer)).toEqual(entries.map(() => authority?.pin));
  });

  it('makes a server certificate for each named server', async () => {
    const directory = newDirectory(scratch);
    const { certificates } = await initialize({
      directory,
      ...initDefaults,
      servers: [
        { name: 'one', hosts: ['one.example'] },
        { name: 'two', hosts: ['two.example'] },
      ],
    });
    expect(certificates.map(({ name, sans }) => `${name} ${sans.join(' ')}`)).toEqual([
      'ca ',
      'one dns:one.example',
      'two dns:two.example',
      'route dns:localhost ip:127.0.0.1 ip:::1',
      'client dns:client',
    ]);
  });

  it('makes server and route certificates for each node in place of those for this host', async () => {
    const directory = newDirectory(scratch);
    const { certificates } = await initialize({
      directory,
      ...initDefaults,
      nodes: [{ name: 'n1', hosts: ['n1.example', '10.0.0.1'] }],
      clients: ['alice', 'bob@example.com'],
    });
    expect(certificates.map(({ name, sans }) => `${name} ${sans.join(' ')}`)).toEqual([
      'ca ',
      'n1-server dns:n1.example ip:10.0.0.1',
      'n1-route dns:n1.example ip:10.0.0.1',
      'alice dns:alice',
      'bob@example.com email:bob@example.com',
    ]);
  });

  it('does not replace an existing authority, its key, or a certificate with one of the names', async () => {
    const directory = await madeDirectory(scratch);
    const before = contents(directory.path);
    await expect(initialize({ directory, ...initDefaults })).rejects.toMatchObject({
      code: 'authority-exists',
      message: `an authority already exists in "${directory.path}"`,
    });
    expect(contents(directory.path)).toEqual(before);
    for (const [file, code] of [
      ['ca-key.pem', 'authority-exists'],
      ['server-key.pem', 'certificate-exists'],
    ]) {
      const half = await madeDirectory(scratch);
      const other = newDirectory(scratch);
      await other.exclusive(async () => {});
      writeFileSync(join(other.path, file as string), readFileSync(join(half.path, file as string)));
      const there = contents(other.path);
      await expect(initialize({ directory: other, ...initDefaults })).rejects.toMatchObject({ code });
      expect(contents(other.path)).toEqual(there);
    }
  });

  it('replaces an authority when forced, archives all of it, and names the certificates that are no longer trusted', async () => {
    const directory = await madeDirectory(scratch, { clients: ['client', 'alice'] });
    const before = contents(directory.path);
    const { notices } = await initialize({ directory, ...initDefaults, force: true });
    expect(notices).toEqual(['no longer trusted, since the authority that signed them was replaced: alice']);
    const archived = Object.values(contents(join(directory.path, '.natspki/archive')));
    for (const name of ['ca.pem', 'ca-key.pem', 'server-cert.pem', 'server-key.pem', 'client-key.pem']) {
      expect(archived).toContain(before[name]);
      expect(contents(directory.path)[name]).not.toBe(before[name]);
    }
    expect((await verifyDirectory(directory)).map(({ code, file }) => `${code} ${file}`)).toEqual([
      `untrusted ${directory.certificateFile('alice')}`,
    ]);
  });

  it('rejects a configuration path that is one of its own files', async () => {
    const directory = newDirectory(scratch);
    for (const name of ['ca-key.pem', 'server-key.pem', '.natspki/ledger']) {
      const files = [{ path: join(directory.path, name), data: 'port: 4222\n', mode: 0o644 }];
      await expect(initialize({ directory, ...initDefaults, files }), name).rejects.toMatchObject({
        code: 'same-file',
        message: `"${join(directory.path, name)}" would be written twice`,
      });
      expect(contents(directory.path)).toEqual({});
    }
  });

  it('archives the configuration that it replaces, and returns its new path', async () => {
    const directory = newDirectory(scratch);
    const path = join(directory.path, '../nats.conf');
    const options = { directory, ...initDefaults, force: true };
    const write = (data: string) => initialize({ ...options, files: [{ path, data, mode: 0o644 }] });
    await write('port: 4222\n');
    expect((await write('port: 4222\n')).notices).toEqual([]);
    const { notices } = await write('port: 4333\n');
    const [, old = ''] = /^the configuration that was replaced is now (.*)$/.exec(notices[0] ?? '') ?? [];
    expect(readFileSync(old, 'utf8')).toBe('port: 4222\n');
    expect(readFileSync(path, 'utf8')).toBe('port: 4333\n');
  });

  it('writes further files in the same step as the certificates', async () => {
    const directory = newDirectory(scratch);
    const path = join(directory.path, '../nats.conf');
    await initialize({ directory, ...initDefaults, files: [{ path, data: 'port: 4222\n', mode: 0o644 }] });
    expect(readFileSync(path, 'utf8')).toBe('port: 4222\n');
  });

  it.each([
    [{ days: 0 }, 'a certificate has 0 days, expected a life between 1 minute and 36525 days'],
    [
      { authorityDays: 36526 },
      'the authority has 36526 days, expected a life between 1 minute and 36525 days',
    ],
    [{ authorityName: '' }, "the authority's name is empty"],
    [{ authorityName: 'x'.repeat(65) }, "the authority's name has 65 characters"],
    [{ passphrase: '' }, 'the passphrase is empty'],
    [
      { passphrase: 'é'.repeat(512) },
      'the passphrase has more than 1023 bytes, which OpenSSL does not accept',
    ],
    [{ clients: ['../x'] }, 'name "../x" cannot be that of a file'],
    [{ clients: ['server'] }, 'name "server" is given twice'],
    [{ hosts: [] }, 'no host for the certificate "server"'],
    [{ hosts: ['my host'] }, 'impossible host "my host": "my host" is not a label'],
  ])('rejects %j before it changes any file', async (wrong, message) => {
    const directory = newDirectory(scratch);
    const options = { directory, ...initDefaults, ...wrong };
    await expect(initialize(options)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(message),
    });
    expect(existsSync(directory.path)).toBe(false);
  });

  it('limits certificates to the lifetime of the authority, with a notice', async () => {
    const directory = newDirectory(scratch);
    const now = new Date('2026-01-01T00:00:00Z');
    const made = await initialize({ directory, ...initDefaults, authorityDays: 30, now: () => now });
    expect(made.certificates.map(({ daysLeft }) => daysLeft)).toEqual([30, 30, 30, 30]);
    expect(made.notices).toEqual([
      'no certificate outlives its authority: they end with it on 2026-01-31, not after 365d',
    ]);
  });
});

describe('the default hosts of a server', () => {
  it('are the loopback names and addresses, and the host name if it is a DNS name', () => {
    expect(defaultHosts('box.example')).toEqual(['localhost', '127.0.0.1', '::1', 'box.example']);
    expect(defaultHosts('localhost')).toEqual(['localhost', '127.0.0.1', '::1']);
    expect(defaultHosts("Anna's laptop")).toEqual(['localhost', '127.0.0.1', '::1']);
  });
});

describe('init killed at an operation on the file system', () => {
  // A sample of all operations; test/files/transaction.test.ts tries every step that matters.
  const stride = Number(process.env.KILL_STRIDE ?? 8);

  it('never leaves a key readable to other users, and leaves all files or none', async () => {
    const script = `
process.umask(0);
const { PkiDirectory } = await import(${JSON.stringify(builtModule('src/pki/store/directory.js'))});
const { initialize } = await import(${JSON.stringify(builtModule('src/pki/issue/init.js'))});
const options = ${JSON.stringify({ ...initDefaults, passphrase: undefined })};
await initialize({ directory: new PkiDirectory('certs'), ...options, files: [{ path: 'nats.conf', data: 'x', mode: 0o644 }] });
`;
    let endings = { killed: 0, done: 0 };
    for (let n = 1; endings.done === 0; n += stride) {
      const directory = newDirectory(scratch);
      const folder = join(directory.path, '..');
      const ending = await killedAt(n, script, folder);
      endings = { ...endings, [ending]: endings[ending] + 1 };
      const secrets = Object.entries(contents(folder)).filter(([, text]) => text.includes('PRIVATE'));
      const modes = new Map(tree(folder).map((line) => [line.slice(5), line.slice(0, 4)]));
      for (const [path] of secrets) expect(modes.get(path), `${path} after operation ${n}`).toBe('0600');
      await directory.recover();
      const names = Object.keys(contents(folder)).filter((path) => !path.includes('.natspki'));
      if (names.length === 0) await initialize({ directory, ...initDefaults });
      else expect(names).toHaveLength(9);
      expect(await verifyDirectory(new PkiDirectory(directory.path))).toEqual([]);
    }
    expect(endings.killed).toBeGreaterThan(6);
  });
});
