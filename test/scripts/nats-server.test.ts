// bin/nats-server behaves as nats-server does to the program that starts it: the same tests run on both.
import { existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { agree } from '../harness/agree.ts';
import { makeAuthority, makeLeaf } from '../harness/openssl.ts';
import { type Finished, run } from '../harness/process.ts';
import { type ServerProcess, startProcess } from '../harness/server.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';

const launcher = fileURLToPath(new URL('../../bin/nats-server', import.meta.url));
const scratch = testFolder('launcher');
const running = new Set<ServerProcess>();

afterEach(async () => {
  await Promise.all([...running].map((server) => server.stop()));
  running.clear();
});

/** Creates a folder with a configuration. */
function folderWith(configuration: string): string {
  const folder = mkdtempSync(join(scratch, 'x-'));
  writeFileSync(join(folder, 'nats.conf'), configuration);
  return folder;
}

async function start(program: string, folder: string, ...args: string[]): Promise<ServerProcess> {
  const server = await startProcess([program, '-a', '127.0.0.1', '-p', '-1', ...args], folder);
  running.add(server);
  return server;
}

const ca = makeAuthority(scratch);
const server = makeLeaf(scratch, 'server', ca, { usage: 'serverAuth' });
const client = makeLeaf(scratch, 'client', ca, { usage: 'clientAuth' });
const withCertificate = { cert: readFileSync(client.cert), key: readFileSync(client.key) };
const certificate = ['--tlscert', server.cert, '--tlskey', server.key];

function behavesAsNatsServer(program: string): void {
  it.each(['-v', '--version', '-version', 'version'])('prints its version with %s', async (flag) => {
    expect(await run([program, flag])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^nats-server: v\d+\.\d+\.\d+(\+[\w.-]+)?\n$/),
      stderr: '',
    });
  });

  it.each(['-h', '--help', 'help'])('prints help with %s', async (flag) => {
    const { code, stdout } = await run([program, flag]);
    expect(code).toBe(0);
    expect(stdout).toContain('--ports_file_dir');
  });

  it('writes its ports to a folder and its process id to a file', async () => {
    const folder = folderWith('');
    const { pid, port, stop } = await start(program, folder, '--ports_file_dir', folder, '-P', 'nats.pid');
    const ports = () => JSON.parse(readFileSync(join(folder, `nats-server_${pid}.ports`), 'utf8'));
    // nats-server creates the file before it writes to it.
    await vi.waitFor(() => expect(ports()).toEqual({ nats: [`nats://127.0.0.1:${port}`] }), 10_000);
    expect(readFileSync(join(folder, 'nats.pid'), 'utf8')).toBe(String(pid));
    await stop();
    expect(readdirSync(folder)).not.toContain(`nats-server_${pid}.ports`);
  });

  it('logs an error and serves when it cannot write its ports file', async () => {
    const server = await start(program, folderWith(''), '--ports_file_dir', 'none');
    await server.logged(/\[ERR\] Error writing ports file.*none/);
    await server.stop();
  });

  it.each([['--tls'], ['-tls=true']])(
    'speaks TLS with %s, and asks for no client certificate',
    async (tls) => {
      const { port } = await start(program, scratch, tls, ...certificate);
      expect(await agree(port)).toMatchObject({ server: 'server' });
    },
  );

  it('requires a client certificate from the authorities of --tlscacert with --tlsverify', async () => {
    const flags = ['--tlsverify', ...certificate, '--tlscacert', ca.cert];
    const { port } = await start(program, scratch, ...flags);
    expect(await agree(port, withCertificate)).toMatchObject({ server: 'server' });
    await expect(agree(port)).rejects.toThrow();
  });

  it('prefers the TLS flags to the tls block of its configuration', async () => {
    const folder = folderWith(`tls { cert_file: "${client.cert}", key_file: "${client.key}" }\n`);
    const { port } = await start(program, folder, '-c', 'nats.conf', '--tls', ...certificate);
    expect(await agree(port)).toMatchObject({ server: 'server' });
  });

  it.each([
    ['a process id', (pid: number) => `reload=${pid}`],
    ['a pid file', () => 'reload=nats.pid'],
  ])('makes a running server reload, given %s', async (_what, signal) => {
    const folder = folderWith('debug: false\n');
    const server = await start(program, folder, '-c', 'nats.conf', '-P', 'nats.pid');
    const silent = { code: 0, stdout: '', stderr: '' };
    expect(await run([program, '-sl', signal(server.pid)], { folder })).toEqual(silent);
    await server.logged(/Trapped "(hangup|SIGHUP)" signal/);
    await server.logged(/Reloaded server configuration/);
  });

  it('makes a running server stop', async () => {
    const server = await startProcess([program, '-a', '127.0.0.1', '-p', '-1'], scratch);
    expect((await run([program, '--signal', `quit=${server.pid}`])).code).toBe(0);
    await server.stop();
    expect(server.log()).toMatch(/Trapped "(interrupt|SIGINT)" signal/);
  });

  it('checks a configuration', async () => {
    expect(await run([program, '-t', '-c', 'nats.conf'], { folder: folderWith('port: 4222\n') })).toEqual({
      code: 0,
      stdout: '',
      stderr: expect.stringMatching(/^nats-server: configuration file nats\.conf is valid\b.*\n$/),
    });
  });

  it('tells whether a running server can reload a configuration', async () => {
    const folder = folderWith('port: 4222\n');
    writeFileSync(join(folder, 'debug.conf'), 'port: 4222\ndebug: true\n');
    writeFileSync(join(folder, 'name.conf'), 'port: 4222\nserver_name: other\n');
    const test = (next: string) => run([program, '-t', '-c', 'nats.conf', '--test_reload', next], { folder });
    const [reloadable, fixed] = await Promise.all([test('debug.conf'), test('name.conf')]);
    expect({ ...reloadable, stderr: reloadable.stderr.split('\n')[1] }).toEqual({
      code: 0,
      stdout: '',
      stderr: 'nats-server: configuration file debug.conf can be reloaded',
    });
    expect(fixed).toMatchObject({ code: 3, stderr: expect.stringContaining('reload not supported for ') });
  });

  it('starts with a store_dir although JetStream is off', async () => {
    const folder = folderWith('store_dir: data\njetstream: disabled\n');
    const byFile = await startProcess([program, '-c', 'nats.conf', '-p', '-1'], folder);
    await byFile.stop();
    const byFlag = await startProcess([program, '-sd', 'data', '-p', '-1'], folder);
    await byFlag.stop();
    expect(existsSync(join(folder, 'data'))).toBe(false);
  });

  it.each([
    ['port: 4222\nfoo {\n', 3],
    ['port: 4222\nfoo {', 2],
    ['a: [1, 2\n\n', 3],
    ['x = "abc\n', 2],
    ['port: 4222\n= 5\n', 2],
    ['port: 4222\na: [1 } 2]\n', 2],
  ])(
    'reports an error of syntax with the line of it, for programs that search for that: %j',
    async (text, line) => {
      const start = [program, '-c', 'nats.conf', '-p', '-1'];
      for (const argv of [start, [...start, '-t']]) {
        const { code, stderr } = await run(argv, { folder: folderWith(text) });
        expect(code).toBe(1);
        expect(stderr).toMatch(new RegExp(`^nats-server: Parse error on line ${line}: '.+'\n`));
      }
    },
  );

  it('reports every error of a configuration with its position', async () => {
    const folder = folderWith('port: "x"\nprt: 1\n');
    const { code, stdout, stderr } = await run([program, '-t', '-c', 'nats.conf'], { folder });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/nats\.conf:1:\d/);
    expect(stderr).toMatch(/nats\.conf:2:1: unknown field "prt"/);
  });

  it.each([
    ['an unknown signal', ['-sl', 'foo=1']],
    ['a pid file that does not exist', ['-sl', 'reload=/none']],
    ['-t without a configuration', ['-t']],
    ['TLS without a certificate', ['--tls']],
    ['a configuration that does not exist', ['-c', 'none.conf']],
    ['an argument that is no flag', ['start']],
  ])('exits with 1 for %s', async (_what, args) => {
    const { code, stdout, stderr } = await run([program, ...args], { folder: scratch });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).not.toBe('');
  });
}

describe('bin/nats-server', () => {
  behavesAsNatsServer(launcher);

  const refused = (result: Finished, what: string) => {
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toContain(what);
    expect(result.stderr).toMatch(/^natspki: hint: .*nats-server/m);
  };

  it.each([
    [['-c', 'nats.conf'], 'nats.conf:2:11: "jetstream" is not supported'],
    [['-t', '-c', 'nats.conf'], 'nats.conf:2:11: "jetstream" is not supported'],
    [['-js'], 'the bundled broker does not support -js'],
  ])('rejects JetStream with a hint to use nats-server: %j', async (args, what) => {
    const folder = folderWith('port: -1\njetstream {\n  store_dir: data\n}\n');
    refused(await run([launcher, ...args], { folder }), what);
  });

  it.each([[['-nosuch']], [['-p', 'x']], [['-c']], [['-D=maybe']]])(
    // nats-server itself prints its help and exits with 0.
    'exits with 1 for invalid flags: %j',
    async (args) => {
      const { code, stdout, stderr } = await run([launcher, ...args], { folder: scratch });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^natspki: error: /);
    },
  );

  it('starts on blocks that it does not support, with a warning each, when the environment says so', async () => {
    const folder = folderWith('leafnodes { listen: "127.0.0.1:-1" }\njetstream: true\n');
    const environment = { NATSPKI_IGNORE_UNSUPPORTED: '1' };
    const server = await startProcess([launcher, '-c', 'nats.conf', '-js', '-p', '-1'], folder, environment);
    await server.stop();
    for (const warned of ['-js is ignored', '"leafnodes" is ignored', '"jetstream" is ignored']) {
      expect(server.log()).toContain(warned);
    }
  });

  it('works through a symbolic link on PATH, from any folder', async () => {
    const folder = folderWith('');
    symlinkSync(launcher, join(folder, 'nats-server'));
    const environment = { PATH: `${folder}${delimiter}${process.env.PATH}` };
    const { code, stdout } = await run(['nats-server', '-v'], { folder, environment });
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^nats-server: v/) });
  });

  it('ends after a signal, whatever timers still run', async () => {
    const timer = 'data:text/javascript,setInterval(()=>{},600000)';
    const environment = { NODE_OPTIONS: `--import=${timer}` };
    const server = await startProcess([launcher, '-a', '127.0.0.1', '-p', '-1'], scratch, environment);
    await server.stop();
    expect(server.log()).toMatch(/Server Exiting/);
  });

  it('handles signals itself, without a parent process in between', async () => {
    const server = await start(launcher, folderWith(''));
    expect(server.log()).toMatch(new RegExp(`^\\[${server.pid}\\] `));
  });
});

describePeer('nats-server', 'the real nats-server', (bin) => behavesAsNatsServer(bin));
