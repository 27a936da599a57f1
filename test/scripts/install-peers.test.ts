// What .ci/run installs beside natspki, with go, npm and apt-get in the place of the real ones: they write programs that
// say nothing but a version.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { expectedVersions } from '../support/peers.ts';

const script = fileURLToPath(new URL('../../.ci/install-peers.mjs', import.meta.url));
const scratch = testFolder('install-peers');

const says = (version: string) => `#!/bin/sh\necho "v${version}"\n`;
const programs = {
  'nats-server': 'go/nats-server',
  nats: 'go/nats',
  node: 'node/node_modules/node/bin/node',
};

const go = `#!/bin/sh
echo "go $*" >>"$CALLS"
package=\${2%@*} version=\${2#*@v}
program=$(basename "\${package%/v2}")
mkdir -p "$GOBIN"
printf '#!/bin/sh\\necho "v%s"\\n' "$version" >"$GOBIN/$program"
chmod +x "$GOBIN/$program"
`;
const npm = `#!/bin/sh
echo "npm $*" >>"$CALLS"
for last; do :; done
mkdir -p "$3/node_modules/node/bin"
printf '#!/bin/sh\\necho "v%s"\\n' "\${last#*@}" >"$3/node_modules/node/bin/node"
chmod +x "$3/node_modules/node/bin/node"
`;

/** Makes a folder for peers; `install` runs the script for it and lists the installations that it did. */
function makeFolder() {
  const folder = mkdtempSync(join(scratch, 'x-'));
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const [name, text] of Object.entries({ go, npm, 'apt-get': '#!/bin/sh\nexit 100\n' })) {
    writeFileSync(join(bin, name), text, { mode: 0o755 });
  }
  const calls = join(folder, 'calls');
  const install = async () => {
    writeFileSync(calls, '');
    const environment = { PATH: `${bin}:${process.env.PATH}`, CALLS: calls };
    const { code, stderr } = await run([process.execPath, script, folder], { environment });
    const lines = readFileSync(calls, 'utf8').split('\n').filter(Boolean);
    return { code, stderr, installed: lines.map((line) => line.split(' ').at(-1)) };
  };
  return { path: (program: string) => join(folder, program), install };
}

const wanted = {
  'nats-server': `github.com/nats-io/nats-server/v2@v${expectedVersions.get('nats-server')}`,
  nats: `github.com/nats-io/natscli/nats@v${expectedVersions.get('nats')}`,
  node: `node@${expectedVersions.get('node')}`,
};

it('installs each peer in the version of test/peers.json, once', async () => {
  const { install, path } = makeFolder();
  const { code, installed } = await install();
  expect({ code, installed }).toEqual({ code: 0, installed: Object.values(wanted) });
  for (const program of Object.values(programs)) expect(existsSync(path(program))).toBe(true);
  expect((await install()).installed).toEqual([]);
});

it.each(Object.keys(programs) as (keyof typeof programs)[])(
  'replaces a %s of another version, and nothing else',
  async (program) => {
    const { install, path } = makeFolder();
    await install();
    writeFileSync(path(programs[program]), says('0.0.1'), { mode: 0o755 });
    expect((await install()).installed).toEqual([wanted[program]]);
  },
);

it('goes without nats-server 2.9 where the system has no such package, and removes another version', async () => {
  const { install, path } = makeFolder();
  const old = path('go/nats-server-2.9');
  mkdirSync(dirname(old));
  writeFileSync(old, says('2.10.0'), { mode: 0o755 });
  const { code, stderr } = await install();
  expect({ code, left: existsSync(old) }).toEqual({ code: 0, left: false });
  expect(stderr).toContain(
    `nats-server-2.9 ${expectedVersions.get('nats-server-2.9')} is not in this Debian`,
  );
});
