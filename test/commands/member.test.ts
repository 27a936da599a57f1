// `natspki enroll` and `natspki renew` on a host of their own, and the other commands in the folder of a member.
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import { bin, natspki, Program } from '../harness/process.ts';
import { type EstServer, serveEst, type TestFleet, testFleet } from '../support/fleet.ts';
import { testFolder } from '../support/folder.ts';
import { leafOf } from '../support/pki.ts';

const scratch = testFolder('member');
let fleet: TestFleet;
let server: EstServer;
let host: string;
let directory: PkiDirectory;

beforeAll(async () => {
  fleet = await testFleet(scratch, ['https://localhost:1']);
  server = await serveEst(fleet);
  host = mkdtempSync(join(scratch, 'host-'));
  directory = new PkiDirectory(join(host, 'certs'));
  const input = `${await fleet.token('web-1', { urls: [server.url] })}\n`;
  const { code, stderr } = await natspki(host, ['enroll', '-'], { input });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});
afterAll(() => server.close());

const newHost = () => mkdtempSync(join(scratch, 'host-'));
const token = (name: string) => fleet.token(name, { urls: [server.url] });

describe('natspki enroll', () => {
  it('takes the token as an argument or from a file, and prints one document with --json', async () => {
    const folder = newHost();
    writeFileSync(join(folder, 'token'), `${await token('web-2')}\n`);
    const first = await natspki(folder, ['enroll', 'token', '--key-type', 'p384', '--json']);
    expect(first.stderr).toBe('');
    expect(JSON.parse(first.stdout)).toMatchObject({
      directory: './certs',
      certificate: { name: 'web-2', keyType: 'p384', profile: 'client' },
      authority: fleet.authority.pin,
    });
    expect(first.stdout).not.toContain('PRIVATE KEY');
    const second = await natspki(folder, ['enroll', await token('web-3')]);
    expect(second.stdout).toContain('wrote certs/web-3-cert.pem, certs/web-3-key.pem and certs/ca.pem\n');
    expect(second.stdout).toContain('next: natspki renew web-3 --daemon --dir ./certs\n');
    expect(statSync(join(folder, 'certs/web-3-key.pem')).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['a token that was mistyped', ['A'.repeat(200)], 'bad-token'],
    ['a file that does not exist', ['web-9.token'], 'file-missing'],
    ['an empty stdin', ['-'], 'input'],
  ])('refuses %s, and creates no folder', async (_what, args, code) => {
    const folder = newHost();
    const { code: exit, stdout } = await natspki(folder, ['enroll', ...args, '--json']);
    expect({ exit, code: JSON.parse(stdout).error.code }).toEqual({ exit: 1, code });
    expect(() => statSync(join(folder, 'certs'))).toThrow();
  });
});

describe('natspki renew', () => {
  it('renews every pair of the folder, or says what it would do', async () => {
    const before = leafOf(directory, 'web-1').serial;
    const plan = await natspki(host, ['renew', '--dry-run']);
    expect(plan).toEqual({ code: 0, stdout: `renew  web-1: from ${server.url}\n`, stderr: '' });
    const due = await natspki(host, ['renew', '--due']);
    expect(due).toEqual({ code: 0, stdout: 'nothing to do\n', stderr: '' });
    expect(leafOf(directory, 'web-1').serial).toBe(before);
    const { code, stdout, stderr } = await natspki(host, ['renew', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { serial } = leafOf(directory, 'web-1');
    expect(serial).not.toBe(before);
    expect(JSON.parse(stdout)).toMatchObject({
      directory: './certs',
      certificates: [{ name: 'web-1', serial }],
      rootsChanged: false,
      failures: [],
      left: [],
    });
  });

  it('runs --exec with its output apart from the result', async () => {
    const { code, stdout, stderr } = await natspki(host, [
      ...['renew', 'web-1', '--due', '400d', '--keep-key'],
      ...['--exec', 'echo told: $NATSPKI_RENEWED', '--json'],
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'told: web-1\n' });
    expect(JSON.parse(stdout).certificates).toHaveLength(1);
  });

  it('puts the old pair back where the server does not serve the new one', async () => {
    const { serial } = leafOf(directory, 'web-1');
    const url = server.url;
    const refused = await natspki(host, ['renew', '--verify', url, '--json']);
    expect(refused.code).toBe(1);
    const { error } = JSON.parse(refused.stdout);
    expect(error.code).toBe('not-served');
    expect(error.message).toContain('put the previous pair of web-1 back');
    expect(leafOf(directory, 'web-1').serial).toBe(serial);
    // It asks again with the same key, so that it does not look like a thief.
    const again = await natspki(host, ['renew']);
    expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: '' });
  });

  it.each([
    [['nope'], 1, 'no-certificate'],
    [['web-2'], 1, 'no-certificate'],
    [['--from', 'http://localhost'], 2, 'usage'],
    [['--from', 'https://localhost:1'], 1, 'unreachable'],
    [['--from', 'nats://localhost:1'], 1, 'unreachable'],
    [['--due', '-3d'], 2, 'usage'],
    [['--verify', 'localhost'], 2, 'usage'],
    [['--daemon', '--dry-run'], 2, 'usage'],
    [['--dir', 'none'], 1, 'no-authority'],
  ])('fails for %j with a code and a hint', async (args, exit, code) => {
    const { code: found, stdout } = await natspki(host, ['renew', ...args, '--json']);
    const { error } = JSON.parse(stdout);
    expect([found, error.code]).toEqual([exit, code]);
    expect(error.hint).toMatch(/./);
  });

  it('keeps running with --daemon, renews at once on SIGHUP, and ends at once on SIGTERM', async () => {
    const before = leafOf(directory, 'web-1').serial;
    const daemon = Program.start([process.execPath, bin, 'renew', '--daemon'], { folder: host });
    try {
      await daemon.printed(/\[INF\] the next renewal is at /);
      expect(leafOf(directory, 'web-1').serial).toBe(before);
      daemon.signal('SIGHUP');
      await daemon.printed(/\[INF\] renewed "web-1" until /);
      expect(leafOf(directory, 'web-1').serial).not.toBe(before);
      expect(await daemon.end()).toBe(0);
    } finally {
      await daemon.close();
    }
  });

  it('ends at once on SIGTERM while the authority does not answer', async () => {
    let asked = () => {};
    const waiting = new Promise<void>((resolve) => {
      asked = resolve;
    });
    let go = () => {};
    const silent = await serveEst(fleet, {
      answers: () =>
        new Promise((resolve) => {
          go = () => resolve(false);
          asked();
        }),
    });
    const daemon = Program.start(
      [process.execPath, bin, 'renew', '--daemon', '--from', silent.url, '--due', '400d'],
      { folder: host },
    );
    try {
      await waiting;
      const from = performance.now();
      expect(await daemon.end()).toBe(0);
      expect(performance.now() - from).toBeLessThan(5000);
    } finally {
      go();
      await daemon.close();
      await silent.close();
    }
  });
});

describe('the folder of a member', () => {
  it('is listed, verified, inspected, pinned and checked as any other', async () => {
    writeFileSync(
      join(host, 'nats.conf'),
      'tls { cert_file: "certs/web-1-cert.pem", key_file: "certs/web-1-key.pem", ca_file: "certs/ca.pem" }\n',
    );
    const { pin } = leafOf(directory, 'web-1');
    const list = await natspki(host, ['list', '--json']);
    const names = JSON.parse(list.stdout).certificates.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['ca', 'web-1']);
    const verify = await natspki(host, ['verify', '--json']);
    expect(verify.code).toBe(0);
    expect(JSON.parse(verify.stdout).findings).toEqual([]);
    expect((await natspki(host, ['inspect', 'certs/web-1-cert.pem'])).stdout).toContain(pin);
    expect((await natspki(host, ['pin', 'certs/web-1-cert.pem'])).stdout).toContain(pin);
    const check = await natspki(host, ['check', 'nats.conf', '--json']);
    expect(JSON.parse(check.stdout).error).toBeUndefined();
  });

  it('names `natspki renew` where `verify` finds something', async () => {
    const folder = newHost();
    const aged = new PkiDirectory(join(folder, 'certs'));
    mkdirSync(join(folder, 'certs/.natspki'), { recursive: true });
    const old = await testFleet(scratch, ['https://localhost:1']);
    for (const [from, to] of [
      [old.directory.certificateFile('client'), aged.certificateFile('client')],
      [old.directory.keyFile('client'), aged.keyFile('client')],
      [fleet.directory.authorityFile, aged.authorityFile],
      [directory.memberFile, aged.memberFile],
    ] as const) {
      writeFileSync(to, readFileSync(from), { mode: 0o600 });
    }
    const { stdout } = await natspki(folder, ['verify', '--json']);
    const hints = JSON.parse(stdout).findings.map(({ hint }: { hint: string }) => hint);
    expect(hints).toContain('natspki renew client');
  });

  it.each([
    [['rotate'], 'natspki renew'],
    [['rotate', '--dry-run'], 'natspki renew'],
    [['rotate', '--ca'], 'natspki renew'],
    [['watch', '--once'], 'natspki renew'],
    [['issue', 'client', 'x'], 'natspki invite'],
    [['revoke', 'web-1', '--dry-run'], 'natspki invite'],
    [['crl'], 'natspki invite'],
    [['invite', 'client', 'x', '--url', 'https://localhost:1'], 'natspki invite'],
    [['init', '--yes'], '--dir'],
    [['init', '--yes', '--force'], '--dir'],
  ])('is refused by `natspki %j`, which says what to do instead', async (args, hint) => {
    const { code, stdout } = await natspki(host, [...args, '--json']);
    const { error } = JSON.parse(stdout);
    expect([code, error.code]).toEqual([1, 'member-folder']);
    expect(error.hint).toContain(hint);
  });

  it('gives its previous pair back with `rotate --undo`', async () => {
    const { serial } = leafOf(directory, 'web-1');
    const { code, stderr } = await natspki(host, ['rotate', '--undo', 'web-1']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(leafOf(directory, 'web-1').serial).not.toBe(serial);
  });
});
