// Scripts with a code cache: run as they are written, whatever the cache is worth.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { markOf, scriptLoader } from '../../src/cli/scripts.ts';
import { builtModule } from '../support/built.ts';
import { testFolder } from '../support/folder.ts';

const scratch = testFolder('scripts');

/** Writes scripts into a new folder, as the build does. */
function scripts(files: Record<string, string>): string {
  const folder = mkdtempSync(join(scratch, 'scripts-'));
  for (const [name, code] of Object.entries(files)) {
    const mark = Buffer.from(code).toString('hex');
    writeFileSync(
      join(folder, name),
      `// ${mark}\n(function (exports, require, module, __filename) {${code}\n})`,
    );
  }
  return folder;
}

/**
 * Loads a script in a process of its own, since V8 remembers what it has compiled, and tells whether it took the code
 * cache; undefined where it was given none.
 */
function loaded(folder: string, name: string): { exports: unknown; rejected?: boolean } {
  const program = `
const { scriptLoader } = await import(${JSON.stringify(builtModule('src/cli/scripts.js'))});
let rejected;
const load = scriptLoader(${JSON.stringify(folder)}, (_path, script) => (rejected = script.cachedDataRejected));
console.log(JSON.stringify({ exports: load(${JSON.stringify(name)}), rejected }));`;
  const args = ['--input-type=module', '--eval', program];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
}

/** Keeps what V8 compiled of a script, once it has run. */
function keepCache(folder: string, name: string): string {
  const compiled: { script: Script; code: string }[] = [];
  scriptLoader(folder, (_path, script, code) => compiled.push({ script, code }))(name);
  const [{ script, code }] = compiled as [(typeof compiled)[number]];
  const file = join(folder, `${name}.cache`);
  writeFileSync(file, Buffer.concat([Buffer.from(markOf(code)), script.createCachedData()]));
  return file;
}

describe('loading a script', () => {
  it('runs it once, with what it requires: scripts beside it, modules of node and packages', async () => {
    const folder = scripts({
      'a.cjs': `
        exports.b = require('./b.cjs');
        exports.again = require('./b.cjs');
        exports.name = __filename;
        exports.path = require('node:path');
        exports.late = () => module.import('inquirer');
        exports.missing = () => require('no-such-package');
        exports.resolved = require.resolve('node:fs');`,
      'b.cjs': 'globalThis.runs = (globalThis.runs ?? 0) + 1; module.exports = { runs: globalThis.runs };',
    });
    const a = scriptLoader(folder)('a.cjs') as Record<string, unknown>;
    expect(a).toMatchObject({ b: { runs: 1 }, name: `${folder}/a.cjs`, resolved: 'node:fs' });
    expect(a.again).toBe(a.b);
    expect(a.path).toBe(process.getBuiltinModule('node:path'));
    expect(await (a.late as () => Promise<unknown>)()).toHaveProperty('default.prompt');
    expect(a.missing).toThrow("Cannot find module 'no-such-package'");
  });

  it('takes the code cache that was made of it', () => {
    const folder = scripts({ 'a.cjs': 'exports.answer = (() => 6 * 7)();' });
    expect(loaded(folder, 'a.cjs')).toEqual({ exports: { answer: 42 } });
    keepCache(folder, 'a.cjs');
    expect(loaded(folder, 'a.cjs')).toEqual({ exports: { answer: 42 }, rejected: false });
  });

  it('does not take that of another script of the same length', () => {
    const folder = scripts({ 'a.cjs': 'exports.answer = 41;' });
    const cache = readFileSync(keepCache(folder, 'a.cjs'));
    const other = scripts({ 'a.cjs': 'exports.answer = 42;' });
    writeFileSync(join(other, 'a.cjs.cache'), cache);
    expect(loaded(other, 'a.cjs')).toEqual({ exports: { answer: 42 } });
  });

  it.each([
    ['torn', (cache: Buffer) => cache.subarray(0, cache.length - 10)],
    ['no more than its mark', (cache: Buffer) => cache.subarray(0, cache.indexOf('\n') + 1)],
    [
      "another version's",
      (cache: Buffer) => {
        const at = cache.indexOf('\n') + 1;
        // Behind a magic number of four bytes V8 has a hash of its version.
        return Buffer.from(cache.map((byte, index) => (index === at + 4 ? byte ^ 0xff : byte)));
      },
    ],
    ['empty', () => Buffer.alloc(0)],
  ])('runs without a code cache that is %s', (_what, damage) => {
    const folder = scripts({ 'a.cjs': 'exports.answer = (() => 6 * 7)();' });
    const file = keepCache(folder, 'a.cjs');
    writeFileSync(file, damage(readFileSync(file)));
    const { exports, rejected } = loaded(folder, 'a.cjs');
    expect(exports).toEqual({ answer: 42 });
    expect(rejected).not.toBe(false);
  });
});
