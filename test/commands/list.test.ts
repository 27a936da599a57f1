import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bin, natspki } from '../harness/process.ts';
import { startProcess } from '../harness/server.ts';
import { testFolder } from '../support/folder.ts';
import { loadedModules } from '../support/loaded-modules.ts';
import { steady } from '../support/shown.ts';

const folder = testFolder('list');

beforeAll(async () => {
  await natspki(folder, ['init', '--yes', '--host', 'localhost', '--days', '90']);
  await natspki(folder, ['issue', 'client', 'brief', '--days', '5']);
});

describe('natspki list', () => {
  it('lists every certificate of the folder, the authority first', async () => {
    const result = await natspki(folder, ['list']);
    expect({ ...result, stdout: steady(result.stdout) }).toEqual({
      code: 0,
      stderr: '',
      stdout: `NAME    PROFILE    SANS       KEY   ISSUER      NOT AFTER   LEFT   PIN
ca      authority  -          p256  natspki CA  DAY  NNNNN  PIN
brief   client     brief      p256  natspki CA  DAY     NN  PIN
client  client     client     p256  natspki CA  DAY    NNN  PIN
route   route      localhost  p256  natspki CA  DAY    NNN  PIN
server  server     localhost  p256  natspki CA  DAY    NNN  PIN
`,
    });
  });

  it('lists only the certificates that are due within a window', async () => {
    expect((await natspki(folder, ['list', '--due', '1w'])).stdout).toMatch(/^NAME.*\nbrief .*\n$/);
    expect(await natspki(folder, ['list', '--due', '1d'])).toEqual({
      code: 0,
      stdout: 'nothing due within 1d\n',
      stderr: '',
    });
  });

  it('exits with 1 for --fail-on-due only if a certificate is due', async () => {
    expect((await natspki(folder, ['list', '--fail-on-due'])).code).toBe(0);
    expect((await natspki(folder, ['list', '--due', '2d', '--fail-on-due'])).code).toBe(0);
    expect(await natspki(folder, ['list', '--due', '30d', '--fail-on-due'])).toMatchObject({
      code: 1,
      stderr: '',
    });
  });

  it('prints one JSON document', async () => {
    const { stdout } = await natspki(folder, ['list', '--json', '--due', '30d']);
    const document = JSON.parse(stdout);
    expect(document).toMatchObject({ directory: './certs', certificates: [{ name: 'brief', due: true }] });
    expect(Object.keys(document.certificates[0]).sort()).toEqual(
      [
        'name',
        'profile',
        'sans',
        'keyType',
        'issuer',
        'serial',
        'notBefore',
        'notAfter',
        'daysLeft',
        'lifeLeft',
        'due',
        'pin',
        'ocspUrls',
        'crlUrls',
        'certificateFile',
        'keyFile',
      ].sort(),
    );
  });

  it('reports a missing authority and an invalid duration, with hints', async () => {
    expect(await natspki(folder, ['list', '--dir', 'none'])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: no authority in "none"\nnatspki: hint: make one with `natspki init`, or name its folder with --dir\n',
    });
    expect(await natspki(folder, ['list', '--due', 'soon'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('natspki: error: invalid duration "soon"\nnatspki: hint: '),
    });
  });

  it('lists all other certificates when a file is damaged, and exits with 1', async () => {
    const torn = join(folder, 'torn');
    cpSync(join(folder, 'certs'), torn, { recursive: true });
    writeFileSync(join(torn, 'route-cert.pem'), 'torn');
    const { code, stdout, stderr } = await natspki(folder, ['list', '--dir', 'torn']);
    expect(stdout.match(/^[a-z]+(?= )/gm)).toEqual(['ca', 'brief', 'client', 'server']);
    expect(code).toBe(1);
    expect(stderr).toBe(
      'natspki: error: "torn/route-cert.pem" is neither PEM nor DER of a certificate, request or key\n' +
        'natspki: hint: natspki issue route route --san dns:localhost --force\n',
    );
    const document = await natspki(folder, ['list', '--dir', 'torn', '--json']);
    expect(document).toMatchObject({ code: 1, stderr: '' });
    expect(JSON.parse(document.stdout)).toMatchObject({
      certificates: [{ name: 'ca' }, { name: 'brief' }, { name: 'client' }, { name: 'server' }],
      damaged: [{ name: 'route', code: 'no-material', hint: expect.stringContaining('--force') }],
    });
  });

  it.each([['list'], ['inspect', 'certs/ca.pem'], ['--help'], ['init', '--help'], ['--version']])(
    '%s loads neither the prompts nor the file watcher',
    async (...args) => {
      const modules = await loadedModules(folder, args);
      expect(modules.some((url) => url.endsWith('/dist/bundle/program.cjs'))).toBe(true);
      expect(modules.filter((url) => /inquirer|chokidar/.test(url))).toEqual([]);
    },
  );
});

describe('natspki inspect', () => {
  it('shows the properties of a certificate', async () => {
    const result = await natspki(folder, ['inspect', 'certs/server-cert.pem']);
    expect({ ...result, stdout: steady(result.stdout) }).toEqual({
      code: 0,
      stderr: '',
      stdout: `certs/server-cert.pem: certificate
  subject              CN=server
  issuer               CN=natspki CA
  serial               SERIAL
  not before           INSTANT
  not after            INSTANT
  key type             p256
  signature algorithm  ecdsa-with-SHA256
  sans                 dns:localhost
  authority            no
  key usage            digitalSignature
  extended key usage   serverAuth
  subject key id       SERIAL
  authority key id     SERIAL
  pin                  PIN
  fingerprint          PIN
`,
    });
  });

  it('shows keys, requests, bundles and stdin, each under its kind', async () => {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    openssl('req', '-new', '-key', 'certs/client-key.pem', '-subj', '/CN=r\x1b[31m', '-out', 'r.csr');
    const certs = ['certs/ca.pem', 'certs/server-cert.pem'].map((file) => openssl('x509', '-in', file));
    writeFileSync(join(folder, 'bundle.pem'), Buffer.concat(certs));
    const kinds = async (...args: string[]) => {
      const { files } = JSON.parse((await natspki(folder, ['inspect', '--json', ...args])).stdout);
      return files.flatMap(({ items }: { items: { kind: string }[] }) => items.map(({ kind }) => kind));
    };
    expect(await kinds('certs/client-key.pem', 'r.csr', 'bundle.pem')).toEqual([
      'private-key',
      'request',
      'certificate',
      'certificate',
    ]);
    const { stdout } = await natspki(folder, ['inspect', 'r.csr', '-'], { input: certs[0] as Buffer });
    expect(stdout).toMatch(
      /^r\.csr: request\n {2}subject .*\n[\s\S]*\nstdin: certificate\n {2}subject +CN=natspki CA\n/,
    );
    expect(stdout).not.toContain('\x1b');
  });

  it('shows what a server shows, whoever asks', async () => {
    const conf = `tls { cert_file: "certs/server-cert.pem", key_file: "certs/server-key.pem" }\n`;
    writeFileSync(join(folder, 'tls.conf'), conf);
    const server = await startProcess(
      [process.execPath, bin, 'broker', '-c', 'tls.conf', '-a', '127.0.0.1', '-p', '-1'],
      folder,
    );
    try {
      const url = `tls://127.0.0.1:${server.port}`;
      const { stdout, stderr } = await natspki(folder, ['inspect', url]);
      expect(stderr).toBe('');
      const file = 'certs/server-cert.pem';
      expect(stdout).toBe((await natspki(folder, ['inspect', file])).stdout.replace(file, url));
    } finally {
      await server.stop();
    }
  });

  it('exits with 1 for --expires-within, and names each certificate that expires by then', async () => {
    const within = ['--expires-within', '30d'];
    const files = ['certs/server-cert.pem', 'certs/brief-cert.pem', 'certs/brief-key.pem'];
    const { code, stdout, stderr } = await natspki(folder, ['inspect', ...files, ...within]);
    expect(stdout.match(/^certs\S+/gm)).toEqual(files.map((file) => `${file}:`));
    expect(stderr).toMatch(
      /^natspki: error: certs\/brief-cert\.pem: certificate CN=brief expires on \d{4}-\d\d-\d\d [\d:]{8} UTC\nnatspki: hint: its whole life is shorter: `natspki issue PROFILE NAME --days 60 --force` makes one that lasts\n$/,
    );
    expect(code).toBe(1);
    const document = await natspki(folder, ['inspect', ...files, ...within, '--json']);
    expect(document).toMatchObject({ code: 1, stderr: '' });
    expect(JSON.parse(document.stdout).expiring).toEqual([
      { file: 'certs/brief-cert.pem', subject: 'CN=brief', notAfter: expect.any(String) },
    ]);
    expect(await natspki(folder, ['inspect', files[0] as string, ...within])).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  it('never shows the private value of a key', async () => {
    const key = execFileSync('openssl', ['pkey', '-in', 'certs/client-key.pem', '-text', '-noout'], {
      cwd: folder,
      encoding: 'utf8',
    });
    const secret = /priv:\n([\s\S]*)pub:/.exec(key)?.[1]?.replace(/[\s:]/g, '') as string;
    const { stdout } = await natspki(folder, ['inspect', 'certs/client-key.pem', '--json']);
    expect(secret).toMatch(/^[0-9a-f]{60,}$/);
    expect(stdout).not.toContain(secret);
    expect(stdout).not.toContain('PRIVATE KEY');
  });

  it.each([
    [['list', '--due=-5d'], 2, '--due is "-5d", expected a duration that is not negative'],
    [['rotate', '--due', '-5d'], 2, '--due is "-5d", expected a duration that is not negative'],
    [['issue', 'client', 'a', '--csr', '-'], 1, 'stdin is empty, expected a certificate, request or key'],
    [['inspect'], 2, 'missing argument FILE'],
    [['inspect', 'tls://127.0.0.1:1'], 1, 'cannot connect to tls://127.0.0.1:1'],
    [
      ['inspect', 'x', '--expires-within=-1d'],
      2,
      '--expires-within is "-1d", expected a duration that is not negative',
    ],
    [['inspect', 'none.pem'], 1, '"none.pem" does not exist'],
    [['inspect', 'nats.conf'], 1, '"nats.conf" is neither PEM nor DER'],
  ])('fails on %j', async (args, code, message) => {
    const result = await natspki(folder, args);
    expect(result.stderr).toMatch(/^natspki: error: /);
    expect(result.stderr).toContain(message);
    expect(result).toMatchObject({ code, stdout: '' });
  });
});

describe('natspki verify', () => {
  it('reports that nothing is wrong', async () => {
    expect(await natspki(folder, ['verify'])).toEqual({
      code: 0,
      stdout: 'ok  ./certs: nothing wrong\n',
      stderr: '',
    });
    expect(JSON.parse((await natspki(folder, ['verify', '--json'])).stdout)).toEqual({
      directory: './certs',
      findings: [],
      notices: [],
    });
  });

  it('lists all findings and exits with 1', async () => {
    const spoiled = join(folder, 'spoiled');
    mkdirSync(spoiled);
    await natspki(spoiled, ['init', '--yes']);
    const certs = join(spoiled, 'certs');
    execFileSync('chmod', ['640', join(certs, 'server-key.pem')]);
    execFileSync('cp', [join(certs, 'client-key.pem'), join(certs, 'orphan-key.pem')]);
    execFileSync('cp', [join(certs, 'client-cert.pem'), join(certs, 'route-cert.pem')]);
    rmSync(join(certs, 'client-key.pem'));
    const result = await natspki(spoiled, ['verify']);
    expect(result).toMatchObject({ code: 1, stderr: '' });
    expect(result.stdout).toContain(
      'certs/server-key.pem: error: mode 0640, other users can use it [key-mode]\n  hint: chmod 600 certs/server-key.pem\n',
    );
    expect(result.stdout).toMatch(/^certs\/orphan-key\.pem: error: /m);
    expect(result.stdout).toMatch(/^certs\/client-key\.pem: error: .*missing/m);
    expect(result.stdout).toMatch(/^certs\/route-key\.pem: error: not the key of the certificate/m);
    expect(result.stdout).toMatch(/^\.\/certs: \d+ findings$/m);
    const { findings } = JSON.parse((await natspki(spoiled, ['verify', '--json'])).stdout);
    expect(findings.map(({ code }: { code: string }) => code)).toEqual(
      expect.arrayContaining(['key-mode', 'orphan-key', 'missing-key', 'key-mismatch']),
    );
  });
});
