// Where the launchers have Node cache the compiled program, on versions of Node that can.
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import nodeModule from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { natspki } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('load');

/** Runs the program with a home folder of a mode, and tells whether it wrote a compile cache there. */
async function keepsCache(name: string, mode: number): Promise<boolean> {
  const home = join(folder, name);
  mkdirSync(home);
  chmodSync(home, mode);
  const environment = { HOME: home, NODE_DISABLE_COMPILE_CACHE: undefined };
  expect(await natspki(folder, ['--version'], { environment })).toMatchObject({ code: 0, stderr: '' });
  return existsSync(join(home, '.cache/natspki/compile-cache'));
}

describe.runIf('enableCompileCache' in nodeModule)('the compile cache', () => {
  it('is in the home folder of the user', async () => {
    expect(await keepsCache('own', 0o755)).toBe(true);
  });

  it('is off when other users can write to the home folder, because Node would run their code', async () => {
    expect(await keepsCache('shared', 0o777)).toBe(false);
    expect(await keepsCache('of-a-group', 0o775)).toBe(false);
  });
});

it('starts without a home folder', async () => {
  const environment = { HOME: join(folder, 'none') };
  expect(await natspki(folder, ['--version'], { environment })).toMatchObject({ code: 0, stderr: '' });
});
