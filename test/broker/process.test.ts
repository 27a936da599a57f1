// The broker as a process: signals, its log file, its pid and ports files, and changes of its configuration files.
import { existsSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { sendSignal } from '../../src/broker/signal.ts';
import { onFreePort, type ServerProcess, startProcess, websocketPort } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { builtModule } from '../support/built.ts';
import { testFolder } from '../support/folder.ts';

const scratch = testFolder('process');
const script = `
const { runBroker } = await import(${JSON.stringify(builtModule('src/broker/process.js'))});
const running = runBroker({ config: 'nats.conf' }, { version: '0.0.1' });
/* while it starts */
await running;
`;

const started: ServerProcess[] = [];
const wires: Wire[] = [];

afterEach(async () => {
  for (const wire of wires.splice(0)) wire.end();
  await Promise.all(started.splice(0).map((server) => server.stop()));
});

/**
 * @param included more files to write next to nats.conf, by name
 * @param more what the process executes while the broker starts
 */
async function start(
  configuration: string,
  included: Readonly<Record<string, string>> = {},
  more = '',
): Promise<{ server: ServerProcess; path: (name: string) => string }> {
  const folder = mkdtempSync(join(scratch, 'broker-'));
  const path = (name: string) => join(folder, name);
  writeFileSync(path('nats.conf'), onFreePort(configuration));
  for (const [name, text] of Object.entries(included)) writeFileSync(path(name), text);
  const text = script.replace('/* while it starts */', more);
  const server = await startProcess([process.execPath, '--input-type=module', '-e', text], folder);
  started.push(server);
  return { server, path };
}

async function open({ port }: ServerProcess): Promise<Wire> {
  const wire = await Wire.open(port);
  wires.push(wire);
  return wire;
}

describe('a broker process', () => {
  it('shuts down on SIGTERM after it has written pending messages', async () => {
    const { server } = await start('');
    const client = await open(server);
    client.send('CONNECT {"verbose":false}\r\n');
    await client.receives('');
    await server.stop();
    await client.closes('');
    expect(server.log()).toMatch(
      /Trapped "SIGTERM" signal\n.*Initiating Shutdown\.\.\.\n.*Server Exiting\.\.\n$/s,
    );
  });

  it('reloads after its start on a SIGHUP that arrives during the start', async () => {
    const { server } = await start('max_payload: 100', {}, "process.kill(process.pid, 'SIGHUP');");
    await server.logged(/Server is still starting.*Server is ready.*Reloaded server configuration/s);
  });

  it('reloads on SIGHUP, and logs the error if it rejects the new configuration', async () => {
    const { server, path } = await start('max_payload: 100');
    writeFileSync(path('nats.conf'), onFreePort('max_payload: 200'));
    sendSignal(`reload=${server.pid}`);
    await server.logged(/Reloaded server configuration/);
    expect((await open(server)).info).toMatchObject({ max_payload: 200 });
    writeFileSync(path('nats.conf'), onFreePort('max_payload: 300\nnonsense: 1'));
    sendSignal(`reload=${server.pid}`);
    await server.logged(
      /\[ERR\] Failed to reload server configuration: nats\.conf:3:1: unknown field "nonsense"/,
    );
    expect((await open(server)).info).toMatchObject({ max_payload: 200 });
  });

  it('logs a warning of the configuration only with the first reload that has it', async () => {
    const { server, path } = await start('max_payload: 100');
    writeFileSync(
      path('nats.conf'),
      onFreePort('max_payload: 200\ntls { insecure: true }\nallow_non_tls: true'),
    );
    sendSignal(`reload=${server.pid}`);
    await server.logged(/\[WRN\] nats\.conf:3:17: "insecure" has no effect here/);
    writeFileSync(
      path('nats.conf'),
      onFreePort('max_payload: 300\ntls { insecure: true }\nallow_non_tls: true'),
    );
    sendSignal(`reload=${server.pid}`);
    await server.logged(/(Reloaded: max_payload.*){2}/s);
    expect(server.log().match(/"insecure" has no effect/g)).toHaveLength(1);
  });

  it('rejects a configuration that has become empty, and reloads once it is written again', async () => {
    const { server, path } = await start('authorization { token: t }');
    writeFileSync(path('nats.conf'), '# soon\n');
    sendSignal(`reload=${server.pid}`);
    await server.logged(/\[ERR\] Failed to reload server configuration: nats\.conf has become empty/);
    expect((await open(server)).info).toMatchObject({ auth_required: true });
    writeFileSync(path('nats.conf'), onFreePort('authorization { token: t }\nmax_payload: 200'));
    await server.logged(/Reloaded: max_payload/);
  });

  it('rejects an included file that has become empty, and reloads once it is written again', async () => {
    const { server, path } = await start('include who.conf', { 'who.conf': 'authorization { token: t }' });
    writeFileSync(path('who.conf'), '');
    sendSignal(`reload=${server.pid}`);
    await server.logged(/\[ERR\] Failed to reload server configuration: who\.conf has become empty/);
    expect((await open(server)).info).toMatchObject({ auth_required: true });
    writeFileSync(path('who.conf'), 'authorization { token: t }\nmax_payload: 200');
    await server.logged(/Reloaded: max_payload/);
  });

  it('logs the hint with a single error of the configuration', async () => {
    const { server, path } = await start('max_payload: 100');
    writeFileSync(path('nats.conf'), onFreePort('max_paylod: 200'));
    sendSignal(`reload=${server.pid}`);
    await server.logged(
      /\[ERR\] Failed to reload .*: unknown field "max_paylod" \(did you mean "max_payload"\)/,
    );
  });

  it('switches to a log file that a reload names, and keeps the current one if the new one cannot be opened', async () => {
    const { server, path } = await start('max_payload: 100');
    writeFileSync(path('nats.conf'), onFreePort('log_file: "first.log"'));
    sendSignal(`reload=${server.pid}`);
    const first = () => (existsSync(path('first.log')) ? readFileSync(path('first.log'), 'utf8') : '');
    await expect.poll(first, { timeout: 5000 }).toMatch(/Reloaded: logging/);
    writeFileSync(path('nats.conf'), onFreePort('log_file: "none/second.log"'));
    sendSignal(`reload=${server.pid}`);
    await expect
      .poll(first, { timeout: 5000 })
      .toMatch(/\[ERR\] cannot open log file "none\/second\.log": ENOENT/);
    writeFileSync(path('nats.conf'), onFreePort('log_file: "second.log"'));
    sendSignal(`reload=${server.pid}`);
    await expect.poll(() => existsSync(path('second.log')), { timeout: 5000 }).toBe(true);
    const length = first().length;
    sendSignal(`reload=${server.pid}`);
    await expect
      .poll(() => readFileSync(path('second.log'), 'utf8'), { timeout: 5000 })
      .toMatch(/Trapped "SIGHUP" signal/);
    expect(first()).toHaveLength(length);
  });

  it('reloads without a signal when its configuration file or an included file changes', async () => {
    const { server, path } = await start('max_payload: 100');
    writeFileSync(path('more.conf'), 'max_payload: 400');
    writeFileSync(path('nats.conf'), onFreePort('include "more.conf"'));
    await server.logged(/Reloaded: max_payload/);
    await expect
      .poll(async () => (await open(server)).info, { timeout: 5000 })
      .toMatchObject({ max_payload: 400 });
    // Only from now on does the broker watch the included file.
    await expect
      .poll(
        async () => {
          writeFileSync(path('more.conf'), 'max_payload: 500');
          return (await open(server)).info;
        },
        { timeout: 8000, interval: 200 },
      )
      .toMatchObject({ max_payload: 500 });
  });

  it('reloads once a missing included file is created', async () => {
    const { server, path } = await start('max_payload: 100');
    writeFileSync(path('nats.conf'), onFreePort('include "late.conf"'));
    await server.logged(
      /Failed to reload server configuration: nats\.conf:2:1: cannot include: "late\.conf"/,
    );
    writeFileSync(path('late.conf'), 'max_payload: 600');
    await server.logged(/Reloaded: max_payload/);
    expect((await open(server)).info).toMatchObject({ max_payload: 600 });
  });

  it('writes its pid file and its ports file, and removes both when it exits', async () => {
    const { server, path } = await start(
      'pid_file: "nats.pid", ports_file_dir: ".", websocket { listen: "127.0.0.1:-1", no_tls: true }',
    );
    expect(readFileSync(path('nats.pid'), 'utf8')).toBe(String(server.pid));
    const ports = path(`natspki_${server.pid}.ports`);
    await expect.poll(() => existsSync(ports)).toBe(true);
    expect(JSON.parse(readFileSync(ports, 'utf8'))).toEqual({
      nats: [`nats://127.0.0.1:${server.port}`],
      websocket: [`ws://127.0.0.1:${await websocketPort(server)}`],
    });
    sendSignal(`quit=${path('nats.pid')}`);
    await expect.poll(() => existsSync(path('nats.pid')) || existsSync(ports), { timeout: 5000 }).toBe(false);
  });

  it('enters lame duck mode on SIGUSR2, and completes it despite SIGTERM', async () => {
    const { server } = await start('lame_duck_duration: "30s", lame_duck_grace_period: "300ms"');
    const client = await open(server);
    client.send('CONNECT {"verbose":false,"protocol":1}\r\nPING\r\n');
    await client.reads('PONG\r\n');
    await client.nextInfo();
    sendSignal(`ldm=${server.pid}`);
    expect(await client.nextInfo()).toMatchObject({ ldm: true });
    sendSignal(`term=${server.pid}`);
    await server.logged(/Trapped "SIGTERM" signal/);
    await client.receives('');
    await client.closes('');
    await server.logged(/Closing existing clients\n.*Server Exiting/s);
  });

  it('reopens its log file on a signal after the file was moved', async () => {
    const log = join(mkdtempSync(join(scratch, 'log-')), 'broker.log');
    writeFileSync(log, 'kept\n');
    const child = await startLogging(log);
    await expect.poll(() => readFileSync(log, 'utf8')).toMatch(/^kept\n.*Server is ready\n/s);
    renameSync(log, `${log}.1`);
    sendSignal(`reopen=${child.pid}`);
    await expect.poll(() => existsSync(log) && readFileSync(log, 'utf8')).toMatch(/File log re-opened\n/);
  });
});

/** Starts a broker that logs to a file and announces on stderr only that it is ready. */
async function startLogging(log: string): Promise<ServerProcess> {
  const folder = mkdtempSync(join(scratch, 'broker-'));
  writeFileSync(join(folder, 'nats.conf'), onFreePort(`log_file: "${log}"`));
  const announcing = script.replace(
    "{ version: '0.0.1' }",
    "{ version: '0.0.1', onReady: () => console.error('Server is ready') }",
  );
  const server = await startProcess([process.execPath, '--input-type=module', '-e', announcing], folder);
  started.push(server);
  return server;
}

describe('sendSignal', () => {
  it.each([
    ['dance=1', /unknown signal "dance"/],
    ['reload', /signal "reload" needs a process/],
    ['reload=0', /no valid process id in "0"/],
    ['reload=/none.pid', /none\.pid/],
    ['reload=999999999', /cannot send reload to process 999999999: there is no such process/],
  ])('rejects "%s"', (text, message) => {
    expect(() => sendSignal(text)).toThrow(message);
  });

  it('rejects a pid file that names a process group or no process', () => {
    for (const text of ['-1', '0', 'x', '']) {
      writeFileSync(join(scratch, 'bad.pid'), text);
      expect(() => sendSignal(`stop=${join(scratch, 'bad.pid')}`)).toThrow(/no valid process id in /);
    }
  });
});
