// A fresh clone needs no set-up but `npm start` or `npm test`, and the second `npm start` is fast.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const minute = 60_000;

/** Copies the files that git tracks as they are in the working tree: the content of a clone of this commit. */
function cloneWorkingTree(into: string): void {
  const files = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  for (const file of files.split('\0').filter((name) => name !== '')) {
    mkdirSync(dirname(join(into, file)), { recursive: true });
    copyFileSync(join(root, file), join(into, file));
  }
}

describe('a fresh clone', () => {
  let folder: string;
  let running: ChildProcess | undefined;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'natspki checkout ü-'));
    cloneWorkingTree(folder);
  });

  afterAll(() => {
    // npm starts a shell, which starts node: kill the whole process group that this test created.
    if (running?.pid !== undefined && running.exitCode === null && running.signalCode === null)
      process.kill(-running.pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs `npm start` on a free port until the broker is ready, then stops it as Ctrl-C does; returns its output. */
  async function startAndStop(): Promise<string> {
    const child = spawn('npm', ['start', '--', '--port', '-1'], { cwd: folder, detached: true });
    running = child;
    let output = '';
    const ready = new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        output += chunk.toString();
        if (output.includes('Server is ready')) resolve();
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', () => reject(new Error(`npm start ended early:\n${output}`)));
    });
    await ready;
    const ended = new Promise((resolve) => child.once('close', resolve));
    process.kill(-(child.pid as number), 'SIGINT');
    await ended;
    return output;
  }

  it(
    'installs, builds, creates certificates and serves on the first `npm start`, and only serves on the next',
    async () => {
      const first = await startAndStop();
      expect(first).toContain('npm ci');
      expect(first).toContain('nats sub ">"');
      const authority = readFileSync(join(folder, 'certs/ca.pem'), 'utf8');

      const before = performance.now();
      const second = await startAndStop();
      expect(performance.now() - before).toBeLessThan(10_000);
      expect(second).not.toContain('npm ci');
      expect(second).not.toContain('npm run');
      expect(second).toContain('Server Exiting');
      expect(readFileSync(join(folder, 'certs/ca.pem'), 'utf8')).toBe(authority);
    },
    5 * minute,
  );

  it(
    'installs without a deprecation or engine warning',
    () => {
      const install = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, encoding: 'utf8' });
      expect(install.status).toBe(0);
      expect(install.stderr).not.toMatch(/deprecated|EBADENGINE/);
    },
    5 * minute,
  );

  it(
    'installs, builds and runs the tests with one `npm test`',
    () => {
      rmSync(join(folder, 'node_modules'), { recursive: true, force: true });
      const test = spawnSync('npm', ['test', '--', 'test/duration.test.ts'], {
        cwd: folder,
        encoding: 'utf8',
      });
      expect(test.stdout).toMatch(/Tests .*\d+ passed/);
      expect(test.status).toBe(0);
    },
    5 * minute,
  );
});
