// The code cache that the build makes: taken by the Node that made it for every script, and no more than a help.
import { cpSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = testFolder('code-cache');
const bundle = join(folder, 'dist/bundle');

beforeAll(async () => {
  for (const part of ['bin', 'dist', 'templates', 'package.json']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const name of caches()) rmSync(join(bundle, name));
  const made = await run([process.execPath, join(folder, 'bin/code-cache.mjs')], { folder });
  expect(made).toEqual({ code: 0, stdout: '', stderr: '' });
});

function caches(): string[] {
  return readdirSync(bundle).filter((name) => name.endsWith('.cache'));
}

/** Runs a command and gives for each script that it loaded whether V8 refused its code cache. */
async function refusals(...args: string[]): Promise<Record<string, boolean | undefined>> {
  const hook = join(folder, 'hook.mjs');
  writeFileSync(
    hook,
    `import vm from 'node:vm';
const { Script } = vm;
const seen = {};
vm.Script = class extends Script {
  constructor(code, options) {
    super(code, options);
    seen[options.filename.replace(/.*[\\\\/]/, '')] = this.cachedDataRejected ?? null;
  }
};
process.on('exit', () => process.stderr.write(JSON.stringify(seen)));
`,
  );
  const command = [
    process.execPath,
    '--import',
    pathToFileURL(hook).href,
    join(folder, 'bin/run.js'),
    ...args,
  ];
  const { code, stderr } = await run(command, { folder });
  expect(code).toBe(0);
  return JSON.parse(stderr);
}

describe('the code cache of the build', () => {
  it('is taken by the Node that made it, for every script of a command', async () => {
    for (const args of [['init', '--yes', '--force'], ['pin', 'certs/ca.pem'], ['list'], ['--help']]) {
      const refused = await refusals(...args);
      expect(Object.keys(refused)).toContain('_main.cjs');
      expect(new Set(Object.values(refused)), args[0]).toEqual(new Set([false]));
    }
  });

  it('may be missing', async () => {
    for (const name of caches()) rmSync(join(bundle, name));
    const refused = await refusals('init', '--yes', '--force');
    expect(new Set(Object.values(refused))).toEqual(new Set([null]));
  });
});
