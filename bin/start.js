#!/usr/bin/env node
// `npm start`: certificates and nats.conf where there are none yet, then the bundled broker on them.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const run = join(dirname(fileURLToPath(import.meta.url)), 'run.js');

if (!existsSync('certs/ca.pem') && !existsSync('nats.conf')) {
  const { status } = spawnSync(process.execPath, [run, 'init', '--yes'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const client = '--tlscert certs/client-cert.pem --tlskey certs/client-key.pem --tlsca certs/ca.pem';
process.stderr.write(`
Ready to paste, in another terminal:

  nats sub ">" ${client}
  nats pub greeting hello ${client}

`);

const broker = spawn(process.execPath, [run, 'broker', '--config', 'nats.conf', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// The terminal sends Ctrl-C to the broker as well; a signal to npm reaches only this process.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => broker.kill(signal));
broker.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
