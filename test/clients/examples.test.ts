// The programs of docs/examples, each run as its comment says, in a project that has natspki and its peers installed.
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '@nats-io/transport-node';
import { beforeAll, describe, expect, it } from 'vitest';
import { startTestNats } from '../../src/testing/test-nats.ts';
import { Program, run } from '../harness/process.ts';
import { describeClients } from '../support/clients.ts';
import { testFolder } from '../support/folder.ts';
import { ask, askJson } from '../support/monitoring.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const examples = join(root, 'docs/examples');
const folder = testFolder('examples');
const modules = join(folder, 'node_modules');

/** Copies an example into the project, also under further names: test runners run such files in parallel workers. */
function use(name: string, ...copies: string[]): void {
  for (const copy of [name, ...copies]) copyFileSync(join(examples, name), join(folder, copy));
}

function link(from: string, ...names: string[]): void {
  for (const name of names) symlinkSync(join(from, 'node_modules', name), join(modules, name));
}

beforeAll(() => {
  // A copy: test runners treat files outside of node_modules as part of the project.
  for (const name of ['package.json', 'dist/api', 'templates']) {
    cpSync(join(root, name), join(modules, 'natspki', name), { recursive: true });
  }
  link(root, '@nats-io', 'bcryptjs', 'prom-client', 'vitest');
});

describe('the documents', () => {
  it('mention every example', () => {
    const pages = ['testing.md', 'export.md'].map((page) => readFileSync(join(root, 'docs', page), 'utf8'));
    for (const name of readdirSync(examples)) expect(pages.join('')).toContain(`(examples/${name})`);
  });
});

describe('the examples without packages', () => {
  it('pass with vitest', async () => {
    use('vitest.test.js', 'second.vitest.test.js');
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const { code, stdout, stderr } = await run([process.execPath, vitest, 'run', '--root', folder], {
      folder,
      environment: { VITEST: '' },
    });
    expect({ code, stderr, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('4 passed') });
  });

  it('pass with node:test, which ends by itself', async () => {
    use('node.test.mjs', 'second.node.test.mjs');
    const { code, stdout } = await run(
      [process.execPath, '--test', 'node.test.mjs', 'second.node.test.mjs'],
      {
        folder,
      },
    );
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/pass 2\b/) });
  });
});

describeClients('npm', 'the examples with packages', (packages) => {
  it('pass with jest', async () => {
    use('jest.test.js', 'second.jest.test.js');
    const jest = join(packages, 'node_modules/jest/bin/jest.js');
    const args = [
      '--rootDir',
      folder,
      '--testMatch',
      '**/*jest.test.js',
      '--cacheDirectory',
      `${folder}/cache`,
    ];
    writeFileSync(join(folder, 'package.json'), '{}');
    const { code, stderr } = await run([process.execPath, jest, ...args], { folder });
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('2 passed') });
    // jest waits a second for handles that are left, and says so.
    expect(stderr).not.toContain('did not exit');
  });

  it('serve with Fastify while the client certificate changes', async () => {
    use('fastify.mjs');
    link(packages, 'fastify');
    const monitoring = 'http: "127.0.0.1:-1"';
    const nats = await startTestNats({ clients: ['service', 'greeter'], config: monitoring });
    const greeter = await connect({ servers: nats.url, tls: nats.tls('greeter') });
    greeter.subscribe('greet', {
      callback: (_, message) => void message.respond(`hello ${message.string()}`),
    });
    const program = Program.start([process.execPath, 'fastify.mjs'], {
      folder,
      environment: { ...nats.env, PORT: '0' },
    });
    try {
      await expect.poll(() => program.stdout, { timeout: 20_000 }).toMatch(/^http:\S+\n/);
      const get = async () => (await ask(`${program.stdout.trim()}/greet/alice`)).body;
      expect(await get()).toBe('hello alice');
      const monitor = /http monitor on (\S+)/.exec(nats.log)?.[1];
      const pins = async () => {
        const { connections } = await askJson(`http://${monitor}/connz?auth=1`);
        return connections.map(({ tls_peer_certs: [peer] }: Connection) => peer?.spki_sha256);
      };
      const before = await pins();
      await nats.rotate('service');
      let requests = 0;
      await expect
        .poll(
          async () => {
            expect(await get()).toBe('hello alice');
            requests++;
            return (await pins()).filter((pin: string) => !before.includes(pin)).length;
          },
          { timeout: 20_000 },
        )
        .toBe(1);
      expect(requests).toBeGreaterThan(0);
    } finally {
      await program.close();
      await greeter.close();
      await nats.stop();
    }
  });
});

/** A connection in /connz. */
interface Connection {
  readonly tls_peer_certs: readonly { readonly spki_sha256: string }[];
}

/** The commands as the package installs them. */
function commands(): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const [name, file] of [
    ['natspki', 'run.js'],
    ['natspki-nats-server', 'nats-server'],
  ] as const) {
    writeFileSync(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${root}/bin/${file}" "$@"\n`, {
      mode: 0o755,
    });
  }
  return [bin, process.env.PATH].join(delimiter);
}

describeClients('python', 'the example for Python', (packages) => {
  it('passes with nats.py and natspki-nats-server', async () => {
    use('test_nats.py');
    const environment = { PATH: commands(), PYTHONPATH: packages };
    const { code, stderr } = await run(['python3', '-m', 'unittest', 'test_nats'], { folder, environment });
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(/^OK$/m) });
  });
});

describeClients('go', 'the example for Go', (packages) => {
  it('passes with nats.go and natspki-nats-server', async () => {
    const at = join(folder, 'go');
    mkdirSync(at);
    for (const name of ['go.mod', 'go.sum']) copyFileSync(join(packages, name), join(at, name));
    copyFileSync(join(examples, 'nats_test.go'), join(at, 'nats_test.go'));
    const { code, stdout, stderr } = await run(['go', 'test', '-mod=mod', './...'], {
      folder: at,
      environment: { PATH: commands() },
    });
    expect({ code, stdout, stderr }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ok\s/) });
  }, 120_000);
});
