// `natspki serve` on the built program, with curl and openssl as a member: enrolment, renewal, the page, and how it ends.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCertificates } from '../../src/x509/certificate.ts';
import { makeCsr, openssl } from '../harness/openssl.ts';
import { bin, natspki, Program, type RunOptions, run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { ask, askJson } from '../support/monitoring.ts';

const folder = testFolder('serve');
const at = (name: string) => join(folder, name);
const anywhere = '127.0.0.1:0';
let program: Program;
let http = '';

beforeAll(async () => {
  await natspki(folder, ['init', '--yes']);
  program = startNatspki(['serve', '--listen', anywhere, '--http', anywhere]);
  [, http = ''] = await program.printed(/Listening for HTTP on (\S+)/);
  await program.printed(/Serving \.\/certs: "natspki CA" signs/);
});
afterAll(() => program?.end());

function startNatspki(args: readonly string[], options: RunOptions = {}): Program {
  return Program.start([process.execPath, bin, ...args], { folder, ...options });
}

/** Makes a request with openssl and posts it with curl; returns the HTTP status. The chain is in NAME.pem. */
async function est(url: string, operation: string, name: string, ...options: string[]): Promise<number> {
  const request = makeCsr(folder, name, '/CN=any');
  const { stdout } = await run([
    ...[
      'curl',
      '--silent',
      '--cacert',
      at('certs/ca.pem'),
      '--output',
      at('answer'),
      '--write-out',
      '%{http_code}',
    ],
    ...['--data-binary', `@${request}`, ...options, `${url}/.well-known/est/${operation}`],
  ]);
  if (stdout !== '200') return Number(stdout);
  writeFileSync(at('answer.p7'), Buffer.from(readFileSync(at('answer'), 'utf8'), 'base64'));
  writeFileSync(
    at(`${name}.pem`),
    openssl('pkcs7', '-inform', 'DER', '-in', at('answer.p7'), '-print_certs'),
  );
  return 200;
}

const as = (name: string) => ['--cert', at(`${name}.pem`), '--key', at(`${name}.key`)];

async function invited(...args: string[]): Promise<{ url: string; user: string }> {
  const { stdout } = await natspki(folder, ['invite', ...args, '--json']);
  const { urls, id, secret } = JSON.parse(stdout);
  return { url: urls[0], user: `${id}:${secret}` };
}

describe('natspki serve', () => {
  it('enrols and renews a host whose key it never sees, and follows every change of the folder', async () => {
    const { url, user } = await invited('client', 'alice');
    expect(await est(url, 'simpleenroll', 'first', '--user', user)).toBe(200);
    expect(await est(url, 'simpleenroll', 'again', '--user', user)).toBe(403);
    expect(await est(url, 'simplereenroll', 'second', ...as('first'))).toBe(200);
    const [leaf] = readCertificates(readFileSync(at('second.pem')), 'second.pem');
    expect(leaf.commonName).toBe('alice');

    await natspki(folder, ['rotate', '--ca']);
    expect((await ask(`${http}/ca.pem`)).body).toBe(readFileSync(at('certs/ca.pem'), 'utf8'));
    const { rotation } = await askJson(`${http}/page.json`);
    expect(rotation).toMatchObject({ left: 4, total: 4, names: ['alice', 'client', 'route', 'server'] });
    const early = await natspki(folder, ['rotate', '--ca', '--finish']);
    expect(early.stderr).toContain('alice (a member)');
    await natspki(folder, ['rotate']);
    expect(await est(url, 'simplereenroll', 'third', ...as('second'))).toBe(200);
    expect((await askJson(`${http}/page.json`)).rotation).toMatchObject({ left: 0 });
    const soon = await natspki(folder, ['rotate', '--ca', '--finish']);
    expect(soon.stderr).toContain('a short time ago, and may not have it yet: alice');
    expect((await natspki(folder, ['rotate', '--ca', '--finish', '--clients-ready'])).code).toBe(0);
  });

  it('shows certificates, renewals, refusals and copied keys on the page and in the metrics', async () => {
    const { url, user } = await invited('client', 'bob');
    expect(await est(url, 'simpleenroll', 'bob', '--user', user)).toBe(200);
    expect(await est(url, 'simplereenroll', 'bob-2', ...as('bob'))).toBe(200);
    expect(await est(url, 'simplereenroll', 'thief', ...as('bob'))).toBe(403);
    const page = await askJson(`${http}/page.json?filter=BOB`);
    expect(page.members).toMatchObject([{ name: 'bob', profile: 'client', over: 'est', overdue: false }]);
    expect(page.copied).toMatchObject([
      { name: 'bob', reason: expect.stringMatching(/^renewed twice from/) },
    ]);
    expect(page.refused[0]).toMatchObject({ code: 'renewed-twice', over: 'est', peer: '127.0.0.1' });
    const { body } = await ask(`${http}/metrics`);
    expect(body).toMatch(
      /^natspki_fleet_certificate_not_after_timestamp_seconds\{name="bob",profile="client"\} \d+/m,
    );
    expect(body).toContain('natspki_fleet_refusals_total{reason="renewed-twice"} 1\n');
    expect(body).toContain('natspki_fleet_renewals_total{over="est"} 3\n');
    expect(body).toContain('natspki_fleet_invitations{state="used"} 2\n');
    expect(await askJson(`${http}/healthz`)).toEqual({ status: 'ok' });
    const log = readFileSync(at('certs/.natspki/audit.log'), 'utf8');
    expect(log).not.toContain(user.split(':')[1]);
    expect(program.stderr).toContain('its key was copied (renewed-twice)');
  });

  it('lets a member back in with `invite --again`', async () => {
    const { url, user } = await invited('--again', 'bob');
    expect(await est(url, 'simpleenroll', 'bob-3', '--user', user)).toBe(200);
    expect(await est(url, 'simplereenroll', 'bob-4', ...as('bob-3'))).toBe(200);
  });

  it('stops with code 0 on SIGTERM', async () => {
    const other = startNatspki(['serve', '--listen', anywhere]);
    await other.printed(/Serving/);
    process.kill(other.pid, 'SIGTERM');
    expect(await other.ended).toBe(0);
    expect(other.stderr).toMatch(/Trapped "SIGTERM" signal\n(.*\n)*.*Stopped\n$/);
  });

  it('serves with an encrypted intermediate, opened by a credential of systemd, while the root is away', async () => {
    writeFileSync(at('passphrase'), 'correct horse\n');
    const made = [
      '--dir',
      'sealed',
      '--config',
      'sealed.conf',
      '--intermediate',
      '--passphrase-file',
      'passphrase',
    ];
    await natspki(folder, ['init', '--yes', ...made]);
    rmSync(at('sealed/ca-key.pem'));
    const args = ['serve', '--dir', 'sealed', '--listen', anywhere];
    const closed = await natspki(folder, args);
    expect(closed).toMatchObject({ code: 1, stderr: expect.stringContaining('passphrase') });
    const other = startNatspki(args, { environment: { CREDENTIALS_DIRECTORY: folder } });
    await other.printed(/Serving sealed/);
    const { url, user } = await invited('client', 'erin', '--dir', 'sealed');
    const trust = ['--cacert', at('sealed/ca.pem')];
    expect(await est(url, 'simpleenroll', 'erin', '--user', user, ...trust)).toBe(200);
    expect(await est(url, 'simplereenroll', 'erin-2', ...as('erin'), ...trust)).toBe(200);
    const chain = readCertificates(readFileSync(at('erin-2.pem')), 'erin-2.pem');
    expect(chain.map(({ authority }) => authority)).toEqual([false, true]);
    await other.end();
  });

  it('refuses to start with nothing to serve, a bad address, a taken port, or without a pair', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    const refused = async (...args: string[]) => {
      const { code, stderr } = await natspki(folder, ['serve', ...args]);
      return `${code} ${stderr.split('\n').slice(-3).join('\n')}`;
    };
    expect(await refused()).toContain('2 natspki: error: nothing to serve members with');
    expect(await refused('--listen', 'here')).toContain('--listen is "here", expected HOST:PORT');
    expect(await refused('--nats', 'http://x')).toContain('expected the URL of a NATS server');
    expect(await refused('--listen', anywhere, '--url', 'here')).toContain('expected https://HOST:PORT');
    const busy = await refused('--listen', `127.0.0.1:${port}`);
    expect(busy).toContain(`cannot listen on 127.0.0.1:${port}: EADDRINUSE`);
    expect(busy).toContain('choose another port with --listen');
    expect(await refused('--listen', anywhere, '--pair', 'nope')).toContain('there is no pair "nope"');
    taken.close();
  });

  it('prints the permissions of its users as a configuration', async () => {
    const { stdout } = await natspki(folder, ['serve', '--print-permissions']);
    writeFileSync(at('permissions.conf'), stdout);
    expect((await natspki(folder, ['check', 'permissions.conf'])).stdout).toContain('0 errors');
    expect(stdout).toContain('{ service: "pki.renew" }');
  });
});
