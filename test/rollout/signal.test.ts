// Signals a running server to reload, and never a process that the signal would terminate.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { findServer, reloadServer } from '../../src/rollout/signal.ts';
import { Program } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('reload');
const started: Program[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.close()));
});

describe('reloading a server', () => {
  it.each(['its process id', 'its pid file'])('sends SIGHUP to the server named by %s', async (by) => {
    const child = Program.start([
      process.execPath,
      '-e',
      "process.on('SIGHUP', () => { console.log('told'); process.exit(); }); console.log('ready'); setInterval(() => {}, 1e6);",
    ]);
    started.push(child);
    await child.printed(/ready/, 'stdout');
    const file = join(folder, 'nats.pid');
    writeFileSync(file, `${child.pid}\n`);
    expect(await reloadServer(by === 'its pid file' ? file : String(child.pid))).toBe(child.pid);
    await child.ended;
    expect(child.stdout).toBe('ready\ntold\n');
  });

  it('rejects a process that SIGHUP would terminate, and leaves it running', async () => {
    const child = Program.start(['sleep', '60']);
    started.push(child);
    await expect(reloadServer(String(child.pid))).rejects.toMatchObject({ code: 'not-a-server' });
    expect(child.isRunning).toBe(true);
  });

  it.each([
    ['none.pid', 'file-missing'],
    ['text.pid', 'not-a-pid'],
    ['0', 'not-a-pid'],
    ['4194305', 'no-process'],
  ])('rejects the target %s with the code %s', async (target, code) => {
    writeFileSync(join(folder, 'text.pid'), '-1\n');
    const named = target.endsWith('.pid') ? join(folder, target) : target;
    await expect(findServer(named)).rejects.toMatchObject({ code });
  });
});
