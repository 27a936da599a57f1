// `natspki rotate`: its output, what it does not change, and running servers during a rotation.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../src/pki/verify/verification.ts';
import { bin, natspki, Program } from '../harness/process.ts';
import { type ServerUnderTest, startProcess } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { leafOf } from '../support/pki.ts';
import { steady } from '../support/shown.ts';
import { contents } from '../support/tree.ts';

const scratch = testFolder('rotate');
const made = join(scratch, 'made');

beforeAll(async () => {
  mkdirSync(made);
  const init = [
    'init',
    '--yes',
    '--host',
    '127.0.0.1',
    'localhost',
    '--ca-name',
    'Mine',
    '--client',
    'alice',
  ];
  expect(await natspki(made, init)).toMatchObject({ code: 0 });
  expect(await natspki(made, ['pin', 'certs/alice-cert.pem', '--add', 'nats.conf'])).toMatchObject({
    code: 0,
  });
});

/** A folder as `init` leaves it, with the pin of alice in nats.conf. */
const initialized = () => freshCopy(made);

const certificates = (folder: string) => new PkiDirectory(join(folder, 'certs'));
const leaf = (folder: string, name: string) => leafOf(certificates(folder), name);
const conf = (folder: string) => readFileSync(join(folder, 'nats.conf'), 'utf8');

describe('natspki rotate', () => {
  it('replaces the named certificates, adds their pins to the configuration and lists both', async () => {
    const folder = initialized();
    const [before, old] = [conf(folder), leaf(folder, 'alice').pin];
    const result = await natspki(folder, ['rotate', 'alice', 'server']);
    expect({ ...result, stdout: steady(result.stdout) }).toEqual({
      code: 0,
      stderr: '',
      stdout: `NAME    PROFILE  SANS                 KEY   ISSUER  NOT AFTER   LEFT  PIN
alice   client   alice                p256  Mine    DAY  NNNN  PIN
server  server   127.0.0.1 localhost  p256  Mine    DAY  NNNN  PIN

added 1 pin to ./nats.conf
servers: the bundled broker reloads by itself; nats-server after \`nats-server --signal reload=PIDFILE\`
clients: give each its new pair: alice
`,
    });
    expect(conf(folder)).toBe(before.replace(`"${old}"`, `"${old}", "${leaf(folder, 'alice').pin}"`));
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });

  it('removes only the pins of replaced certificates with --prune-pins', async () => {
    const folder = initialized();
    const stranger = 'e'.repeat(64);
    const outside = ['issue', 'client', 'bob', '--out', 'elsewhere'];
    expect(await natspki(folder, outside)).toMatchObject({ code: 0 });
    await natspki(folder, ['pin', 'elsewhere/bob-cert.pem', '--add', 'nats.conf']);
    writeFileSync(
      join(folder, 'nats.conf'),
      conf(folder).replace('pinned_certs: [', `pinned_certs: ["${stranger}", `),
    );
    const [before, old] = [conf(folder), leaf(folder, 'alice').pin];
    const { stdout } = await natspki(folder, ['rotate', '--prune-pins']);
    expect(stdout).toContain('\nadded 1 pin to ./nats.conf\nremoved 1 pin from ./nats.conf\n');
    const expected = before
      .replace(`"${old}", `, '')
      .replace(/(pinned_certs: .*)\]/, `$1, "${leaf(folder, 'alice').pin}"]`);
    expect(conf(folder)).toBe(expected);
  });

  it('prints the plan with --dry-run and changes nothing', async () => {
    const folder = initialized();
    const before = contents(folder);
    expect(await natspki(folder, ['rotate', '--dry-run', 'server', 'alice', '--keep-key'])).toEqual({
      code: 0,
      stderr: '',
      stdout: `reissue     alice: client, same key, 365 days (364 days left)
reissue     server: server, same key, 365 days (364 days left)
`,
    });
    const { stdout } = await natspki(folder, ['rotate', '--dry-run', '--json', 'route']);
    expect(JSON.parse(stdout)).toMatchObject({
      plan: { steps: [{ action: 'reissue', name: 'route', days: 365 }] },
    });
    expect((await natspki(folder, ['rotate', '--dry-run', '--ca'])).stdout).toBe(
      'trust-new   "Mine 2" succeeds "Mine"; both are trusted (p256, 3650 days)\n',
    );
    expect(contents(folder)).toEqual(before);
  });

  it('rotates what is due within a window, or by default in the last third of its life', async () => {
    const folder = initialized();
    await natspki(folder, ['issue', 'client', 'brief', '--days', '3']);
    const names = async (...args: string[]) => {
      const { stdout } = await natspki(folder, ['rotate', '--dry-run', '--json', ...args]);
      return JSON.parse(stdout).plan.steps.map(({ name }: { name: string }) => name);
    };
    expect(await names('--due')).toEqual([]);
    expect(await names('--due', '7d')).toEqual(['brief']);
    expect(await names('--due', '--keep-key', 'server')).toEqual([]);
    expect(await names('--due', '2y1d', 'server')).toEqual(['server']);
    expect(await names('--due', '2x', 'server').catch(() => 'refused')).toBe('refused');
    expect(await natspki(folder, ['rotate', '--due'])).toEqual({
      code: 0,
      stdout: 'nothing to do\n',
      stderr: '',
    });
  });

  it('replaces the authority in three steps', async () => {
    const folder = initialized();
    const started = await natspki(folder, ['rotate', '--ca', '--ca-name', 'Ours']);
    expect(steady(started.stdout)).toBe(`NAME  PROFILE            SANS  KEY   ISSUER  NOT AFTER   LEFT   PIN
ca    authority          -     p256  Ours    DAY  NNNNN  PIN
ca    retired-authority  -     p256  Mine    DAY  NNNNN  PIN

next:
  1. give ca.pem to every server and client, and let servers reload
  2. \`natspki rotate\` issues every certificate anew
  3. give each client its new pair
  4. \`natspki rotate --ca --finish\` makes servers reject the old pairs
`);
    expect(await natspki(folder, ['rotate', '--ca', '--finish'])).toEqual({
      code: 1,
      stdout: '',
      stderr: `natspki: error: 3 certificates still depend on "Mine": alice, route, server
natspki: hint: reissue with \`natspki rotate alice route server\`, or pass --force
`,
    });
    expect(await natspki(folder, ['rotate'])).toMatchObject({ code: 0 });
    expect((await natspki(folder, ['rotate', '--ca', '--finish', '--dry-run'])).stdout).toMatch(
      /^retire-old {2}"Mine": no longer trusted\n1 replaced client certificate of the old .*: alice\n$/,
    );
    expect(await natspki(folder, ['rotate', '--ca', '--finish'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /1 replaced client certificate .*: alice\nnatspki: hint: .*--clients-ready/,
      ),
    });
    const ready = ['rotate', '--ca', '--finish', '--clients-ready'];
    expect(await natspki(folder, ready)).toMatchObject({ code: 0, stderr: '' });
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });

  it('restores a pair, and its pin if that was removed', async () => {
    const folder = initialized();
    const [before, old] = [contents(join(folder, 'certs')), leaf(folder, 'alice').pin];
    await natspki(folder, ['rotate', 'alice', '--prune-pins']);
    expect(conf(folder)).not.toContain(old);
    expect(await natspki(folder, ['rotate', '--undo', 'alice'])).toMatchObject({ code: 0, stderr: '' });
    expect(contents(join(folder, 'certs'))).toMatchObject({
      'alice-cert.pem': before['alice-cert.pem'],
      'alice-key.pem': before['alice-key.pem'],
    });
    expect(conf(folder)).toContain(old);
  });

  it('restores all pairs of the last rotation, and the old authority before the end', async () => {
    const folder = initialized();
    const before = contents(join(folder, 'certs'));
    const live = () => {
      const now = contents(join(folder, 'certs'));
      return [
        'ca.pem',
        'ca-key.pem',
        'alice-cert.pem',
        'alice-key.pem',
        'server-cert.pem',
        'route-key.pem',
      ].filter((name) => now[name] !== before[name]);
    };
    await natspki(folder, ['rotate', '--ca']);
    await natspki(folder, ['rotate']);
    const early = await natspki(folder, ['rotate', '--ca', '--undo']);
    expect(early.stderr).toMatch(
      /"Mine 2" has signed certificates in use: alice, route, server\n.*rotate --undo/,
    );
    const { stdout } = await natspki(folder, ['rotate', '--undo', '--json']);
    expect(JSON.parse(stdout).certificates.map(({ name }: { name: string }) => name)).toEqual([
      ...['alice', 'route', 'server'],
    ]);
    expect(await natspki(folder, ['rotate', '--ca', '--undo'])).toMatchObject({ code: 0, stderr: '' });
    expect(live()).toEqual([]);
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });

  it('runs two rotations of one folder one after the other', async () => {
    const folder = initialized();
    const results = await Promise.all([1, 2].map(() => natspki(folder, ['rotate', '--json'])));
    expect(results.map(({ code }) => code)).toEqual([0, 0]);
    const serials = results.map(({ stdout }) => JSON.parse(stdout).certificates[0].serial);
    expect(new Set(serials).size).toBe(2);
    expect(serials).toContain(leaf(folder, 'alice').serial);
    expect(conf(folder)).toContain(leaf(folder, 'alice').pin);
    expect(await verifyDirectory(certificates(folder))).toEqual([]);
  });

  it.each([
    [['rotate', '--ca', 'server'], '--ca and names of certificates are mutually exclusive'],
    [['rotate', '--undo', 'server', 'alice'], '--undo and names of certificates are mutually exclusive'],
    [['rotate', '--finish'], '--finish needs --ca'],
    [['rotate', '--due', '3x'], 'invalid duration "3x"'],
    [['rotate', '--verify', 'ftp://localhost', 'alice'], '"ftp://localhost" is not the URL of a TLS server'],
  ])('rejects %j as wrong usage', async (args, message) => {
    const folder = initialized();
    const before = contents(folder);
    const { code, stderr } = await natspki(folder, args);
    expect(stderr).toContain(`natspki: error: ${message}`);
    expect(code).toBe(2);
    expect(contents(folder)).toEqual(before);
  });

  it.each([
    [['rotate', 'alcie'], 'no certificate "alcie" to rotate\nnatspki: hint: did you mean "alice"'],
    [['rotate', '--undo', 'alice'], 'the archive of "./certs" has no certificate "alice"'],
    [['rotate', '--config', 'none.conf'], '"none.conf" does not exist'],
    [['rotate', '--reload', 'none.pid'], '"none.pid" does not exist'],
    [['rotate', '--reload', 'nats.conf'], '"nats.conf" does not contain a process id'],
    [['rotate', '--reload', '4194305'], 'there is no process 4194305'],
    [['rotate', '--dir', 'nowhere'], 'no authority in "nowhere"'],
  ])('fails on %j before it changes anything', async (args, message) => {
    const folder = initialized();
    const before = contents(folder);
    const { code, stdout, stderr } = await natspki(folder, args);
    expect(stderr).toContain(`natspki: error: ${message}`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(contents(folder)).toEqual(before);
  });

  it('sends no SIGHUP to a process that is no NATS server, as a stale pid file may name one', async () => {
    const folder = initialized();
    const bystander = Program.start(['sleep', '60']);
    try {
      writeFileSync(join(folder, 'nats.pid'), `${bystander.pid}\n`);
      const { code, stderr } = await natspki(folder, ['rotate', '--reload', 'nats.pid']);
      expect(stderr).toContain(`process ${bystander.pid} is "sleep", not a NATS server`);
      expect(code).toBe(1);
      expect(bystander.isRunning).toBe(true);
    } finally {
      await bystander.close();
    }
  });
});

/** Connects as alice; fails unless the server accepts the connection. */
async function connected(folder: string, { port }: ServerUnderTest): Promise<Wire> {
  const read = (name: string) => readFileSync(join(folder, 'certs', name));
  const tls = {
    ca: read('ca.pem'),
    cert: read('alice-cert.pem'),
    key: read('alice-key.pem'),
    host: 'localhost',
  };
  const wire = await Wire.open(port, { tls });
  wire.send('CONNECT {"verbose":false}\r\n');
  await wire.receives('');
  return wire;
}

function throughRotation(server: (folder: string) => readonly string[], reload: readonly string[]): void {
  it('serves the new certificates at once, accepts old and new keys, and keeps open connections', async () => {
    const folder = initialized();
    const running = await startProcess(
      [...server(folder), '-c', 'nats.conf', '-a', '127.0.0.1', '-p', '-1', '-P', 'nats.pid'],
      folder,
    );
    try {
      const early = await connected(folder, running);
      const url = `tls://127.0.0.1:${running.port}`;
      const { stdout, stderr } = await natspki(folder, ['rotate', ...reload, '--verify', url]);
      expect(stderr).toBe('');
      expect(stdout).toMatch(new RegExp(`\n${url} at 127.0.0.1 serves "server"\n$`));
      const late = await connected(folder, running);
      await early.drain();
      for (const step of [['--ca'], [], ['--ca', '--finish', '--clients-ready']]) {
        expect(await natspki(folder, ['rotate', ...step, ...reload, '--verify', url])).toMatchObject({
          code: 0,
        });
        (await connected(folder, running)).end();
      }
      // Both earlier connections are still open.
      await early.drain();
      await late.drain();
      early.end();
      late.end();
      // The probes of --verify present a client certificate.
      expect(running.log()).not.toContain('handshake error');
    } finally {
      await running.stop();
    }
  });
}

describePeer('nats-server', 'rotating under nats-server', (nats) => {
  throughRotation(() => [nats], ['--reload', 'nats.pid']);

  it('fails with --verify when the server still serves the old certificate', async () => {
    const folder = initialized();
    const running = await startProcess([nats, '-c', 'nats.conf', '-a', '127.0.0.1', '-p', '-1'], folder);
    try {
      const { serial } = leaf(folder, 'server');
      const url = `tls://127.0.0.1:${running.port}`;
      const { code, stderr } = await natspki(folder, ['rotate', 'server', '--verify', url]);
      expect(stderr).toContain(
        `error: ${url} at 127.0.0.1 serves "server" with serial ${serial}, which is not`,
      );
      expect(code).toBe(1);
    } finally {
      await running.stop();
    }
  });
});

describe('rotating under the bundled broker', () => {
  throughRotation(() => [process.execPath, bin, 'broker'], []);
});
