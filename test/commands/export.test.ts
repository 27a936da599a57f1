// `natspki export`: the formats as other programs read them, and what it refuses.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { openssl } from '../harness/openssl.ts';
import { natspki, run } from '../harness/process.ts';
import { startInProcess } from '../harness/server.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { keys, TerminalSession } from '../support/terminal.ts';

const folder = testFolder('export');
const at = (name: string) => join(folder, name);
const text = (name: string) => readFileSync(at(name), 'utf8');
const modeOf = (name: string) => statSync(at(name)).mode & 0o777;
const exported = (...args: string[]) => natspki(folder, ['export', ...args]);

beforeAll(async () => {
  await natspki(folder, ['init', '--yes', '--client', 'alice', '--client', 'a@example.com']);
  writeFileSync(at('password'), 'secret word\n');
});

describe('natspki export --format pkcs12', () => {
  it('writes a file of mode 0600 that openssl opens with the password', async () => {
    const args = ['alice', '--format', 'pkcs12', '--password-file', 'password'];
    expect(await exported(...args)).toEqual({ code: 0, stdout: 'wrote alice.p12\n', stderr: '' });
    expect(modeOf('alice.p12')).toBe(0o600);
    const pem = openssl('pkcs12', '-in', at('alice.p12'), '-passin', 'pass:secret word', '-nodes');
    for (const file of ['alice-key', 'alice-cert', 'ca']) expect(pem).toContain(text(`certs/${file}.pem`));
    const before = readFileSync(at('alice.p12'));
    expect(await exported(...args)).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: "alice.p12" already exists\n' +
        'natspki: hint: choose another place with --out, or pass --force to replace it\n',
    });
    expect(readFileSync(at('alice.p12'))).toEqual(before);
    expect((await exported(...args, '--force', '--legacy')).code).toBe(0);
    expect(openssl('pkcs12', '-in', at('alice.p12'), '-passin', 'pass:secret word', '-nokeys')).toContain(
      'alice',
    );
  });

  it('asks twice for the password on a terminal', async () => {
    const args = ['export', 'alice', '--format', 'pkcs12', '--legacy', '--out', 'asked.p12'];
    const session = new TerminalSession(folder, args);
    await session.answer(/Password of the PKCS#12 file/, 'typed word', keys.enter);
    await session.answer(/Repeat the password/, 'typed word', keys.enter);
    expect(await session.ended).toBe(0);
    expect(session.text).not.toContain('typed word');
    expect(openssl('pkcs12', '-in', at('asked.p12'), '-passin', 'pass:typed word', '-nokeys')).toContain(
      'alice',
    );
  });

  it('asks for no password without a terminal, and writes nothing', async () => {
    const { code, stdout } = await exported('alice', '--format', 'pkcs12', '--out', 'none.p12', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'password-needed',
      hint: 'pass --password-file FILE',
    });
    expect(existsSync(at('none.p12'))).toBe(false);
  });
});

describe('natspki export --format kubernetes', () => {
  it("prints a Secret that a strict YAML parser reads, with cert-manager's keys", async () => {
    const args = ['alice', '--format', 'kubernetes', '--namespace', 'nats', '--out', '-'];
    const { code, stdout } = await exported(...args);
    expect(code).toBe(0);
    const document = parseDocument(stdout, { strict: true, version: '1.2', uniqueKeys: true });
    expect([...document.errors, ...document.warnings]).toEqual([]);
    const base64 = (...files: string[]) =>
      Buffer.from(files.map((file) => text(file)).join('')).toString('base64');
    expect(document.toJS()).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'alice', namespace: 'nats' },
      type: 'kubernetes.io/tls',
      data: {
        'tls.crt': base64('certs/alice-cert.pem'),
        'tls.key': base64('certs/alice-key.pem'),
        'ca.crt': base64('certs/ca.pem'),
      },
    });
  });

  it('rejects a name that Kubernetes does not take, and suggests one', async () => {
    expect(await exported('a@example.com', '--format', 'kubernetes')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('natspki: hint: --secret a-example.com\n'),
    });
    expect(await exported('alice', '--format', 'kubernetes', '--namespace', 'a: b')).toMatchObject({
      code: 2,
    });
  });

  it('writes what the sealing program prints, and nothing when it fails', async () => {
    const sealed = await exported(
      'alice',
      '--format',
      'kubernetes',
      '--sealed-by',
      'wc -l',
      '--out',
      'sealed.yaml',
    );
    expect(sealed).toMatchObject({ code: 0, stderr: '' });
    expect(text('sealed.yaml').trim()).toBe('9');
    expect(modeOf('sealed.yaml')).toBe(0o600);
    for (const command of ['exit 3', 'cat >/dev/null']) {
      const { code, stdout } = await exported(
        ...['alice', '--format', 'kubernetes', '--sealed-by', command, '--out', 'failed.yaml', '--json'],
      );
      expect({ code, error: JSON.parse(stdout).error.code }).toEqual({ code: 1, error: 'not-sealed' });
    }
    expect(existsSync(at('failed.yaml'))).toBe(false);
  });
});

describe('natspki export --format pem', () => {
  it('writes the key, the certificate and the authority into one file, or into a folder', async () => {
    const { stdout } = await exported('alice', '--format', 'pem', '--json');
    expect(JSON.parse(stdout)).toEqual({ name: 'alice', format: 'pem', files: ['alice.pem'] });
    const files = ['alice-key.pem', 'alice-cert.pem', 'ca.pem'];
    expect(text('alice.pem')).toBe(files.map((file) => text(`certs/${file}`)).join(''));
    expect(modeOf('alice.pem')).toBe(0o600);
    expect((await exported('alice', '--format', 'pem', '--out', 'bundle/')).code).toBe(0);
    expect(readdirSync(at('bundle')).sort()).toEqual([...files].sort());
    for (const file of files) expect(text(`bundle/${file}`)).toBe(text(`certs/${file}`));
    expect(modeOf('bundle/alice-key.pem')).toBe(0o600);
  });

  it('writes none of the files into a folder where one of them exists', async () => {
    mkdirSync(at('half'));
    writeFileSync(at('half/ca.pem'), 'mine');
    expect((await exported('alice', '--format', 'pem', '--out', 'half')).stderr).toContain(
      'error: "half/ca.pem" already exists',
    );
    expect(readdirSync(at('half'))).toEqual(['ca.pem']);
    expect((await exported('alice', '--format', 'pem', '--out', 'certs', '--force')).code).toBe(2);
  });
});

describe('wrong use of natspki export', () => {
  it.each([
    [['nobody', '--format', 'pem'], 1, 'no certificate "nobody" in "./certs"'],
    [['ca', '--format', 'pem'], 2, 'name "ca" is the authority\'s own'],
    [
      ['alice', '--format', 'pm'],
      2,
      '--format is "pm", expected one of pkcs12, kubernetes, nats-context, pem',
    ],
    [['alice', '--format', 'pem', '--legacy'], 2, '--legacy is for --format pkcs12, found pem'],
    [
      ['alice', '--format', 'pem', '--out', 'none/x.pem'],
      1,
      'cannot write "none/x.pem": folder "none" does not exist',
    ],
  ])('is reported: %j', async (args, code, message) => {
    const finished = await exported(...args);
    expect(finished).toMatchObject({ code, stdout: '' });
    expect(finished.stderr).toContain(`natspki: error: ${message}\n`);
  });

  it('refuses to mix the document of --json with a key on stdout', async () => {
    const { code, stdout } = await exported('alice', '--format', 'pem', '--out', '-', '--json');
    expect({ code, error: JSON.parse(stdout).error.message }).toEqual({
      code: 2,
      error: '--json and --out - both print to stdout',
    });
  });

  it('reports a key that is elsewhere', async () => {
    await natspki(folder, ['issue', 'client', 'carol']);
    rmSync(at('certs/carol-key.pem'));
    expect((await exported('carol', '--format', 'pem')).stderr).toContain(
      'error: the key of certificate "carol" is not in "./certs", and an export contains it',
    );
  });
});

describePeer('nats', 'an exported context', (bin) => {
  it('lets `nats --context` publish, also after a rotation', async () => {
    const tls = `cert_file: "${at('certs/server-cert.pem')}", key_file: "${at('certs/server-key.pem')}"`;
    const server = await startInProcess(`tls { ${tls}, ca_file: "${at('certs/ca.pem')}", verify: true }`);
    try {
      const environment = { XDG_CONFIG_HOME: at('xdg'), HOME: folder };
      const url = `nats://127.0.0.1:${server.port}`;
      const args = ['export', 'alice', '--format', 'nats-context', '--server', url];
      expect((await natspki(folder, args, { environment })).stdout).toBe(
        `wrote ${at('xdg/nats/context/alice.json')}\n`,
      );
      expect(modeOf('xdg/nats/context/alice.json')).toBe(0o600);
      const publish = () => run([bin, '--context', 'alice', 'pub', 'greeting', 'hello'], { environment });
      expect((await publish()).code).toBe(0);
      expect((await natspki(folder, ['rotate', 'alice'])).code).toBe(0);
      expect((await publish()).code).toBe(0);
    } finally {
      await server.stop();
    }
  });
});
