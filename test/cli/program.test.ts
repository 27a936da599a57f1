// A command line from its start to its end, in a process of its own.
import { beforeAll, describe, expect, it } from 'vitest';
import { natspki } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('program');

beforeAll(async () => {
  await natspki(folder, ['init', '--yes']);
});

/** Runs `natspki list ARGS...` with a file system on which listing a folder never ends. */
function stuck(...args: string[]) {
  const program = `
import { promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
promises.readdir = () => new Promise(() => undefined);
syncBuiltinESMExports();`;
  const preload = `data:text/javascript,${encodeURIComponent(program)}`;
  return natspki(folder, ['list', ...args], { node: ['--import', preload] });
}

describe('the program', () => {
  it('fails when the event loop is empty before the command has ended', async () => {
    expect(await stuck()).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: unexpected error: the command did not finish\n' +
        'natspki: hint: this is a bug in natspki: run the command again with NATSPKI_DEBUG=1 and report what it prints\n',
    });
    const { code, stdout } = await stuck('--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'internal' } });
  });
});
