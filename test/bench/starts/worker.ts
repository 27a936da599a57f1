// Measures one way to start a NATS server in a test, in a process of its own:
//   node worker.js CONTESTANT FOLDER COUNT
// FOLDER has certificates and a configuration, for the contestants that do not make their own. Prints Figures as JSON.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { median } from '../statistics.ts';
import { now } from '../usage.ts';
import type { ContestantName, Figures } from './figures.ts';

interface Tls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

interface Server {
  readonly url: string;
  readonly tls: Tls;
  stop(): Promise<unknown>;
}

const [name, folder = '', count = '50'] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), 'package.json'));

const contestants: Record<ContestantName, () => Promise<Server>> = {
  'natspki/testing': async () => {
    const testing: typeof import('../../../src/testing/test-nats.ts') = require('natspki/testing');
    const nats = await testing.startTestNats({ clients: ['alice'] });
    return { url: nats.url, tls: nats.tls(), stop: () => nats.stop() };
  },
  'nats-server, spawned': () => spawnServer(join(folder, 'certs')),
  'nats-memory-server': async () => {
    const { NatsServerBuilder } = require(
      join(process.cwd(), '.cache/clients/npm/node_modules/nats-memory-server'),
    );
    const options = {
      binPath: process.env.NATS_SERVER_BIN,
      verbose: false,
      args: argumentsFor(join(folder, 'certs')),
    };
    const server = await NatsServerBuilder.create(options).build().start();
    return { url: server.getUrl(), tls: filesIn(join(folder, 'certs')), stop: () => server.stop() };
  },
  'openssl, then nats-server': async () => {
    const made = mkdtempSync(join(folder, 'made-'));
    makeCertificates(made);
    const server = await spawnServer(made);
    return {
      ...server,
      stop: () => server.stop().finally(() => rmSync(made, { recursive: true, force: true })),
    };
  },
};

function filesIn(certs: string): Tls {
  const at = (file: string) => join(certs, `${file}.pem`);
  return { caFile: at('ca'), certFile: at('alice-cert'), keyFile: at('alice-key') };
}

function argumentsFor(certs: string): string[] {
  const at = (file: string) => join(certs, `${file}.pem`);
  const pair = ['--tlscert', at('server-cert'), '--tlskey', at('server-key')];
  return ['--tlsverify', ...pair, '--tlscacert', at('ca')];
}

async function spawnServer(certs: string): Promise<Server> {
  const args = ['--addr', '127.0.0.1', '--port', '-1', ...argumentsFor(certs)];
  const child: ChildProcess = spawn(process.env.NATS_SERVER_BIN ?? 'nats-server', args, {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  const port = await new Promise<string>((resolve, reject) => {
    child.once('exit', () => reject(new Error(log)));
    child.stderr?.on('data', (data) => {
      log += data;
      const [, found] = /client connections on \S*:(\d+)/.exec(log) ?? [];
      if (found !== undefined && log.includes('Server is ready')) resolve(found);
    });
  });
  const stop = () =>
    new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill();
    });
  return { url: `tls://127.0.0.1:${port}`, tls: filesIn(certs), stop };
}

/** Makes an authority, a server and a client certificate with as few commands as possible. */
function makeCertificates(at: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const request = (file: string, subject: string, ...more: string[]) =>
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        ...key,
        '-keyout',
        `${file}-key.pem`,
        '-out',
        `${file}-cert.pem`,
        '-subj',
        subject,
        ...more,
      ],
      { cwd: at, stdio: 'ignore' },
    );
  const issuer = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem'];
  execFileSync(
    'openssl',
    ['req', '-x509', ...key, '-keyout', 'ca-key.pem', '-out', 'ca.pem', '-subj', '/CN=ca'],
    { cwd: at, stdio: 'ignore' },
  );
  const names = [
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-addext',
    'extendedKeyUsage=serverAuth',
  ];
  request('server', '/CN=server', ...issuer, ...names);
  request('alice', '/CN=alice', ...issuer, '-addext', 'extendedKeyUsage=clientAuth');
}

/** Resolves when a program can listen on the port again. */
async function isFree(url: string): Promise<void> {
  const port = Number(new URL(url).port);
  for (;;) {
    const server = createServer();
    const isListening = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (isListening) {
      await new Promise((resolve) => server.close(resolve));
      return;
    }
  }
}

async function once(start: () => Promise<Server>) {
  const begin = now();
  const server = await start();
  const ready = now() - begin;
  const client = await connect({ servers: server.url, tls: server.tls });
  await client.flush();
  const roundTrip = now() - begin;
  await client.close();
  const stopping = now();
  await server.stop();
  await isFree(server.url);
  return { ready, roundTrip, stop: now() - stopping };
}

/** The proportional memory of this process and its children, in bytes; pages that processes share count once. */
function memory(): number {
  const pids = readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  );
  return ['self', ...pids]
    .map((pid) => /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])
    .reduce((sum, kilobytes) => sum + Number(kilobytes) * 1024, 0);
}

// nats-memory-server does not keep the process running while it waits for the end of its own.
const waiting = setInterval(() => {}, 1000);
const start = contestants[name as ContestantName];
const first = await once(start);
const runs = [];
for (let index = 0; index < Number(count); index++) runs.push(await once(start));
const before = memory();
const servers = await Promise.all(Array.from({ length: 10 }, start));
const megabytesOfTen = (memory() - before) / 2 ** 20;
await Promise.all(servers.map((server) => server.stop()));
clearInterval(waiting);
const figures: Figures = {
  firstReady: first.ready,
  firstRoundTrip: first.roundTrip,
  ready: median(runs.map(({ ready }) => ready)),
  roundTrip: median(runs.map(({ roundTrip }) => roundTrip)),
  fastestReady: Math.min(...runs.map(({ ready }) => ready)),
  fastestRoundTrip: Math.min(...runs.map(({ roundTrip }) => roundTrip)),
  stop: median(runs.map(({ stop }) => stop)),
  slowestStop: Math.max(...runs.map(({ stop }) => stop)),
  megabytesOfTen,
};
process.stdout.write(`${JSON.stringify(figures)}\n`);
