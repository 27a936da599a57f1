#!/usr/bin/env node
// `npm start`: creates certificates and nats.conf if there are none, starts the bundled broker on them, and prints commands
// that connect to it.
const { spawn, spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const run = join(__dirname, 'run.js');

if (!existsSync('certs/ca.pem') && !existsSync('nats.conf')) {
  // Its text names commands that a checkout does not have on PATH.
  const init = [run, 'init', '--yes', '--json'];
  const { status, stdout } = spawnSync(process.execPath, init, {
    encoding: 'utf8',
    stdio: ['inherit', 'pipe', 'inherit'],
  });
  if (status !== 0) {
    const error = documentIn(stdout)?.error;
    if (error !== undefined) printError(error);
    process.exit(status ?? 1);
  }
  process.stderr.write('created ./certs and ./nats.conf\n');
}

function documentIn(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {{ message: string, hint?: string }} error */
function printError({ message, hint }) {
  for (const line of message.split('\n')) process.stderr.write(`natspki: error: ${line}\n`);
  process.stderr.write(`natspki: hint: ${hint}\n`);
}

/** Whether a program is on PATH. */
function isInstalled(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** Quotes a path for a shell if necessary. */
function quoted(path) {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** Returns the flags of the nats CLI for a URL of the broker; with TLS, they name the certificates of ./certs. */
function clientFlags(url) {
  if (!url.startsWith('tls:')) return `-s ${url}`;
  const listed = spawnSync(process.execPath, [run, 'list', '--json'], { encoding: 'utf8' }).stdout;
  const certificates = documentIn(listed)?.certificates ?? [];
  const client = certificates.find(({ profile }) => profile === 'client');
  const names = certificates.find(({ profile }) => profile === 'server')?.sans ?? [];
  const { hostname, port } = new URL(url);
  // The address that the broker listens on may not be in its certificate: use a host that is.
  const other = names.find((name) => name.startsWith('dns:') && !name.includes('*'))?.slice('dns:'.length);
  const host = other === undefined || names.includes(`ip:${hostname}`) ? hostname : other;
  const pair = client && ` --tlscert ${client.certificateFile} --tlskey ${client.keyFile}`;
  return `-s tls://${host}:${port}${pair ?? ''} --tlsca certs/ca.pem`;
}

const broker = spawn(
  process.execPath,
  [run, 'broker', '--json', '--config', 'nats.conf', ...process.argv.slice(2)],
  { stdio: ['inherit', 'pipe', 'inherit'] },
);
let printed = '';
broker.stdout.setEncoding('utf8').on('data', (text) => {
  printed += text;
  const url = documentIn(printed)?.url;
  if (url === undefined) return;
  printed = '';
  const flags = clientFlags(url);
  const natspki = `node ${quoted(run)}`;
  const lines = isInstalled('nats')
    ? [`nats sub ">" ${flags}`, `nats pub greeting hello ${flags}`, `${natspki} list`]
    : [`${natspki} inspect ${url}`, `${natspki} list`, `${natspki} --help`];
  process.stderr.write(`
Ready to paste, in another terminal:

${lines.map((line) => `  ${line}\n`).join('')}
`);
});
// The terminal sends SIGINT to the broker as well, but a signal to npm reaches only this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => broker.kill(signal));
broker.on('close', (code, signal) => {
  const error = documentIn(printed)?.error;
  if (error === undefined) process.stdout.write(printed);
  else printError(error);
  process.exitCode = code ?? (signal === null ? 1 : 128);
});
