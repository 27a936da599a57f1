import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { templates } from '../../src/files/templates.ts';
import { natspki } from '../harness/process.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { asNobody, nobodyCanRun } from '../support/unprivileged.ts';

const scratch = testFolder('check');
const made = join(scratch, 'made');

beforeAll(async () => {
  mkdirSync(made);
  await natspki(made, ['init', '--yes']);
});

/** Runs `check` in a fresh copy of the folder that `init` made, after `spoil` has changed it. */
async function check(spoil: (folder: string) => void, ...args: string[]) {
  const folder = freshCopy(made);
  spoil(folder);
  return natspki(folder, ['check', 'nats.conf', ...args]);
}

const edit = (from: string | RegExp, to: string) => (folder: string) => {
  const conf = join(folder, 'nats.conf');
  writeFileSync(conf, readFileSync(conf, 'utf8').replace(from, to));
};

describe('natspki check', () => {
  it.each(Object.keys(templates).filter((name) => name !== 'basic'))(
    'finds nothing wrong with the template %s',
    async (template) => {
      const folder = mkdtempSync(join(scratch, 'x-'));
      await natspki(folder, ['init', '--yes', '--template', template]);
      expect(await natspki(folder, ['check', 'nats.conf'])).toEqual({
        code: 0,
        stdout: 'ok  nats.conf: nothing wrong\n',
        stderr: '',
      });
    },
  );

  it('warns, but exits with 0, about the template basic, which needs no client certificates', async () => {
    const folder = mkdtempSync(join(scratch, 'x-'));
    await natspki(folder, ['init', '--yes', '--template', 'basic']);
    expect(await natspki(folder, ['check', 'nats.conf'])).toEqual({
      code: 0,
      stdout: `nats.conf:9:5: warning: clients need no certificate: anyone who can reach the port can try to log in [no-client-verification]
  hint: add verify: true or verify_and_map: true, and ca_file
nats.conf: 0 errors, 1 warning
`,
      stderr: '',
    });
  });

  it('lists every problem with its position, in the order of the file', async () => {
    const { code, stdout, stderr } = await check((folder) => {
      edit('ca_file:', 'ca_fle:')(folder);
      edit('verify: true', 'verify: maybe\n  min_version: "1.1"')(folder);
      edit('port: 4222', 'port: "x"')(folder);
    });
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toBe(`nats.conf:5:7: error: expected an integer for "port", found a string
nats.conf:17:3: error: unknown field "ca_fle" in tls
  hint: did you mean "ca_file"
nats.conf:21:11: error: "verify" must be true, false or "optional"
nats.conf:22:16: warning: TLS 1.1 is insecure, and nats-server rejects it as min_version [protocol-version]
  hint: write min_version: "1.3", or "1.2" where a client needs it
nats.conf: 3 errors, 1 warning
`);
  });

  it.skipIf(!nobodyCanRun)('reports a key that the user may not read', async () => {
    const folder = freshCopy(made);
    chmodSync(join(folder, 'certs/server-key.pem'), 0);
    for (const path of ['.', 'certs']) chmodSync(join(folder, path), 0o755);
    const { code, stdout } = await natspki(folder, ['check', 'nats.conf'], { node: asNobody });
    expect(stdout).toMatch(/^nats\.conf:13:13: error: .*"\.\/certs\/server-key\.pem".*0000/m);
    expect(code).toBe(1);
  });

  it('prints one JSON document', async () => {
    const { code, stdout, stderr } = await check(edit('ca_file:', 'ca_fle:'), '--json');
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      config: 'nats.conf',
      errors: 1,
      warnings: expect.any(Number),
      findings: expect.arrayContaining([
        {
          file: 'nats.conf',
          line: 17,
          column: 3,
          severity: 'error',
          message: 'unknown field "ca_fle" in tls',
          hint: 'did you mean "ca_file"',
        },
      ]),
    });
  });

  it('fails for a missing configuration', async () => {
    expect(await natspki(made, ['check', 'none.conf'])).toEqual({
      code: 1,
      stdout: '',
      stderr: 'natspki: error: "none.conf" does not exist\nnatspki: hint: `natspki init` writes one\n',
    });
  });
});
