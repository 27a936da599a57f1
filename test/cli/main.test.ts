// The way from a command line to the end of a command, in a process of its own.
import { describe, expect, it } from 'vitest';
import { builtModule } from '../support/built.ts';
import { run } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('main');

/** Runs `natspki list ARGS...`, with something else in the place of `list`. */
function withCommand(start: string, ...args: string[]) {
  const program = `
const { main } = await import(${JSON.stringify(builtModule('src/cli/main.js'))});
main(${JSON.stringify(['list', ...args])}, async () => ({ default: { start: ${start} } }));`;
  return run([process.execPath, '--input-type=module', '--eval', program], { folder });
}

describe('a command', () => {
  it('ends with 0 when its work is done', async () => {
    expect(await withCommand("async () => console.log('done')")).toEqual({
      code: 0,
      stdout: 'done\n',
      stderr: '',
    });
  });

  it('that waits for what never comes has failed', async () => {
    const stuck = 'async () => new Promise(() => undefined)';
    expect(await withCommand(stuck)).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: unexpected: the work came to no end\nnatspki: hint: this is a defect of natspki, NATSPKI_DEBUG=1 shows where it happened\n',
    });
    const { code, stdout } = await withCommand(stuck, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'internal' } });
  });
});
