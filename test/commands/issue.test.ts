import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeCsr } from '../harness/openssl.ts';
import { natspki } from '../harness/process.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { steady } from '../support/shown.ts';
import { contents, tree } from '../support/tree.ts';
import { asNobody, nobodyCanRun } from '../support/unprivileged.ts';

const scratch = testFolder('issue');
const made = join(scratch, 'made');
const openssl = (folder: string, ...args: string[]) =>
  execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });

beforeAll(async () => {
  mkdirSync(made);
  await natspki(made, ['init', '--yes']);
});

/** A folder as `init` leaves it. */
const initialized = () => freshCopy(made);

describe('natspki issue', () => {
  it('lists the new certificate and its files', async () => {
    const folder = initialized();
    const result = await natspki(folder, ['issue', 'client', 'alice']);
    expect({ ...result, stdout: steady(result.stdout) }).toEqual({
      code: 0,
      stderr: '',
      stdout: `NAME   PROFILE  SANS   KEY   ISSUER      NOT AFTER   LEFT  PIN
alice  client   alice  p256  natspki CA  DAY  NNNN  PIN

wrote certs/alice-cert.pem and certs/alice-key.pem
`,
    });
    expect(tree(folder)).toEqual(
      expect.arrayContaining(['0644 certs/alice-cert.pem', '0600 certs/alice-key.pem']),
    );
  });

  it.each([
    ['server', ['sslserver'], 'TLS Web Server Authentication'],
    ['route', ['sslserver', 'sslclient'], 'TLS Web Server Authentication, TLS Web Client Authentication'],
    ['gateway', ['sslserver', 'sslclient'], 'TLS Web Server Authentication, TLS Web Client Authentication'],
    ['leafnode', ['sslserver', 'sslclient'], 'TLS Web Server Authentication, TLS Web Client Authentication'],
    ['client', ['sslclient'], 'TLS Web Client Authentication'],
  ])('gives a %s certificate the usages of its profile and no others', async (profile, purposes, usage) => {
    const folder = initialized();
    expect((await natspki(folder, ['issue', profile, 'n1'])).code).toBe(0);
    for (const purpose of purposes) {
      openssl(
        folder,
        'verify',
        '-x509_strict',
        '-purpose',
        purpose,
        '-CAfile',
        'certs/ca.pem',
        'certs/n1-cert.pem',
      );
    }
    const text = openssl(folder, 'x509', '-in', 'certs/n1-cert.pem', '-noout', '-ext', 'extendedKeyUsage');
    expect(text.trim().split('\n').at(-1)?.trim()).toBe(usage);
  });

  it('accepts all four kinds of SAN, a key type and a number of days', async () => {
    const folder = initialized();
    const sans = ['dns:*.x.com', 'ip:::1', 'email:a@b.com', 'uri:spiffe://x/y'].flatMap((san) => [
      '--san',
      san,
    ]);
    const args = ['issue', 'server', ...sans, 'n1', '--key-type', 'ed25519', '--days', '7', '--json'];
    const { certificates } = JSON.parse((await natspki(folder, args)).stdout);
    expect(certificates).toEqual([
      expect.objectContaining({
        name: 'n1',
        profile: 'server',
        sans: ['dns:*.x.com', 'ip:::1', 'email:a@b.com', 'uri:spiffe://x/y'],
        keyType: 'ed25519',
        certificateFile: 'certs/n1-cert.pem',
        keyFile: 'certs/n1-key.pem',
      }),
    ]);
    // A certificate counts whole seconds.
    const life = Date.parse(certificates[0].notAfter) - Date.now();
    expect(life).toBeLessThanOrEqual(7 * 86_400_000 + 1000);
    expect(life).toBeGreaterThan(7 * 86_400_000 - 60_000);
  });

  it('issues many certificates in one call', async () => {
    const folder = initialized();
    const names = Array.from({ length: 60 }, (_, index) => `c${index}`);
    const { code, stdout } = await natspki(folder, ['issue', 'client', ...names]);
    expect(code).toBe(0);
    expect(stdout.match(/^c\d+ +client/gm)).toHaveLength(60);
    expect(stdout).toMatch(/\n\nwrote 60 certificates into \.\/certs\n$/);
  });

  it('signs a request without having its private key', async () => {
    const folder = initialized();
    const subject = ['-subj', '/CN=x', '-addext', 'subjectAltName=DNS:req.example.com'];
    openssl(
      folder,
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'mine.key',
      ...subject,
      '-out',
      'r.csr',
    );
    const { code, stdout } = await natspki(folder, ['issue', 'server', 'req', '--csr', 'r.csr']);
    expect(code).toBe(0);
    expect(stdout).toContain('\n\nwrote certs/req-cert.pem\n');
    expect(existsSync(join(folder, 'certs/req-key.pem'))).toBe(false);
    const pins = (await natspki(folder, ['pin', 'r.csr', 'mine.key', 'certs/req-cert.pem'])).stdout;
    expect(new Set(pins.match(/^[0-9a-f]{64}/gm)).size).toBe(1);
  });

  it('writes into another folder with --out', async () => {
    const folder = initialized();
    const { stdout } = await natspki(folder, ['issue', 'client', 'bob', '--out', 'other']);
    expect(stdout).toContain('wrote other/bob-cert.pem and other/bob-key.pem');
    expect(tree(join(folder, 'other'))).toEqual([
      ...['0644 bob-cert.pem', '0600 bob-key.pem', '0644 ca.pem'],
    ]);
    expect((await natspki(folder, ['list'])).stdout).toMatch(
      /\nIn other folders:\n.*\nbob +client .*\/other\n$/,
    );
    expect((await natspki(folder, ['rotate', '--dry-run'])).stdout).toMatch(
      /"bob" in ".*other" is not rotated: `natspki rotate bob --out .*other` does\n$/,
    );
    const other = join(folder, 'other');
    const flags = ['--san', 'dns:n2.example.com', '--key-type', 'p384', '--out', other];
    await natspki(folder, ['issue', 'server', 'n2', ...flags]);
    const named = await natspki(folder, ['rotate', 'n2']);
    expect(named.stderr).toMatch(/the files of certificate "n2" are in ".*other"\n/);
    const [, command = ''] = /replace it there with `natspki (.*)`\n$/.exec(named.stderr) ?? [];
    expect(command).toBe(`rotate n2 --out ${realpathSync(other)}`);
    const before = readFileSync(join(other, 'n2-key.pem'), 'latin1');
    const rotated = await natspki(folder, command.split(' '));
    expect(rotated).toMatchObject({ code: 0, stderr: '' });
    expect(rotated.stdout).toMatch(/\nn2 +server +n2\.example\.com +p384 /);
    expect(readFileSync(join(other, 'n2-key.pem'), 'latin1')).not.toBe(before);
  });

  it('writes the subject that flags give, and says what it leaves out of a request', async () => {
    const folder = initialized();
    const flags = ['--subject-o', 'Example', '--subject-ou', 'Sales', '--subject-c', 'CH'];
    await natspki(folder, ['issue', 'client', 'eve', ...flags]);
    const shown = await natspki(folder, ['inspect', 'certs/eve-cert.pem']);
    expect(shown.stdout).toContain('C=CH,O=Example,OU=Sales,CN=eve\n');
    makeCsr(folder, 'r', '/O=Example/CN=x');
    const { stdout } = await natspki(folder, ['issue', 'client', 'frank', '--csr', 'r.csr']);
    expect(stdout).toContain(
      "the subject of the request is left out: O=Example; `--subject-o 'Example'` keeps it\n",
    );
    const wrong = await natspki(folder, ['issue', 'client', 'x', '--subject-c', 'Switzerland']);
    expect(wrong.stderr).toContain('--subject-c is "Switzerland", expected two capital letters');
  });

  it('names the user under verify_and_map of a client whose name is no host name', async () => {
    const { code, stdout } = await natspki(initialized(), ['issue', 'client', '10.0.0.1']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/"10\.0\.0\.1" is .* the user 'CN=10\.0\.0\.1'\n$/);
  });

  it('replaces a pair with --force and archives the old one', async () => {
    const folder = initialized();
    const before = readFileSync(join(folder, 'certs/client-key.pem'), 'latin1');
    expect((await natspki(folder, ['issue', 'client', 'client', '--force'])).code).toBe(0);
    const archived = Object.entries(contents(folder)).filter(([path]) => path.includes('.natspki/'));
    expect(archived.filter(([, text]) => text === before)).toHaveLength(1);
  });

  it("opens the authority's key with a passphrase", async () => {
    const folder = mkdtempSync(join(scratch, 'x-'));
    writeFileSync(join(folder, 'pass'), 'secret\n');
    writeFileSync(join(folder, 'wrong'), 'sceret\n');
    await natspki(folder, ['init', '--yes', '--passphrase-file', 'pass']);
    const before = contents(folder);
    expect(await natspki(folder, ['issue', 'client', 'a', '--passphrase-file', 'wrong'])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: wrong passphrase for "certs/ca-key.pem"\n' +
        'natspki: hint: pass --passphrase-file FILE with the right passphrase\n',
    });
    expect(await natspki(folder, ['issue', 'client', 'a'])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: the key in "certs/ca-key.pem" is encrypted\nnatspki: hint: pass --passphrase-file FILE\n',
    });
    expect(contents(folder)).toEqual(before);
    expect((await natspki(folder, ['issue', 'client', 'a', '--passphrase-file', 'pass'])).code).toBe(0);
  });
});

describe('natspki issue fails, and changes nothing', () => {
  /** Spoils a folder, runs `issue`, checks that every file is unchanged, and returns the result. */
  async function refused(spoil: (folder: string) => void, args: readonly string[]) {
    const folder = initialized();
    spoil(folder);
    const before = contents(folder);
    const result = await natspki(folder, ['issue', ...args]);
    expect(contents(folder)).toEqual(before);
    expect(result.stdout).toBe('');
    return result;
  }
  const nothing = () => {};

  it.each([
    [
      ['servr', 'n1'],
      2,
      'unknown profile "servr", expected one of server, route, client, gateway, leafnode',
      'did you mean "server"',
    ],
    [['client'], 2, 'missing argument NAME', 'natspki issue --help'],
    [['client', '../x'], 2, '"../x"', 'give another name'],
    [['client', 'ca'], 2, '"ca" is the authority\'s own', 'give another name'],
    [['client', 'x', '--san', 'dns:a_b..c'], 2, 'impossible subject alternative name "dns:a_b..c"', ''],
    [['client', 'x', '--san', 'ip:300.1.1.1'], 2, 'impossible subject alternative name "ip:300.1.1.1"', ''],
    [['client', 'x', '--san', 'x.com'], 2, '"x.com" has no kind', '--san dns:x.com'],
    [['client', 'x', '--days', '1s'], 2, '--days is "1s", expected a life between 1 minute', ''],
    [['client', 'x', '--csr', 'none.csr'], 1, '"none.csr" does not exist', ''],
    [['client', 'x', '--csr', 'nats.conf'], 1, '"nats.conf" is neither PEM nor DER', ''],
    [
      ['client', 'x', '--csr', 'certs/ca.pem'],
      1,
      '"certs/ca.pem" holds a certificate, expected a certificate request',
      '',
    ],
    [['client', 'x', '--csr', 'r', '--key-type', 'p256'], 2, '--key-type', 'natspki issue --help'],
    [['client', 'client'], 1, 'certificate "client" already exists in "certs"', '--force'],
    [['client', 'x', '--dir', 'none'], 1, 'no authority in "none"', 'natspki init'],
  ])('with the arguments %j', async (args, code, message, hint) => {
    const result = await refused(nothing, args);
    expect(result.stderr).toMatch(/^natspki: error: [^\n]+\n(natspki: hint: [^\n]+\n)?$/);
    expect(result.stderr).toContain(message);
    if (hint !== '') expect(result.stderr).toMatch(new RegExp(`\nnatspki: hint: .*${hint}`));
    expect(result.code).toBe(code);
  });

  it('with an authority whose certificate is truncated', async () => {
    const spoil = (folder: string) =>
      writeFileSync(
        join(folder, 'certs/ca.pem'),
        readFileSync(join(folder, 'certs/ca.pem'), 'utf8').slice(0, 200),
      );
    const { code, stderr } = await refused(spoil, ['client', 'x']);
    expect(stderr).toMatch(/^natspki: error: "certs\/ca\.pem" is truncated: .*\nnatspki: hint: /);
    expect(code).toBe(1);
  });

  it("with the key of another certificate in place of the authority's", async () => {
    const spoil = (folder: string) =>
      copyFileSync(join(folder, 'certs/client-key.pem'), join(folder, 'certs/ca-key.pem'));
    const { code, stderr } = await refused(spoil, ['client', 'x']);
    expect(stderr).toMatch(
      /^natspki: error: "certs\/ca-key\.pem" is not the key of the first certificate in "certs\/ca\.pem"/,
    );
    expect(code).toBe(1);
  });

  it('with an authority key of the wrong type', async () => {
    const spoil = (folder: string) =>
      openssl(folder, 'genpkey', '-algorithm', 'ed25519', '-out', 'certs/ca-key.pem');
    const { code, stderr } = await refused(spoil, ['client', 'x']);
    expect(stderr).toMatch(/^natspki: error: "certs\/ca-key\.pem" is not the key/);
    expect(code).toBe(1);
  });

  it('with a certificate in place of the key', async () => {
    const spoil = (folder: string) =>
      copyFileSync(join(folder, 'certs/ca.pem'), join(folder, 'certs/ca-key.pem'));
    const { code, stderr } = await refused(spoil, ['client', 'x']);
    expect(stderr).toMatch(
      /^natspki: error: "certs\/ca-key\.pem" holds a certificate, expected a private key/,
    );
    expect(code).toBe(1);
  });

  it('with an expired authority', async () => {
    const spoil = (folder: string) => {
      const csr = ['req', '-new', '-key', 'certs/ca-key.pem', '-subj', '/CN=old', '-out', 'old.csr'];
      openssl(
        folder,
        ...csr,
        '-addext',
        'basicConstraints=critical,CA:TRUE',
        '-addext',
        'keyUsage=critical,keyCertSign',
      );
      const sign = [
        'x509',
        '-req',
        '-in',
        'old.csr',
        '-signkey',
        'certs/ca-key.pem',
        '-copy_extensions',
        'copyall',
      ];
      openssl(folder, ...sign, '-days', '-1', '-out', 'certs/ca.pem');
    };
    const { code, stderr } = await refused(spoil, ['client', 'x']);
    expect(stderr).toMatch(/^natspki: error: authority "old" expired on .*\nnatspki: hint: /);
    expect(code).toBe(1);
  });

  it.skipIf(!nobodyCanRun)('in a folder without write permission', async () => {
    const folder = initialized();
    // The user can read every file, and write to no folder.
    execFileSync('chmod', ['-R', 'a+rX,a-w', join(folder, 'certs')]);
    const before = contents(folder);
    execFileSync('chmod', ['a+rx', folder]);
    const { code, stderr } = await natspki(folder, ['issue', 'client', 'x'], {
      node: asNobody,
    });
    expect(stderr).toMatch(/^natspki: error: permission denied to write "certs/);
    expect(code).toBe(1);
    expect(contents(folder)).toEqual(before);
  });
});
