// The package as users get it: packed, installed into an empty folder and run there.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
        'dist/api/testing.js',
        'dist/api/testing.mjs',
        'dist/api/testing/test-nats.d.ts',
        'templates/page/frame.html',
        'templates/page/page.html',
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

  it('has types that tsc --strict accepts, for import and for require', async () => {
    const uses = (create: string) => `
      const authority: CreatedAuthority = await createAuthority({ dir: 'made', hosts: ['localhost'] });
      const [ca] = authority.certificates;
      if (ca?.notAfter === undefined || !/^[0-9a-f]{64}$/.test(ca.pin)) throw new Error('no certificate');
      try {
        await createAuthority({ dir: 'made' });
      } catch (error) {
        if (!(error instanceof NatspkiError) || error.code !== 'authority-exists') throw error;
      }
      const broker: RunningBroker = await startBroker({ host: '127.0.0.1', port: 0 });
      await broker.close();
      const nats: TestNats = await startTestNats({ clients: ['alice'], servers: 2 });
      const { caFile, certFile, keyFile }: TestTls = nats.tls('alice');
      await nats.rotate();
      await nats.stop();
      // Both module systems have the same classes.
      if (${create}.NatspkiError !== NatspkiError) throw new Error('loaded twice');
      // @ts-expect-error the profile must be named
      const wrong = () => issue({ dir: 'made', names: ['x'] });
      console.log([caFile, certFile, keyFile].length, typeof wrong, check.name);
    `;
    const types = 'type CreatedAuthority, type RunningBroker';
    const names = 'check, createAuthority, issue, NatspkiError, startBroker';
    writeFileSync(
      join(folder, 'esm.mts'),
      `import { createRequire } from 'node:module';
       import { ${names}, ${types} } from 'natspki';
       import { startTestNats, type TestNats, type TestTls } from 'natspki/testing';
       const other = createRequire(import.meta.url)('natspki') as typeof import('natspki');
       ${uses('other')}`,
    );
    writeFileSync(
      join(folder, 'cjs.cts'),
      `import { ${names}, ${types} } from 'natspki';
       import { startTestNats, type TestNats, type TestTls } from 'natspki/testing';
       void (async () => { ${uses("(await import('natspki'))")} })();`,
    );
    const tsc = join(root, 'node_modules/.bin/tsc');
    const args = ['--strict', '--exactOptionalPropertyTypes', '--module', 'nodenext', '--target', 'es2022'];
    const types20 = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    const compiled = await run([tsc, ...args, ...types20, 'esm.mts', 'cjs.cts'], { folder });
    expect(compiled).toEqual({ code: 0, stdout: '', stderr: '' });
    for (const name of ['esm.mjs', 'cjs.cjs']) {
      rmSync(join(folder, 'made'), { recursive: true, force: true });
      expect(await run([process.execPath, name], { folder })).toEqual({
        code: 0,
        stdout: '3 function check\n',
        stderr: '',
      });
    }
  });

  it('lets no program import its internal files', async () => {
    const load = "require('natspki/dist/api/index.js')";
    expect((await run([process.execPath, '-e', load], { folder })).stderr).toContain(
      'ERR_PACKAGE_PATH_NOT_EXPORTED',
    );
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
