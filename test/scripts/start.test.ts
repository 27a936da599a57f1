// What `npm start` prints besides the log: commands to paste, which must work unchanged.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { natspki, Program, run } from '../harness/process.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';

const start = fileURLToPath(new URL('../../bin/start.js', import.meta.url));
const scratch = testFolder('start');
const made = mkdtempSync(join(scratch, 'made-'));

beforeAll(async () => {
  await natspki(made, ['init', '--yes', '--client', 'alice', '--host', 'localhost']);
});

/** Starts with a changed nats.conf, waits for the commands, and returns the one that publishes. */
async function linesFor(change: (conf: string) => string) {
  const folder = freshCopy(made);
  const conf = join(folder, 'nats.conf');
  writeFileSync(conf, change(readFileSync(conf, 'utf8')));
  // A nats command that is there, whatever this machine has.
  writeFileSync(join(folder, 'nats'), '#!/bin/sh\n', { mode: 0o755 });
  const environment = { PATH: `${folder}${delimiter}${process.env.PATH}` };
  const started = Program.start([process.execPath, start], { folder, environment });
  await started.printed(/nats pub .*\n/);
  const [, port] = /Listening for client connections on .*:(\d+)/.exec(started.stderr) ?? [];
  const [line = ''] = /nats pub .*/.exec(started.stderr) ?? [];
  return { folder, port, line, end: () => started.end() };
}

const anyPort = (conf: string) => conf.replace('port: 4222', 'port: -1');

describe('npm start', () => {
  it('prints commands with the port, the host and the certificates in use', async () => {
    const { port, line, end } = await linesFor(anyPort);
    const pair = '--tlscert certs/alice-cert.pem --tlskey certs/alice-key.pem --tlsca certs/ca.pem';
    expect(line).toBe(`nats pub greeting hello -s tls://localhost:${port} ${pair}`);
    expect(await end()).toBe(0);
  });

  it('prints commands without certificates when nats.conf has no tls block', async () => {
    const { port, line, end } = await linesFor(() => 'listen: "127.0.0.1:-1"\n');
    expect(line).toBe(`nats pub greeting hello -s nats://127.0.0.1:${port}`);
    expect(await end()).toBe(0);
  });

  it('reports the errors of nats.conf in the format of all errors', async () => {
    const folder = freshCopy(made);
    writeFileSync(join(folder, 'nats.conf'), 'prot: 4222\ndebgu: true\n');
    const lines = [
      'error: nats.conf:1:1: unknown field "prot"',
      'error: nats.conf:2:1: unknown field "debgu"',
    ];
    const { code, stdout, stderr } = await run([process.execPath, start], { folder });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    for (const line of lines) expect(stderr).toContain(`natspki: ${line}`);
    expect(stderr).toMatch(/natspki: hint: .+\n$/);
  });
});

describePeer('nats', 'with the nats CLI', (nats) => {
  it('prints commands that work', async () => {
    const { folder, line, end } = await linesFor(anyPort);
    const [, ...words] = line.split(' ');
    expect(await run([nats, ...words], { folder })).toMatchObject({ code: 0 });
    expect(await end()).toBe(0);
  });
});
