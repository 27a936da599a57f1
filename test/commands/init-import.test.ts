// `natspki init --import`, with certificates that other tools made.
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority, makeLeaf } from '../harness/openssl.ts';
import { natspki } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { opensslRecipe } from '../support/foreign.ts';
import { steady } from '../support/shown.ts';
import { contents } from '../support/tree.ts';

const scratch = testFolder('init-import');
const source = join(scratch, 'old');
const newFolder = () => mkdtemp(join(scratch, 'x-'));

beforeAll(() => opensslRecipe(source));

describe('natspki init --import', () => {
  it('lists the imported certificates, notices and next steps, and every command works on the result', async () => {
    const folder = await newFolder();
    const result = await natspki(folder, ['init', '--import', source]);
    expect({ ...result, stdout: steady(result.stdout) }).toEqual({
      code: 0,
      stderr: '',
      stdout: `NAME       PROFILE    SANS  KEY      ISSUER   NOT AFTER   LEFT  PIN
ca         authority  -     rsa2048  NATS CA  DAY  NNNN  PIN
client     route      -     rsa2048  NATS CA  DAY  NNNN  PIN
localhost  route      -     rsa2048  NATS CA  DAY  NNNN  PIN

"client" has no extended key usage: a renewal will be for servers and clients (route)
"localhost" has no extended key usage: a renewal will be for servers and clients (route)
skipped "${source}/ca.srl": no certificate, key or revocation list
skipped "${source}/client.csr", "${source}/server.csr": a certificate request, which is not imported

Next:
  # check the imported certificates
  natspki verify --dir ./certs
  # see what a renewal would change
  natspki rotate --dir ./certs --dry-run
`,
    });
    expect(existsSync(join(folder, 'nats.conf'))).toBe(false);
    for (const [command, ...args] of [
      ['verify'],
      ['list'],
      ['pin', 'certs/localhost-cert.pem'],
      ['tls', 'client', '--name', 'localhost'],
      ['rotate', '--dry-run'],
      ['rotate'],
      ['verify'],
      ['rotate', '--undo', 'localhost'],
    ] as [string, ...string[]][]) {
      expect(await natspki(folder, [command, ...args])).toMatchObject({ code: 0, stderr: '' });
    }
  });

  it('suggests a tls block for an imported server certificate, and escapes control characters in names', async () => {
    const [folder, mine] = [await newFolder(), await newFolder()];
    const ca = makeAuthority(mine);
    makeLeaf(mine, 'nats', ca, { usage: 'serverAuth' });
    makeLeaf(mine, 'stranger', undefined, { subject: '/CN=x\u001b[31m' });
    const { code, stdout } = await natspki(folder, ['init', '--import', mine]);
    expect(code).toBe(0);
    expect(stdout).toContain('  natspki tls client --dir ./certs --name nats\n');
    expect(stdout).toContain('stranger.pem": signed by');
    expect(stdout).not.toContain('\u001b');
  });

  it('prints one JSON document with --json', async () => {
    const folder = await newFolder();
    const { code, stdout } = await natspki(folder, ['init', '--import', source, '--dir', 'pki', '--json']);
    const document = JSON.parse(stdout);
    expect({ code, directory: document.directory }).toEqual({ code: 0, directory: 'pki' });
    expect(document.certificates.map(({ name }: { name: string }) => name)).toEqual([
      'ca',
      'client',
      'localhost',
    ]);
    expect(stdout).not.toContain('PRIVATE KEY');
  });

  it.each([
    [['--import', source, '--days', '3'], 2, '--days and --import are mutually exclusive'],
    [['--import', ''], 2, '--import is empty, expected a path'],
    [['--import', 'nowhere'], 1, 'there is no folder "nowhere"'],
    [
      ['--import', source, '--dir', source],
      1,
      `"${source}" is in "${source}", which an import must not change`,
    ],
  ])('rejects %j and changes nothing', async (args, code, message) => {
    const folder = await newFolder();
    const before = contents(source);
    const result = await natspki(folder, ['init', ...args]);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(`natspki: error: ${message}\n`);
    expect([contents(source), contents(folder)]).toEqual([before, {}]);
  });
});
