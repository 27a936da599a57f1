// Cells on the command line: whole commands from start to exit, compared with the commands that a user would run
// instead.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { run } from '../../harness/process.ts';
import { findPeer, missing, type PeerName } from '../../support/peers.ts';
import { now } from '../usage.ts';

export interface CommandCell {
  readonly name: string;
  readonly says: string;
  /** How often each contestant runs in one round. */
  readonly repeat: number;
  /** Measured once instead of in every round. */
  readonly once?: true;
  readonly contestants: readonly Contestant[];
}

export interface Contestant {
  readonly name: string;
  readonly needs?: PeerName;
  /** Runs once before the clock starts, in the same empty folder. */
  readonly prepare?: readonly string[];
  readonly command: readonly string[];
  /** Factor for the time, where a part stands for a whole that would take minutes. */
  readonly times?: number;
}

const node: Contestant = { name: 'node -e 0', command: [process.execPath, '-e', '0'] };
const init = natspki('init', '--yes', '--host', 'localhost');
const names = (count: number) => Array.from({ length: count }, (_, index) => `client-${index}`);

const thousandOfMkcert = manyOfMkcert(1000);
const thousandOfOpenssl: Contestant = {
  name: 'openssl, P-256 (100 times 10)',
  needs: 'openssl',
  prepare: shell(opensslAuthority(p256)),
  command: shell(forEach(100, opensslLeaf(p256)('$i'))),
  times: 10,
};

export const commandCells: readonly CommandCell[] = [
  {
    name: 'cli-start',
    says: 'commands that sign nothing',
    repeat: 5,
    contestants: [
      node,
      { name: 'natspki --help', command: natspki('--help') },
      { name: 'natspki pin FILE', prepare: init, command: natspki('pin', 'certs/server-cert.pem') },
      {
        name: 'openssl x509 | openssl pkey | openssl sha256',
        needs: 'openssl',
        prepare: init,
        command: shell(
          'openssl x509 -in certs/server-cert.pem -pubkey -noout | openssl pkey -pubin -outform DER | openssl sha256',
        ),
      },
    ],
  },
  {
    name: 'cli-init',
    says: 'an authority, a server, a route and a client certificate (openssl, RSA 4096, follows the documentation and makes no route)',
    repeat: 1,
    contestants: [
      node,
      { name: 'natspki init', command: init },
      {
        name: 'openssl, P-256',
        needs: 'openssl',
        command: shell(opensslAuthority(p256), ...['server', 'route', 'client'].map(opensslLeaf(p256))),
      },
      {
        name: 'openssl, RSA 4096',
        needs: 'openssl',
        command: shell(opensslAuthority(rsa), ...['server', 'client'].map(opensslLeaf(rsa))),
      },
      { name: 'mkcert', needs: 'mkcert', command: shell(mkcertSystem('')) },
      { name: 'mkcert -ecdsa', needs: 'mkcert', command: shell(mkcertSystem('-ecdsa')) },
    ],
  },
  ...[1, 10, 100].map((count) => issueCell(count)),
  {
    name: 'cli-issue-1000',
    says: '1,000 client certificates under an existing authority',
    repeat: 1,
    contestants: [
      node,
      { name: 'natspki issue', prepare: init, command: natspki('issue', 'client', ...names(1000)) },
      thousandOfMkcert,
      {
        name: 'mkcert (10 times 100)',
        needs: 'mkcert',
        prepare: shell(mkcert('', 'first')),
        command: shell(forEach(10, mkcert('-client', '$i'))),
        times: 100,
      },
      thousandOfOpenssl,
      {
        name: 'openssl, RSA 4096 (2 times 500)',
        needs: 'openssl',
        prepare: shell(opensslAuthority(rsa)),
        command: shell(forEach(2, opensslLeaf(rsa)('$i'))),
        times: 500,
      },
    ],
  },
  {
    name: 'cli-rotate',
    once: true,
    says: 'replaces 1,000 client certificates and keys (the other tools issue new ones and archive nothing)',
    repeat: 1,
    contestants: [
      node,
      {
        name: 'natspki rotate',
        prepare: shell(words(init), words(natspki('issue', 'client', ...names(1000)))),
        command: natspki('rotate', ...names(1000)),
      },
      thousandOfMkcert,
      thousandOfOpenssl,
    ],
  },
];

function issueCell(count: number): CommandCell {
  return {
    name: `cli-issue-${count}`,
    says: `${count} client certificate(s) under an existing authority`,
    repeat: 1,
    contestants: [
      node,
      { name: 'natspki issue', prepare: init, command: natspki('issue', 'client', ...names(count)) },
      manyOfMkcert(count),
    ],
  };
}

function manyOfMkcert(count: number): Contestant {
  return {
    name: 'mkcert -ecdsa',
    needs: 'mkcert',
    prepare: shell(mkcert('-ecdsa', 'first')),
    command: shell(forEach(count, mkcert('-ecdsa -client', '$i'))),
  };
}

/** Runs a contestant in a new folder and returns its time in milliseconds; throws when it fails. */
export async function time({ name, needs, prepare, command, times = 1 }: Contestant): Promise<number> {
  if (needs !== undefined && findPeer(needs) === undefined) throw new Error(missing(needs));
  const folder = mkdtempSync(join(tmpdir(), 'natspki-bench-command-'));
  try {
    if (prepare) await finish(name, prepare, folder);
    const from = now();
    await finish(name, command, folder);
    return (now() - from) * times;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function finish(name: string, command: readonly string[], folder: string): Promise<void> {
  const { code, stderr } = await run(command, { folder, environment: { CAROOT: folder } });
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr.trim().slice(0, 500)}`);
}

function natspki(...parameters: string[]): string[] {
  return [process.execPath, resolve('bin/run.js'), ...parameters];
}

function shell(...lines: string[]): string[] {
  return ['sh', '-e', '-c', lines.join('\n')];
}

function words(command: readonly string[]): string {
  return command.map((word) => `'${word}'`).join(' ');
}

function forEach(count: number, line: string): string {
  return `i=0; while [ $i -lt ${count} ]; do i=$((i+1))\n${line}\ndone`;
}

function p256(file: string): string {
  return `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ${file}`;
}

function rsa(file: string): string {
  return `openssl genrsa -out ${file} 4096`;
}

function opensslAuthority(key: (file: string) => string): string {
  return `${key('ca-key.pem')}\nopenssl req -new -x509 -days 365 -key ca-key.pem -out ca.pem -subj "/CN=NATS CA"`;
}

function opensslLeaf(key: (file: string) => string): (name: string) => string {
  return (name) =>
    [
      key(`${name}-key.pem`),
      `openssl req -new -key ${name}-key.pem -out ${name}.csr -subj "/CN=${name}"`,
      `openssl x509 -req -days 365 -in ${name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out ${name}-cert.pem`,
    ].join('\n');
}

function mkcert(flags: string, name: string): string {
  return `"${findPeer('mkcert')}" ${flags} -cert-file ${name}-cert.pem -key-file ${name}-key.pem ${name} 2>&1`;
}

// mkcert makes its authority on first use; none of its certificates has both usages.
function mkcertSystem(flags: string): string {
  return [mkcert(flags, 'server'), mkcert(flags, 'route'), mkcert(`${flags} -client`, 'client')].join('\n');
}
