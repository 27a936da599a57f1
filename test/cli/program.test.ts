// The way from a command line to the end of a command, in a process of its own.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { natspki } from '../support/cli.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('program');
mkdirSync(join(folder, 'certs'));
writeFileSync(join(folder, 'certs/ca.pem'), '');

/** Runs `natspki list ARGS...` where no file that is opened ever opens. */
function stuck(...args: string[]) {
  const program = `
import { promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
promises.open = () => new Promise(() => undefined);
syncBuiltinESMExports();`;
  const preload = `data:text/javascript,${encodeURIComponent(program)}`;
  return natspki(folder, ['list', ...args], { node: ['--import', preload] });
}

describe('the program', () => {
  it('fails when a command waits for something that never comes', async () => {
    expect(await stuck()).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: unexpected: the command did not finish\n' +
        'natspki: hint: this is a defect of natspki, NATSPKI_DEBUG=1 shows where it happened\n',
    });
    const { code, stdout } = await stuck('--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'internal' } });
  });
});
