import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { acquireLock } from '../../src/files/lock.ts';
import { Program } from '../harness/process.ts';
import { builtModule } from '../support/built.ts';
import { testFolder } from '../support/folder.ts';

const scratch = testFolder('lock');
const lockModule = JSON.stringify(builtModule('src/files/lock.js'));

function place(): string {
  return join(mkdtempSync(join(scratch, 'place-')), 'lock');
}

function start(script: string): Program {
  return Program.start([process.execPath, '--input-type=module', '-'], { input: script });
}

/** Starts a process that takes the lock and holds it until it is killed. */
async function startHolder(path: string): Promise<Program> {
  const child = start(`
const { acquireLock } = await import(${lockModule});
await acquireLock(${JSON.stringify(path)});
console.log('held');
setInterval(() => {}, 1000);
`);
  await child.printed(/held/, 'stdout');
  return child;
}

describe('a lock', () => {
  it('frees the lock on release and leaves no file behind', async () => {
    const path = place();
    for (let i = 0; i < 3; i++) await (await acquireLock(path)).release();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('goes to one that waits before the holder has it again', async () => {
    const path = place();
    let rounds = 0;
    let isDone = false;
    const busy = async () => {
      while (!isDone && rounds < 50) {
        const lock = await acquireLock(path);
        rounds++;
        await new Promise((resolve) => setTimeout(resolve, 60));
        await lock.release();
      }
    };
    const other = async () => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      await (await acquireLock(path)).release();
      isDone = true;
    };
    await Promise.all([busy(), other()]);
    expect(rounds).toBeLessThan(4);
  });

  it('admits one holder at a time, also within a process', async () => {
    const path = place();
    const inside: number[] = [];
    let most = 0;
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const lock = await acquireLock(path);
        inside.push(i);
        most = Math.max(most, inside.length);
        await new Promise(setImmediate);
        inside.pop();
        await lock.release();
      }),
    );
    expect(most).toBe(1);
  });

  it('names the process that holds the lock when waiting exceeds the timeout', async () => {
    const path = place();
    const holder = await startHolder(path);
    await expect(acquireLock(path, { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'locked',
      message: `"${join(path, '..')}" is locked by process ${holder.pid}`,
      hint: `wait for it to end; if it is gone, remove "${path}"`,
    });
    expect(readdirSync(join(path, '..'))).toEqual(['lock']);
    await holder.close();
  });

  it('takes the lock over from a process that was killed', async () => {
    const path = place();
    await (await startHolder(path)).close();
    expect(readdirSync(path)).toHaveLength(1);
    const lock = await acquireLock(path, { timeoutMs: 0 });
    await lock.release();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('takes the lock over when the process id of its holder now belongs to another process', async () => {
    const path = place();
    const lock = await acquireLock(path);
    const [holder = ''] = readdirSync(path);
    // This process, but with another start time.
    const [pid, , ...rest] = holder.split('-');
    renameSync(join(path, holder), join(path, [pid, '000000000000', ...rest].join('-')));
    await (await acquireLock(path, { timeoutMs: 0 })).release();
    await lock.release();
  });

  it('does not take the lock over from a holder on another host, and names that host', async () => {
    const path = place();
    mkdirSync(path);
    writeFileSync(join(path, '7-000000000000-000000000000-0123456789ab'), 'elsewhere');
    await expect(acquireLock(path, { timeoutMs: 0 })).rejects.toMatchObject({
      message: `"${join(path, '..')}" is locked by process 7 on host elsewhere`,
    });
    expect(hostname()).not.toBe('elsewhere');
  });

  it('names a file in the lock that natspki did not create', async () => {
    const path = place();
    mkdirSync(path);
    writeFileSync(join(path, '.DS_Store'), '');
    await expect(acquireLock(path, { timeoutMs: 0, what: 'nats.conf' })).rejects.toMatchObject({
      message: `"nats.conf" is locked by "${join(path, '.DS_Store')}", which natspki did not create`,
      hint: `remove "${path}"`,
    });
  });

  it('removes the files of a process that was killed before it acquired the lock', async () => {
    const path = place();
    const holder = await startHolder(path);
    await holder.close();
    const [dead = ''] = readdirSync(path);
    renameSync(path, `${path}.${dead}`);
    await (await acquireLock(path)).release();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });

  it('admits one of many processes at a time, even when some are killed while they hold the lock', async () => {
    const path = place();
    const log = join(path, '../log');
    const rounds = 12;
    const script = (killsItself: boolean) => `
import { appendFileSync } from 'node:fs';
const { acquireLock } = await import(${lockModule});
for (let i = 0; i < ${rounds}; i++) {
  const lock = await acquireLock(${JSON.stringify(path)}, { timeoutMs: 60_000 });
  appendFileSync(${JSON.stringify(log)}, 'in ' + process.pid + '\\n');
  if (${killsItself} && i === ${rounds / 2}) process.kill(process.pid, 'SIGKILL');
  await new Promise(setImmediate);
  appendFileSync(${JSON.stringify(log)}, 'out ' + process.pid + '\\n');
  await lock.release();
}`;
    const children = Array.from({ length: 8 }, (_, i) => start(script(i % 2 === 0)));
    const killed = new Set(children.filter((_, i) => i % 2 === 0).map(({ pid }) => pid));
    await Promise.all(children.map(({ ended }) => ended));
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    for (let i = 0; i < lines.length; i++) {
      const [verb, pid] = (lines[i] as string).split(' ');
      expect(verb).toBe('in');
      if (lines[i + 1] === `out ${pid}`) i++;
      else expect(killed).toContain(Number(pid));
    }
    expect(lines.filter((line) => line.startsWith('out'))).toHaveLength(4 * rounds + 4 * (rounds / 2));
    // The last holder may have been one of the killed processes.
    await (await acquireLock(path, { timeoutMs: 0 })).release();
    expect(readdirSync(join(path, '..'))).toEqual(['log']);
  });
});
