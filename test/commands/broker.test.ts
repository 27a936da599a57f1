import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import Broker from '../../commands/broker.ts';
import { bin, natspki, Program } from '../harness/process.ts';
import { Wire } from '../harness/wire.ts';
import { testFolder } from '../support/folder.ts';
import { loadedModules } from '../support/loaded-modules.ts';
import { ask, askJson } from '../support/monitoring.ts';

const folder = testFolder('broker');
const running = new Set<Program>();

beforeAll(async () => {
  await natspki(folder, ['init', '--yes']);
});

afterEach(async () => {
  await Promise.all([...running].map((program) => program.close()));
  running.clear();
});

interface Ready {
  pid: number;
  address: string;
  port: number;
  url: string;
  monitoring?: string;
}

/** Starts a broker with --json and waits for the document with its addresses. */
async function start(...args: string[]) {
  const program = Program.start([process.execPath, bin, 'broker', '--json', ...args], { folder });
  running.add(program);
  const [text] = await program.printed(/^\{\n[\s\S]*^\}$/m, 'stdout');
  return { program, ended: program.ended, ready: JSON.parse(text) as Ready, log: () => program.stderr };
}

async function info(port: number): Promise<Record<string, unknown>> {
  const wire = await Wire.open(port);
  wire.end();
  return wire.info;
}

describe('natspki broker', () => {
  it('serves the configuration of init and ends with 0 on SIGINT', async () => {
    const { program, ended, ready, log } = await start('-c', 'nats.conf', '-p', '-1');
    expect(ready).toMatchObject({
      pid: program.pid,
      address: '0.0.0.0',
      url: expect.stringContaining(String(ready.port)),
    });
    expect(await info(ready.port)).toMatchObject({
      server_name: 'nats-tls-verify',
      tls_required: true,
      tls_verify: true,
    });
    program.signal('SIGINT');
    expect(await ended).toBe(0);
    expect(log()).toMatch(
      new RegExp(`^\\[${program.pid}\\] \\d{4}/\\d\\d/\\d\\d \\d\\d:\\d\\d:\\d\\d\\.\\d{6} \\[INF\\] `),
    );
    expect(log()).toContain('Using configuration file: nats.conf');
  });

  it("accepts nats-server's flags with one dash", async () => {
    const { ready, log } = await start(
      '-a',
      '127.0.0.1',
      '-p=-1',
      '-n',
      'mine',
      '-P',
      'nats.pid',
      '-DV',
      '-T=false',
      '--user',
      'a',
      '-pass',
      'b',
    );
    expect(ready.address).toBe('127.0.0.1');
    expect(readFileSync(join(folder, 'nats.pid'), 'utf8').trim()).toBe(String(ready.pid));
    expect(await info(ready.port)).toMatchObject({ server_name: 'mine', auth_required: true });
    await expect.poll(log).toContain('[DBG] ');
    expect(log()).toMatch(/^\[\d+\] \[INF\] /);
  });

  it('serves monitoring over HTTP with -m or over HTTPS with -ms, but not both', async () => {
    const plain = await start('-a', '127.0.0.1', '-p', '-1', '-m', '-1', '--ports_file_dir', 'certs');
    const { monitoring = '' } = plain.ready;
    expect(await askJson(`${monitoring}/varz`)).toMatchObject({ port: plain.ready.port, connections: 0 });
    const ports = join(folder, 'certs', `natspki_${plain.ready.pid}.ports`);
    expect(JSON.parse(readFileSync(ports, 'utf8'))).toMatchObject({ monitoring: [monitoring] });
    const secure = await start('-c', 'nats.conf', '-a', '127.0.0.1', '-p', '-1', '-ms=-1');
    expect(secure.ready.monitoring).toMatch(/^https:/);
    const ca = readFileSync(join(folder, 'certs/ca.pem'));
    expect((await ask(`${secure.ready.monitoring}/healthz`, { ca })).body).toBe('{"status":"ok"}');
    const both = await natspki(folder, ['broker', '-c', 'nats.conf', '-m', '-1', '-ms', '-1']);
    expect(both.code).toBe(1);
    expect(both.stderr).toContain('monitoring takes either an http port or an https port, not both');
  });

  it('stops a broker that a signal name and a pid file identify', async () => {
    const { ended } = await start('-p', '-1', '-P', 'stop.pid');
    expect(await natspki(folder, ['broker', '-sl', 'term=stop.pid'])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    expect(await ended).toBe(0);
  });

  it('logs to a file, and writes the ports in use to a folder until it ends', async () => {
    const { program, ended, log } = await start('-p', '-1', '-l', 'broker.log', '--ports_file_dir', '.');
    const ports = readdirSync(folder).filter((file) => file.endsWith('.ports'));
    expect(ports).toHaveLength(1);
    program.signal('SIGTERM');
    expect(await ended).toBe(0);
    expect(log()).toBe('');
    expect(readFileSync(join(folder, 'broker.log'), 'utf8')).toContain('Server is ready');
    expect(existsSync(join(folder, ports[0] as string))).toBe(false);
  });

  it('checks a configuration with -t and does not start', async () => {
    expect(await natspki(folder, ['broker', '-t', '-c', 'nats.conf'])).toEqual({
      code: 0,
      stdout: 'natspki broker: configuration file nats.conf is valid\n',
      stderr: '',
    });
    writeFileSync(join(folder, 'wrong.conf'), 'prt: 4222\njetstream: true\n');
    for (const args of [
      ['-t', '-c', 'wrong.conf'],
      ['-c', 'wrong.conf'],
    ]) {
      const { code, stdout, stderr } = await natspki(folder, ['broker', ...args]);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(
        /^natspki: error: wrong\.conf:1:1: unknown field "prt" \(did you mean "port"\)$/m,
      );
      expect(stderr).toMatch(/^natspki: error: wrong\.conf:2:12: "jetstream" is not supported/m);
    }
  });

  it('only warns about unsupported options with --ignore-unsupported', async () => {
    writeFileSync(join(folder, 'js.conf'), 'jetstream: true\n');
    const { log } = await start('-c', 'js.conf', '-p', '-1', '--ignore-unsupported');
    await expect.poll(log).toMatch(/\[WRN\] js\.conf:1:12: "jetstream" is ignored/);
  });

  it.each([
    [['--profile', '8222'], 2, 'the bundled broker does not support --profile'],
    [['-js'], 2, 'the bundled broker does not support -js'],
    [['--routes', 'nats://a:6222'], 2, '--routes needs --cluster, the address that other servers connect to'],
    [['--cluster', 'a:6222'], 2, '--cluster is not a URL with a host and a port'],
    [['--connect_retries', 'x'], 2, '--connect_retries is "x", expected a whole number from 0 to 1000000'],
    [['-t'], 2, '-t needs a configuration file'],
    [['-p', 'x'], 2, '--port is "x", expected a whole number from -1 to 65535'],
    [['-p'], 2, '-p expects a value'],
    [['-D=maybe'], 2, '-D=maybe is neither true nor false'],
    [['--tls'], 2, 'TLS flags need a server certificate and its private key'],
    [['-sl', 'relaod=1'], 2, 'unknown signal "relaod"'],
    [['-sl', 'reload=none.pid'], 1, '"none.pid" does not exist'],
    [['-c', 'none.conf'], 1, '"none.conf" does not exist'],
    [['--tls', '--tlscert', 'none.pem', '--tlskey', 'none.key', '-p', '-1'], 1, '"none.pem" does not exist'],
    [['-a', '127.0.0.1', '-l', 'none/broker.log'], 1, 'cannot open log file "none/broker.log"'],
    [['nats.conf'], 2, 'unexpected argument "nats.conf"'],
  ])('rejects %j', async (args, code, message) => {
    const result = await natspki(folder, ['broker', ...args]);
    expect(`\n${result.stderr}`).toContain(`\nnatspki: error: ${message}`);
    expect(result).toMatchObject({ code, stdout: '' });
  });

  it('names the address that is already in use', async () => {
    const { ready } = await start('-a', '127.0.0.1', '-p', '-1');
    const { code, stderr } = await natspki(folder, ['broker', '-a', '127.0.0.1', '-p', String(ready.port)]);
    expect(stderr).toContain(
      `natspki: error: cannot listen on 127.0.0.1:${ready.port}: EADDRINUSE\nnatspki: hint: `,
    );
    expect(code).toBe(1);
  });

  it('prints its version, and the cipher suites and curves of a tls block', async () => {
    expect((await natspki(folder, ['broker', '-v'])).stdout).toMatch(/^natspki broker: v\d+\.\d+\.\d+\n$/);
    const { stdout } = await natspki(folder, ['broker', '--help_tls']);
    expect(stdout).toMatch(
      /^cipher_suites:\n {2}TLS_AES_128_GCM_SHA256\n[\s\S]*\ncurve_preferences:\n[\s\S]* {2}CurveP256\n/,
    );
  });

  it('does not load the prompts', async () => {
    // This start ends by itself when it reads its certificates.
    const args = ['broker', '-p', '-1', '--tls', '--tlscert', 'none.pem', '--tlskey', 'none.key'];
    const modules = await loadedModules(folder, args);
    expect(modules.some((url) => url.endsWith('/dist/bundle/shared/process.cjs'))).toBe(true);
    expect(modules.filter((url) => /inquirer/.test(url))).toEqual([]);
  });
});

describe('the flags of natspki broker', () => {
  it('are all supported flags of nats-server, each under its longest name', async () => {
    const { takenFlags } = await import('../../src/cli/nats-server-flags.ts');
    const own = ['as-nats-server', 'crl', 'ignore-unsupported', 'ignored', 'no-common-name'];
    const withoutHelp = takenFlags.filter((name) => name !== 'help');
    expect(
      Object.keys(Broker.flags)
        .filter((name) => !own.includes(name))
        .sort(),
    ).toEqual(withoutHelp.sort());
  });
});
