// What .ci/run installs for clients in other languages, with npm, python3, go and mvn in the place of the real ones: they write
// down how they are called.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const script = fileURLToPath(new URL('../../.ci/install-clients.mjs', import.meta.url));
const packages: Record<string, Record<string, string>> = JSON.parse(
  readFileSync(new URL('../clients/packages.json', import.meta.url), 'utf8'),
);
const scratch = testFolder('install-clients');

/** Makes a folder for the packages; `install` runs the script on a system with these programs only. */
function makeFolder(...programs: string[]) {
  const folder = mkdtempSync(join(scratch, 'x-'));
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const calls = join(folder, 'calls');
  const tool = (name: string) => `#!/bin/sh\necho "${name} $*" >>"${calls}"\n`;
  for (const name of programs) writeFileSync(join(bin, name), tool(name), { mode: 0o755 });
  const install = async () => {
    writeFileSync(calls, '');
    const { code, stderr } = await run([process.execPath, script, folder], { environment: { PATH: bin } });
    return { code, stderr, calls: readFileSync(calls, 'utf8') };
  };
  return { path: (name: string) => join(folder, 'clients', name), install };
}

it('installs each package in the version of test/clients/packages.json, once', async () => {
  const { install, path } = makeFolder('npm', 'python3', 'go', 'mvn');
  const { code, calls } = await install();
  expect(code).toBe(0);
  const separators: Record<string, string> = { npm: '@', python: '==', go: '@v', java: ':' };
  for (const [language, wanted] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(wanted)) {
      expect(calls).toContain(`${name}${separators[language]}${version}`);
    }
  }
  expect((await install()).calls).toBe('');
  writeFileSync(path('go/installed.json'), '{}');
  expect((await install()).calls).toMatch(/^go mod init .*\ngo get .*\n$/);
});

it('goes without a language that the system does not have', async () => {
  const { install, path } = makeFolder('npm', 'python3', 'go');
  const { code, stderr } = await install();
  expect({ code, stderr }).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('mvn is not installed: tests with java are skipped\n'),
  });
  expect(existsSync(path('java/unavailable'))).toBe(true);
  expect(existsSync(path('java/installed.json'))).toBe(false);
});
