// The package as users get it: packed, installed into an empty folder and run there.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { Program, run } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { ask, monitorUrlOf } from '../support/monitoring.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = testFolder('package');

/** Packs the existing build. It skips `prepack`, because a new build would disturb other tests. */
function pack(...args: string[]): {
  filename: string;
  files: { path: string; mode: number }[];
  size: number;
} {
  const output = execFileSync('npm', ['pack', '--json', '--ignore-scripts', ...args], {
    cwd: root,
    encoding: 'utf8',
    stdio: 'pipe',
  });
  return JSON.parse(output)[0];
}

describe('the package', () => {
  it('contains the files that it needs and no others', () => {
    const { files, size } = pack('--dry-run');
    const odd = files.filter(
      ({ path }) =>
        !/^(package\.json|oclif\.manifest\.json|README\.md|LICENSE|docs\/(api|codes)\.md|bin\/(run\.js|load\.js|nats-server|package\.json)|dist\/bundle\/((commands\/|shared\/)?[\w-]+\.cjs|LICENSES\.txt)|dist\/api\/([\w-]+\.(js|mjs|d\.ts)|(shared|api|testing)\/[\w-]+\.(js|d\.ts)|package\.json|LICENSES\.txt)|templates\/page\/[\w-]+\.(html|css|js|svg)|templates\/[\w-]+\.(conf|service|timer|cron))$/.test(
          path,
        ),
    );
    expect(odd).toEqual([]);
    const paths = files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'bin/run.js',
        'bin/nats-server',
        'bin/package.json',
        'bin/load.js',
        'dist/bundle/program.cjs',
        'dist/bundle/help.cjs',
        'dist/bundle/commands/broker.cjs',
        'oclif.manifest.json',
        'dist/bundle/LICENSES.txt',
        'dist/api/index.js',
        'dist/api/index.mjs',
        'dist/api/index.d.ts',
        'templates/page/index.html',
        'templates/page/page.js',
        'templates/verify.conf',
        'LICENSE',
      ]),
    );
    expect(size).toBeLessThan(1_000_000);
  });
});

describe('a checkout that is not built', () => {
  it('prints the commands that build it', async () => {
    const checkout = join(folder, 'not built');
    cpSync(join(root, 'bin'), join(checkout, 'bin'), { recursive: true });
    const finished = await run([process.execPath, join(checkout, 'bin/run.js'), '--version']);
    expect(finished).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: the checkout is not built\n' +
        `natspki: hint: cd "${checkout}" && npm ci && npm run build\n`,
    });
  });
});

describe('the package in an empty folder', () => {
  beforeAll(async () => {
    const { filename } = pack('--pack-destination', folder);
    const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', join(folder, filename)];
    const { code, stderr } = await run(['npm', ...install], { folder });
    expect(stderr).not.toMatch(/deprecated|EBADENGINE/);
    expect(code).toBe(0);
  }, 120_000);

  const npx = (...args: string[]) => run(['npx', '--no-install', 'natspki', ...args], { folder });

  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect((await npx('--version')).stdout).toBe(`natspki ${version}\n`);
  });

  it('issues certificates with `npx natspki init` and serves them with `npx natspki broker`', async () => {
    const init = await npx('init', '--yes');
    expect(init.code).toBe(0);
    expect(existsSync(join(folder, 'certs/server-key.pem'))).toBe(true);

    const args = [
      '--no-install',
      'natspki',
      'broker',
      '-c',
      'nats.conf',
      '-p',
      '-1',
      '-m',
      '-1',
      '-P',
      'nats.pid',
    ];
    const broker = Program.start(['npx', ...args], { folder });
    // The broker handles signals after it has written the pid file, and both follow this line.
    await broker.printed(/Server is ready/);
    await expect.poll(() => existsSync(join(folder, 'nats.pid')), { timeout: 10_000 }).toBe(true);
    const url = monitorUrlOf(broker.stderr).replace('0.0.0.0', '127.0.0.1');
    expect((await ask(`${url}/`)).body).toContain('<script type="module" src="page/page.js">');
    expect((await ask(`${url}/page/page.js`)).status).toBe(200);
    expect((await ask(`${url}/metrics`)).body).toContain('\nnatspki_ready 1\n');
    expect((await npx('broker', '--signal', 'term=nats.pid')).code).toBe(0);
    expect(await broker.ended).not.toBeNull();
    expect(broker.stderr).toContain('TLS required for client connections');
  });
});
