// Signals a running server to reload, and never a process that the signal would terminate.
import { execFileSync } from 'node:child_process';
import { copyFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { findServer, isNatsServer, reloadServer } from '../../src/rollout/signal.ts';
import { Program } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('reload');
const started: Program[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((child) => child.close()));
});

describe('reloading a server', () => {
  it.each(['its process id', 'its pid file'])('sends SIGHUP to the server named by %s', async (by) => {
    const script = join(folder, 'nats-server');
    writeFileSync(
      script,
      "process.on('SIGHUP', () => { console.log('told'); process.exit(); }); console.log('ready'); setInterval(() => {}, 1e6);",
    );
    const child = Program.start([process.execPath, script]);
    started.push(child);
    await child.printed(/ready/, 'stdout');
    const file = join(folder, 'nats.pid');
    writeFileSync(file, `${child.pid}\n`);
    expect(await reloadServer(by === 'its pid file' ? file : String(child.pid))).toBe(child.pid);
    await child.ended;
    expect(child.stdout).toBe('ready\ntold\n');
  });

  it.each([
    ['that SIGHUP would terminate', ['sleep', '60'], 'sleep'],
    [
      'that handles SIGHUP',
      ['bash', '-c', 'trap "exit 7" HUP; echo ready; while :; do read -t 9; done'],
      'bash',
    ],
  ])(
    'rejects another program than a NATS server %s, and leaves it running',
    async (_which, command, name) => {
      const child = Program.start(command);
      started.push(child);
      if (name === 'bash') await child.printed(/ready/, 'stdout');
      await expect(reloadServer(String(child.pid))).rejects.toMatchObject({
        code: 'not-a-server',
        message: `process ${child.pid} is "${name}", not a NATS server`,
        hint: `pass the pid_file of the server; for a program that embeds one: kill -HUP ${child.pid}`,
      });
      expect(child.isRunning).toBe(true);
    },
  );

  it('rejects a NATS server that does not handle SIGHUP yet', async () => {
    const sleep = realpathSync(execFileSync('sh', ['-c', 'command -v sleep'], { encoding: 'utf8' }).trim());
    const file = join(folder, 'nats-server-2.9');
    copyFileSync(sleep, file);
    const child = Program.start([file, '60']);
    started.push(child);
    await expect(reloadServer(String(child.pid))).rejects.toMatchObject({
      message: `process ${child.pid} does not handle SIGHUP, which would terminate it`,
    });
    expect(child.isRunning).toBe(true);
  });

  it.each([
    ['nats-server', '/usr/bin/nats-server', '-c', 'nats.conf'],
    ['nats-server-v2.10.1', 'x'],
    ['nats-server (deleted)', 'x'],
    ['node', 'node', '/usr/local/bin/natspki', 'broker'],
    ['node', 'node', '--enable-source-maps', 'bin/run.js', 'broker', '-c', 'nats.conf'],
    ['node', 'node', '/usr/local/bin/natspki-nats-server'],
    ['node', 'node', 'bin/start.js'],
  ])('knows the NATS server %s %s %s', (...words) => {
    expect(isNatsServer(words)).toBe(true);
  });

  it.each([
    ['nats-server-config-reloader', 'x'],
    ['tail', 'tail', '-f', 'nats-server'],
    ['node', 'node', '/usr/local/bin/natspki', 'watch'],
    ['node', 'node', 'server.js'],
  ])('knows that %s %s %s is no NATS server', (...words) => {
    expect(isNatsServer(words)).toBe(false);
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
