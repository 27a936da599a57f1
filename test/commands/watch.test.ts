// `natspki watch`, from cron and as a service.
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { initialize } from '../../src/pki/issue/init.ts';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import { bin, natspki, Program } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { initDefaults, leafOf } from '../support/pki.ts';

const scratch = testFolder('watch');
const day = 86_400_000;

/** A folder with certificates that were issued this many days ago, for 90 days. */
async function aged(days: number): Promise<{ folder: string; directory: PkiDirectory }> {
  const folder = await mkdtemp(join(scratch, 'x-'));
  const directory = new PkiDirectory(join(folder, 'certs'));
  const now = () => new Date(Date.now() - days * day);
  await initialize({ ...initDefaults, directory, days: 90, now });
  return { folder, directory };
}

/** Removes process ids and times from log lines. */
const steady = (text: string) =>
  text.replace(/^\[\d+\] \S+ \S+ /gm, '').replace(/\d{4}-\d\d-\d\d(T\S+)?/g, 'TIME');

describe('natspki watch --once', () => {
  it('renews nothing when nothing is due', async () => {
    const { folder } = await aged(10);
    const { code, stdout, stderr } = await natspki(folder, ['watch', '--once']);
    expect({ code, stdout, stderr: steady(stderr) }).toEqual({
      code: 0,
      stdout: '',
      stderr: '[INF] the next renewal is at TIME\n',
    });
  });

  it('renews what is due and updates the pins of nats.conf', async () => {
    const { folder, directory } = await aged(70);
    const old = leafOf(directory, 'client').pin;
    writeFileSync(join(folder, 'nats.conf'), `tls { pinned_certs: ["${old}"] }\n`);
    const { code, stdout, stderr } = await natspki(folder, ['watch', '--once', '--prune-pins', '--json']);
    const fresh = leafOf(directory, 'client').pin;
    expect({ code, document: JSON.parse(stdout) }).toEqual({
      code: 0,
      document: { directory: './certs', renewed: ['client', 'route', 'server'] },
    });
    expect(fresh).not.toBe(old);
    expect(readFileSync(join(folder, 'nats.conf'), 'utf8')).toBe(`tls { pinned_certs: ["${fresh}"] }\n`);
    expect(steady(stderr)).toContain(`[INF] renewed "client" (client) until TIME, pin ${fresh}\n`);
    expect(steady(stderr)).toContain(
      '[INF] added 1 pin to ./nats.conf\n[INF] removed 1 pin from ./nats.conf\n',
    );
  });

  it('renews what is due within a window', async () => {
    const { folder, directory } = await aged(50);
    const { serial } = leafOf(directory, 'server');
    expect((await natspki(folder, ['watch', '--once'])).code).toBe(0);
    expect(leafOf(directory, 'server').serial).toBe(serial);
    expect((await natspki(folder, ['watch', '--once', '--due', '6w'])).code).toBe(0);
    expect(leafOf(directory, 'server').serial).not.toBe(serial);
  });

  it.each([
    [['--dir', 'none'], /^natspki: error: no authority in "none"\nnatspki: hint: /],
    [['--reload', '2147483646'], /natspki: error: there is no process 2147483646\n/],
    [['--config', 'none.conf'], /natspki: error: .*"none\.conf"/],
    [['--verify', 'nowhere://x'], /natspki: error: /],
  ])('fails with the reason and changes nothing: %j', async (args, message) => {
    const { folder, directory } = await aged(70);
    const { serial } = leafOf(directory, 'server');
    const { code, stderr } = await natspki(folder, ['watch', '--once', ...args]);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(message);
    expect(leafOf(directory, 'server').serial).toBe(serial);
  });
});

describe('natspki watch', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('renews, waits, and exits with 0 on %s', async (signal) => {
    const { folder, directory } = await aged(80);
    const { serial } = leafOf(directory, 'server');
    const watch = Program.start([process.execPath, bin, 'watch'], { folder });
    await watch.printed(/the next renewal is at/);
    expect(leafOf(directory, 'server').serial).not.toBe(serial);
    expect(await watch.end(signal)).toBe(0);
    expect(steady(watch.stderr)).toMatch(
      /^\[INF\] Watching \.\/certs\n(.*\n)*\[INF\] Trapped "SIG\w+" signal\n$/,
    );
  });

  it('goes on after a failed round, and logs the reason, a hint and the next attempt', async () => {
    const { folder, directory } = await aged(80);
    const { serial } = leafOf(directory, 'server');
    const args = ['watch', '--reload', '2147483646'];
    const watch = Program.start([process.execPath, bin, ...args], { folder });
    await watch.printed(/trying again in 5s/);
    expect(steady(watch.stderr)).toContain(
      '[ERR] there is no process 2147483646\n[ERR] hint: is the server running?\n[WRN] trying again in 5s\n',
    );
    expect(await watch.end('SIGTERM')).toBe(0);
    expect(leafOf(directory, 'server').serial).toBe(serial);
  });
});
