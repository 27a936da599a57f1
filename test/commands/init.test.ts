import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { templates } from '../../src/files/templates.ts';
import { readCertificates } from '../../src/x509/certificate.ts';
import { formatName } from '../../src/x509/distinguished-name.ts';
import { bin, natspki, run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { loadedModules } from '../support/loaded-modules.ts';
import { describePeer } from '../support/peers.ts';
import { steady } from '../support/shown.ts';
import { contents, tree } from '../support/tree.ts';
import { asNobody, nobodyCanRun } from '../support/unprivileged.ts';

const scratch = testFolder('init');
const empty = () => mkdtempSync(join(scratch, 'x-'));
const verify = ['--template', 'verify', '--host', 'localhost', '10.0.0.1'];

describe('natspki init', () => {
  it('writes the subject that flags give into every certificate, and into users that are named by it', async () => {
    const folder = empty();
    const flags = ['--subject-o', 'Example', '--subject-c', 'CH', '--intermediate'];
    const clients = ['--client', 'alice', '10.0.0.1', '--template', 'verify-and-map'];
    expect(await natspki(folder, ['init', '--yes', ...flags, ...clients])).toMatchObject({ code: 0 });
    for (const [file, name] of [
      ['ca.pem', 'natspki CA'],
      ['intermediate.pem', 'natspki CA intermediate'],
      ['server-cert.pem', 'server'],
      ['alice-cert.pem', 'alice'],
    ] as const) {
      const [certificate] = readCertificates(readFileSync(join(folder, 'certs', file)), file);
      expect(formatName(certificate.subject)).toBe(`C=CH,O=Example,CN=${name}`);
    }
    expect(readFileSync(join(folder, 'nats.conf'), 'utf8')).toContain('{user: "CN=10.0.0.1,O=Example,C=CH"}');
    const wrong = await natspki(empty(), ['init', '--yes', '--subject-c', 'Switzerland']);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toContain('--subject-c is "Switzerland", expected two capital letters');
  });

  it('ends with the certificates, their pins and expiry, and the next commands to run', async () => {
    const folder = empty();
    const result = await natspki(folder, ['init', '--yes', ...verify]);
    expect({ ...result, stdout: steady(result.stdout) }).toEqual({
      code: 0,
      stderr: '',
      stdout: `NAME    PROFILE    SANS                KEY   ISSUER      NOT AFTER   LEFT   PIN
ca      authority  -                   p256  natspki CA  DAY  NNNNN  PIN
server  server     localhost 10.0.0.1  p256  natspki CA  DAY   NNNN  PIN
route   route      localhost 10.0.0.1  p256  natspki CA  DAY   NNNN  PIN
client  client     client              p256  natspki CA  DAY   NNNN  PIN

wrote ./nats.conf

Next:
  # run the bundled broker, or nats-server with the same -c
  natspki broker -c ./nats.conf
  # connect a client
  nats -s tls://localhost --tlsca certs/ca.pem --tlscert certs/client-cert.pem --tlskey certs/client-key.pem sub '>'
  # see when each certificate expires
  natspki list --dir ./certs
`,
    });
    expect(tree(folder)).toEqual([
      '0700 certs',
      '0700 certs/.natspki',
      '0600 certs/.natspki/ledger',
      '0600 certs/ca-key.pem',
      '0644 certs/ca.pem',
      '0644 certs/client-cert.pem',
      '0600 certs/client-key.pem',
      '0644 certs/route-cert.pem',
      '0600 certs/route-key.pem',
      '0644 certs/server-cert.pem',
      '0600 certs/server-key.pem',
      '0644 nats.conf',
    ]);
    expect(await natspki(folder, ['verify'])).toMatchObject({ code: 0 });
  });

  it('loads no package outside the bundle', async () => {
    const loaded = await loadedModules(empty(), ['init', '--yes']);
    expect(loaded.some((url) => url.endsWith('/dist/bundle/commands/init.cjs'))).toBe(true);
    expect(loaded.filter((url) => url.includes('/node_modules/'))).toEqual([]);
    expect(loaded.filter((url) => url.includes('/dist/')).length).toBeLessThan(36);
  });

  it('prints one JSON document with --json, and asks nothing', async () => {
    const folder = empty();
    const { code, stdout, stderr } = await natspki(folder, ['init', '--json', ...verify]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const document = JSON.parse(stdout);
    expect(Object.keys(document)).toEqual(['directory', 'certificates', 'notices', 'configurations', 'next']);
    expect(document.configurations).toEqual(['./nats.conf']);
    expect(document.certificates[1]).toMatchObject({
      name: 'server',
      profile: 'server',
      sans: ['dns:localhost', 'ip:10.0.0.1'],
      keyType: 'p256',
      pin: (await natspki(folder, ['pin', 'certs/server-cert.pem'])).stdout.trim(),
      notAfter: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    expect(stdout).not.toContain('PRIVATE');
  });

  it('takes the defaults without a terminal, even without --yes', async () => {
    const folder = empty();
    const { code, stdout } = await natspki(folder, ['init']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^server +server +localhost 127\.0\.0\.1 ::1/m);
    expect(readFileSync(join(folder, 'nats.conf'), 'utf8')).toContain('verify: true');
  });

  it('generates every type of key, and issues for the given number of days', async () => {
    for (const type of ['p384', 'ed25519', 'rsa2048']) {
      const args = [
        'init',
        '--yes',
        '--json',
        '--key-type',
        type,
        '--days',
        '10',
        '--ca-days',
        '20',
        '--ca-name',
        'My CA',
      ];
      const { certificates } = JSON.parse((await natspki(empty(), args)).stdout);
      expect(new Set(certificates.map(({ keyType }: { keyType: string }) => keyType))).toEqual(
        new Set([type]),
      );
      expect(certificates[0]).toMatchObject({
        name: 'ca',
        issuer: 'My CA',
        daysLeft: expect.closeTo(20, -0.5),
      });
      expect(certificates[1].daysLeft).toBeGreaterThanOrEqual(9);
    }
  });

  it('makes a server pair, a route pair and a configuration for each node', async () => {
    const folder = empty();
    const nodes = ['--node', 'n1=a.example.com', 'n2=b.example.com,10.0.0.2'];
    const { code, stdout } = await natspki(folder, ['init', '--yes', ...nodes, '--host', 'nats.example.com']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^n2-route +route +b\.example\.com 10\.0\.0\.2 nats\.example\.com /m);
    expect(stdout).toContain('  natspki broker -c nats-n1.conf\n  natspki broker -c nats-n2.conf\n');
    expect(
      tree(folder)
        .filter((line) => /0644|0600/.test(line))
        .map((line) => line.slice(5)),
    ).toEqual([
      'certs/.natspki/ledger',
      'certs/ca-key.pem',
      'certs/ca.pem',
      'certs/client-cert.pem',
      'certs/client-key.pem',
      ...['n1-route', 'n1-server', 'n2-route', 'n2-server'].flatMap((name) => [
        `certs/${name}-cert.pem`,
        `certs/${name}-key.pem`,
      ]),
      'nats-n1.conf',
      'nats-n2.conf',
    ]);
  });

  it('makes a server pair for each domain of a multi-certificate server, with the addresses in the first', async () => {
    const hosts = ['--host', '10.0.0.1', 'example.com', '*.api.example.com'];
    const { code, stdout } = await natspki(empty(), [
      'init',
      '--yes',
      '--template',
      'multi-certificate',
      ...hosts,
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^example\.com +server +example\.com 10\.0\.0\.1 /m);
    expect(stdout).toMatch(/^wildcard\.api\.example\.com +server +\*\.api\.example\.com /m);
  });

  it("encrypts the authority's key with the passphrase from a file", async () => {
    const folder = empty();
    writeFileSync(join(folder, 'pass'), 'correct horse\nsecond line\n');
    await natspki(folder, ['init', '--yes', '--passphrase-file', 'pass']);
    const key = join(folder, 'certs/ca-key.pem');
    expect(readFileSync(key, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    execFileSync('openssl', ['pkey', '-in', key, '-passin', 'pass:correct horse', '-noout'], {
      stdio: 'pipe',
    });
  });

  it('makes keys private to the user whatever the umask is', async () => {
    const folder = empty();
    const { code } = await run(['bash', '-c', 'umask 0; exec "$0" "$1" init --yes', process.execPath, bin], {
      folder,
    });
    expect(code).toBe(0);
    for (const line of tree(folder)) if (line.includes('key')) expect(line).toMatch(/^0600 /);
    expect(tree(folder)).toEqual(
      expect.arrayContaining(['0700 certs', '0700 certs/.natspki', '0600 certs/.natspki/ledger']),
    );
  });

  it('replaces an authority with --force, and archives the old pairs', async () => {
    const folder = empty();
    await natspki(folder, ['init', '--yes']);
    const before = contents(folder);
    expect((await natspki(folder, ['init', '--yes', '--force'])).code).toBe(0);
    const after = contents(folder);
    expect(after['certs/ca.pem']).not.toBe(before['certs/ca.pem']);
    const archived = Object.entries(after).filter(([path]) => path.includes('.natspki/'));
    expect(archived.some(([, text]) => text === before['certs/ca-key.pem'])).toBe(true);
    expect((await natspki(folder, ['verify'])).code).toBe(0);
  });
});

describe('natspki init fails, and changes nothing', () => {
  const certificate = 'certs/ca.pem';

  it('when an authority exists already', async () => {
    const folder = empty();
    await natspki(folder, ['init', '--yes']);
    const before = contents(folder);
    expect(await natspki(folder, ['init', '--yes'])).toEqual({
      code: 1,
      stdout: '',
      stderr: `natspki: error: an authority already exists in "./certs"
natspki: hint: issue from it with \`natspki issue\`, or pass --force to replace it and everything it signed
`,
    });
    expect(contents(folder)).toEqual(before);
  });

  it('when the configuration exists already', async () => {
    const folder = empty();
    writeFileSync(join(folder, 'nats.conf'), 'port: 1\n');
    expect(await natspki(folder, ['init', '--yes', '--json'])).toEqual({
      code: 1,
      stderr: '',
      stdout: `${JSON.stringify(
        {
          error: {
            code: 'configuration-exists',
            message: 'configuration "./nats.conf" already exists',
            hint: 'keep it: natspki init --config new.conf, then `natspki tls client --verify --write ./nats.conf`',
          },
        },
        null,
        2,
      )}\n`,
    });
    expect(contents(folder)).toEqual({ 'nats.conf': 'port: 1\n' });
  });

  it.each([
    [
      ['--template', 'verfy'],
      2,
      '--template is "verfy", expected one of verify, basic,',
      'did you mean "verify"',
    ],
    [['--key-type', 'dsa'], 2, '--key-type is "dsa", expected one of p256, p384', 'natspki init --help'],
    [['--days', '0'], 2, '--days is "0", expected a life between 1 minute', '--days'],
    [['--host', 'not_a host'], 2, 'not_a host', ''],
    [['--node', 'n1'], 2, 'node "n1" is not NAME=HOST', '--node n1=n1.example.com'],
    [
      ['--node', 'n1=a', '--template', 'basic'],
      2,
      '--node needs the template cluster, found "basic"',
      '--template cluster',
    ],
    [
      ['--cluster-name', 'x'],
      2,
      '--cluster-name needs the template cluster, found "verify"',
      '--template cluster',
    ],
    [
      ['--template', 'cluster', '--cluster-name', 'a b'],
      2,
      'cluster name "a b" contains spaces, which nats-server rejects',
      '--cluster-name a-b',
    ],
    [
      ['--template', 'cluster', '--cluster-name', 'a\x01b'],
      2,
      'cluster name "a\\x01b" contains the control character U+0001',
      'natspki init --help',
    ],
    [
      ['--ca-name', 'a\nb'],
      2,
      'the authority\'s name "a\\nb" contains the control character U+000A',
      '--ca-name NAME',
    ],
    [['--host', 'a\nb'], 2, 'host "a\\nb": it contains the control character U+000A', ''],
    [['--client', '../x'], 2, '../x', ''],
    [['--client', 'server'], 2, 'server', ''],
    [['--passphrase-file', 'none'], 1, '"none" does not exist', ''],
    [['--tempate', 'basic'], 2, 'unknown flag "--tempate"', 'did you mean "--template"'],
    [['now'], 2, 'unexpected argument "now"', 'natspki init --help'],
  ])('with the flags %j', async (args, code, message, hint) => {
    const folder = empty();
    const result = await natspki(folder, ['init', '--yes', ...args]);
    expect(result.stderr).toMatch(/^natspki: error: /);
    expect(result.stderr).toContain(message);
    if (hint !== '') expect(result.stderr).toContain(`natspki: hint: ${hint}`);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(tree(folder)).toEqual([]);
  });

  it.each([
    [Buffer.from('s\xe9same\n', 'latin1'), 'is not UTF-8'],
    [Buffer.from('ses\0ame\n'), 'has a control character'],
    [Buffer.from('\nsesame\n'), 'is empty'],
  ])('with a passphrase file that has the bytes %j', async (bytes, problem) => {
    const folder = empty();
    writeFileSync(join(folder, 'pass'), bytes);
    expect(await natspki(folder, ['init', '--yes', '--passphrase-file', 'pass'])).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        `^natspki: error: the first line of "pass" ${problem}, expected a passphrase\nnatspki: hint: .*\n$`,
      ),
    });
    expect(existsSync(join(folder, 'certs'))).toBe(false);
  });

  it.skipIf(!nobodyCanRun)('in a folder without write permission', async () => {
    const folder = empty();
    mkdirSync(join(folder, 'closed'), { mode: 0o555 });
    const result = await natspki(join(folder, 'closed'), ['init', '--yes'], { node: asNobody });
    expect(result.stderr).toMatch(/^natspki: error: permission denied to write "certs/);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(tree(folder)).toEqual(['0555 closed']);
  });

  it('when the certificate folder is a file', async () => {
    const folder = empty();
    writeFileSync(join(folder, 'certs'), '');
    const result = await natspki(folder, ['init', '--yes']);
    expect(result.stderr).toMatch(/^natspki: error: .*certs/);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(existsSync(join(folder, certificate))).toBe(false);
  });
});

describePeer('nats-server', 'the configurations of init', (natsServer) => {
  const check = (folder: string, file: string) =>
    execFileSync(natsServer, ['-t', '-c', file], { cwd: folder, stdio: 'pipe' });

  it.each(Object.keys(templates))('pass nats-server -t with the template %s', async (template) => {
    const folder = empty();
    expect((await natspki(folder, ['init', '--yes', '--template', template])).stderr).toBe('');
    check(folder, 'nats.conf');
  });

  it('pass nats-server -t for each node of a cluster', async () => {
    const folder = empty();
    const nodes = ['--node', 'n1=host1', 'n2=host2', 'n3=10.0.0.3'];
    expect((await natspki(folder, ['init', '--yes', '--template', 'cluster', ...nodes])).stderr).toBe('');
    for (const node of ['n1', 'n2', 'n3']) check(folder, `nats-${node}.conf`);
  });

  it('pass nats-server -t with names that need quoting', async () => {
    const folder = empty();
    const odd = [
      '--dir',
      'my "certs"',
      '--cluster-name',
      'c\\1',
      '--template',
      'cluster',
      '--config',
      'my nats.conf',
    ];
    expect((await natspki(folder, ['init', '--yes', ...odd])).stderr).toBe('');
    check(folder, 'my nats.conf');
  });
});
