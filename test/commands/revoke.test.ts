// `natspki revoke`, alone and with running servers: which clients stay connected.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import { readRevocationLists } from '../../src/x509/revocation-list.ts';
import { bin, natspki } from '../harness/process.ts';
import { type ServerUnderTest, startProcess } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { leafOf } from '../support/pki.ts';
import { steady } from '../support/shown.ts';
import { contents } from '../support/tree.ts';

const scratch = testFolder('revoke');
const made = join(scratch, 'made');

beforeAll(async () => {
  mkdirSync(made);
  const init = ['init', '--yes', '--host', '127.0.0.1', 'localhost', '--client', 'alice', 'bob', 'carol'];
  expect(await natspki(made, init)).toMatchObject({ code: 0 });
});

/** A folder as `init` leaves it. */
const initialized = () => freshCopy(made);
const pinOf = (folder: string, name: string) => leafOf(new PkiDirectory(join(folder, 'certs')), name).pin;
const conf = (folder: string) => readFileSync(join(folder, 'nats.conf'), 'utf8');

/** The line about the revocation list, with `revoked` certificates on it. */
function listLine(folder: string, revoked = '1 certificate'): string {
  const [list] = readRevocationLists(readFileSync(join(folder, 'certs/ca.crl')), 'ca.crl');
  const until = list?.nextUpdate?.toISOString().slice(0, 10);
  return `list    certs/ca.crl: natspki CA, ${revoked}, number ${list?.number}, until ${until}\n`;
}

describe('natspki revoke', () => {
  it('prints the plan with --dry-run, and changes nothing', async () => {
    const folder = initialized();
    const before = contents(folder);
    const pin = pinOf(folder, 'bob');
    const { code, stdout, stderr } = await natspki(folder, ['revoke', 'bob', '--dry-run']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      new RegExp(
        `^revoke  bob: client, until \\d{4}-\\d\\d-\\d\\d, pin ${pin}\nedit    ./nats.conf: tls accepts only the keys of alice, carol, route\n$`,
      ),
    );
    expect(contents(folder)).toEqual(before);
  });

  it('pins every other certificate that the block may accept, prints the same lines as the plan, and says what to do next', async () => {
    const folder = initialized();
    const [planned, pins] = [
      await natspki(folder, ['revoke', 'bob', '--dry-run']),
      ['alice', 'carol', 'route'].map((name) => pinOf(folder, name)),
    ];
    const { code, stdout, stderr } = await natspki(folder, ['revoke', 'bob']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(
      `${planned.stdout}${listLine(folder)}next: run \`nats-server --signal reload=PIDFILE\` for nats-server; the bundled broker reloads by itself\n`,
    );
    expect(conf(folder)).toContain(
      `  pinned_certs: [\n    "${pins[0]}" # alice\n    "${pins[1]}" # carol\n    "${pins[2]}" # route\n  ]\n`,
    );
    expect((await natspki(folder, ['list'])).stdout).not.toContain('bob');
    expect((await natspki(folder, ['rotate', '--undo', 'bob'])).stderr).toContain('was revoked on');
    const again = await natspki(folder, ['revoke', 'bob']);
    expect(again.stdout).toContain('\nkeep    ./nats.conf: tls rejects them already\n');
    // Later rotations update the list.
    expect(await natspki(folder, ['rotate', 'alice'])).toMatchObject({ code: 0 });
    expect(conf(folder)).toContain(`"${pinOf(folder, 'alice')}"`);
    expect(await natspki(folder, ['check', 'nats.conf'])).toMatchObject({ code: 0 });
  });

  it('prints one JSON document with --json', async () => {
    const folder = initialized();
    const pin = pinOf(folder, 'bob');
    const stays = ['alice', 'carol', 'route'].map((name) => pinOf(folder, name));
    const { code, stdout, stderr } = await natspki(folder, ['revoke', 'bob', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      directory: './certs',
      certificates: [
        {
          name: 'bob',
          profile: 'client',
          serial: expect.any(String),
          notAfter: expect.any(String),
          pin,
          ocsp: false,
        },
      ],
      steps: [{ file: './nats.conf', block: 'tls', context: 'client', action: 'pin', pins: stays }],
      reloaded: [],
      notices: [],
      problems: [],
      lists: [
        {
          issuer: 'natspki CA',
          number: expect.stringMatching(/^\d+$/),
          thisUpdate: expect.any(String),
          nextUpdate: expect.any(String),
          revoked: 1,
        },
      ],
    });
  });

  it('accepts no certificate after the last one is revoked, and says so', async () => {
    const folder = initialized();
    const { stdout } = await natspki(folder, ['revoke', 'alice', 'bob', 'carol', 'route']);
    expect(stdout).toContain('\nedit    ./nats.conf: tls accepts no certificate any more\n');
    expect(await natspki(folder, ['check', 'nats.conf'])).toMatchObject({ code: 0 });
  });

  it('fails and changes nothing when no readable configuration asks for certificates', async () => {
    const folder = initialized();
    const before = contents(join(folder, 'certs'));
    rmSync(join(folder, 'nats.conf'));
    expect(await natspki(folder, ['revoke', 'bob'])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: there is no configuration to lock keys out of\n' +
        'natspki: hint: pass the configuration of your server with --config FILE\n',
    });
    writeFileSync(join(folder, 'other.conf'), 'tls { verify: true');
    const { code, stderr } = await natspki(folder, ['revoke', 'bob', '--config', 'other.conf']);
    expect(stderr).toContain('natspki: error: other.conf:1:');
    expect(code).toBe(1);
    expect(contents(join(folder, 'certs'))).toEqual(before);
  });

  it('locks a route out of every node of a cluster', async () => {
    const folder = initialized();
    const cluster = ['init', '--yes', '--dir', 'nodes/certs', '--config', 'nodes/nats.conf'];
    const nodes = ['--node', 'n1=localhost', 'n2=localhost', 'n3=localhost'];
    expect(await natspki(folder, [...cluster, ...nodes])).toMatchObject({ code: 0 });
    const files = ['nodes/nats-n1.conf', 'nodes/nats-n2.conf'];
    const { stdout } = await natspki(folder, [
      'revoke',
      'n3-route',
      '--dir',
      'nodes/certs',
      ...files.flatMap((file) => ['--config', file]),
    ]);
    for (const file of files) {
      expect(stdout).toContain(`edit    ${file}: cluster.tls accepts only the keys of n1-route, n2-route\n`);
      // A route has the usage of a client as well.
      expect(stdout).toContain(`edit    ${file}: tls accepts only the keys of client, n1-route, n2-route\n`);
    }
  });

  it('leaves alone a block that verifies its peers by another authority', async () => {
    const folder = initialized();
    expect(
      await natspki(folder, ['init', '--yes', '--dir', 'other', '--config', 'other.conf']),
    ).toMatchObject({
      code: 0,
    });
    const pair = 'cert_file: "other/server-cert.pem", key_file: "other/server-key.pem"';
    const text = conf(folder);
    writeFileSync(
      join(folder, 'nats.conf'),
      `${text}\nleafnodes { port: 7422, tls { ${pair}, ca_file: "other/ca.pem", verify: true } }\n`,
    );
    const { code, stdout } = await natspki(folder, ['revoke', 'bob', '--dry-run']);
    expect(code).toBe(0);
    expect(stdout).toContain('skip    ./nats.conf: leafnodes.tls, since it trusts another authority\n');
  });

  it('keeps the pair of a running server, says that it is revoked, and fails', async () => {
    const folder = initialized();
    expect(
      await natspki(folder, ['init', '--yes', '--force', '--template', 'cluster', '--client', 'alice']),
    ).toMatchObject({ code: 0 });
    const { code, stderr } = await natspki(folder, ['revoke', 'route']);
    expect(stderr).toBe(
      'natspki: error: "./nats.conf" still uses the pair of "route", which other servers reject now\n' +
        'natspki: hint: natspki rotate route, then natspki pin certs/route-cert.pem --add FILE for each server\n',
    );
    expect(code).toBe(1);
    expect(await natspki(folder, ['check', 'nats.conf'])).toMatchObject({ code: 0 });
    expect(await natspki(folder, ['rotate', 'route'])).toMatchObject({ code: 0 });
  });
});

describe('natspki tls', () => {
  it('warns when the new block has no pins and the old one had some', async () => {
    const folder = initialized();
    await natspki(folder, ['revoke', 'bob']);
    const write = ['tls', 'client', '--verify', '--write', 'nats.conf'];
    expect(await natspki(folder, write)).toEqual({
      code: 0,
      stdout:
        'wrote the tls block for client into nats.conf\n' +
        'removed 3 pins: any certificate of the authority is accepted again, revoked ones included\n',
      stderr: '',
    });
    expect((await natspki(folder, write)).stdout).toBe('wrote the tls block for client into nats.conf\n');
  });
});

describe('natspki issue', () => {
  it('prints the command that pins a new client in a configuration with pins', async () => {
    const folder = initialized();
    expect((await natspki(folder, ['issue', 'client', 'dave'])).stdout).not.toContain('pinned');
    await natspki(folder, ['revoke', 'bob']);
    const { stdout } = await natspki(folder, ['issue', 'client', 'erin']);
    const command = 'natspki pin certs/erin-cert.pem --add ./nats.conf';
    expect(steady(stdout)).toContain(
      `\n./nats.conf accepts only pinned keys; add the new ones with \`${command}\`\n`,
    );
    expect((await natspki(folder, command.split(' ').slice(1))).stdout).toMatch(/^added /);
  });
});

/** Connects with the certificate of a client. */
async function connected(folder: string, name: string, { port }: ServerUnderTest): Promise<Wire> {
  const read = (file: string) => readFileSync(join(folder, 'certs', file));
  const tls = { ca: read('ca.pem'), cert: read(`${name}-cert.pem`), key: read(`${name}-key.pem`) };
  const wire = await Wire.open(port, { tls: { ...tls, host: 'localhost' } });
  wire.send('CONNECT {"verbose":false}\r\n');
  return wire;
}

function locksOut(server: readonly string[], reload: readonly string[]): void {
  it('closes the connections of the revoked key, rejects new ones, and keeps all others', async () => {
    const folder = initialized();
    const stolen = freshCopy(folder);
    const address = ['-c', 'nats.conf', '-a', '127.0.0.1', '-p', '-1', '-P', 'nats.pid'];
    const running = await startProcess([...server, ...address], folder);
    try {
      const [alice, bob] = [
        await connected(folder, 'alice', running),
        await connected(stolen, 'bob', running),
      ];
      await alice.receives('');
      await bob.receives('');
      expect(await natspki(folder, ['revoke', 'bob', ...reload])).toMatchObject({ code: 0, stderr: '' });
      await bob.closed();
      await (await connected(stolen, 'bob', running)).closed();
      const late = await connected(folder, 'alice', running);
      await late.receives('');
      await alice.drain();
      for (const wire of [alice, late]) wire.end();
    } finally {
      await running.stop();
    }
  });
}

describePeer('nats-server', 'revoking under nats-server', (nats) => {
  locksOut([nats], ['--reload', 'nats.pid']);
});

describe('revoking under the bundled broker', () => {
  locksOut([process.execPath, bin, 'broker'], []);
});

describe('the revocation list that natspki revoke writes', () => {
  it('has the reason, and openssl, Go and Python read it', async () => {
    const folder = initialized();
    const { serial } = leafOf(new PkiDirectory(join(folder, 'certs')), 'bob');
    expect(await natspki(folder, ['revoke', 'bob', '--reason', 'superseded'])).toMatchObject({ code: 0 });
    const { stdout } = await natspki(folder, ['inspect', 'certs/ca.crl', '--json']);
    expect(JSON.parse(stdout).files[0].items).toEqual([
      {
        kind: 'revocation-list',
        issuer: 'CN=natspki CA',
        number: expect.stringMatching(/^\d+$/),
        thisUpdate: expect.any(String),
        nextUpdate: expect.any(String),
        signatureAlgorithm: 'ecdsa-with-SHA256',
        authorityKeyId: expect.stringMatching(/^[0-9a-f]{40}$/),
        revoked: [{ serial, revokedAt: expect.any(String), reason: 'superseded' }],
      },
    ]);
    const { stdout: shown } = await natspki(folder, ['inspect', 'certs/ca.crl']);
    expect(shown).toMatch(new RegExp(`\n  revoked +${serial} [-0-9: ]+ UTC superseded\n$`));
    for (const [name, read] of Object.entries(readers)) {
      const said = read(folder);
      if (said === undefined) process.stderr.write(`not compared: ${name} is missing\n`);
      else expect(said.trim()).toBe(`${BigInt(`0x${serial}`)} 4`);
    }
  }, 60_000);

  it('is not written with --dry-run, and a reason that undoes a revocation is a usage error', async () => {
    const folder = initialized();
    await natspki(folder, ['revoke', 'bob', '--dry-run']);
    expect(existsSync(join(folder, 'certs/ca.crl'))).toBe(false);
    const { code } = await natspki(folder, ['revoke', 'bob', '--reason', 'removeFromCRL']);
    expect(code).toBe(2);
  });

  it('is missing where the key of the authority is elsewhere: the keys are locked out, and the exit code is 1', async () => {
    const folder = initialized();
    rmSync(join(folder, 'certs/ca-key.pem'));
    const { code, stdout, stderr } = await natspki(folder, ['revoke', 'bob']);
    expect(code).toBe(1);
    expect(stdout).toContain('accepts only the keys of alice, carol, route\n');
    expect(stderr).toContain('natspki: error: the revocation list was not written: ');
    expect(stderr).toContain(
      'natspki: hint: write it with `natspki crl` where the key of the authority is\n',
    );
    expect(conf(folder)).not.toContain(pinOf(initialized(), 'bob'));
  });

  it('is written by natspki crl without a revocation, and natspki watch neither makes one nor replaces a fresh one', async () => {
    const folder = initialized();
    expect(await natspki(folder, ['watch', '--once'])).toMatchObject({ code: 0 });
    expect(existsSync(join(folder, 'certs/ca.crl'))).toBe(false);
    const { stdout } = await natspki(folder, ['crl', '--crl-days', '30']);
    expect(stdout).toBe(listLine(folder, '0 certificates'));
    const first = readFileSync(join(folder, 'certs/ca.crl'));
    await natspki(folder, ['watch', '--once']);
    expect(readFileSync(join(folder, 'certs/ca.crl'))).toEqual(first);
  });
});

/** Programs that print the serial number and the reason code of the only entry; undefined where one is missing. */
const readers: Record<string, (folder: string) => string | undefined> = {
  Python: (folder) => runPeer('python3', ['-c', pythonReader], folder, 'import cryptography'),
  Go: (folder) => {
    writeFileSync(join(folder, 'list.go'), goReader);
    return runPeer('go', ['run', 'list.go'], folder);
  },
};

function runPeer(program: string, argv: string[], cwd: string, needs?: string): string | undefined {
  const has = needs === undefined ? ['version'] : ['-c', needs];
  if (spawnSync(program, has, { cwd }).status !== 0) return undefined;
  const { stdout, stderr } = spawnSync(program, argv, { cwd, encoding: 'utf8' });
  return stdout || stderr;
}

const pythonReader = `
from cryptography import x509
issuer = x509.load_pem_x509_certificate(open("certs/ca.pem", "rb").read())
crl = x509.load_pem_x509_crl(open("certs/ca.crl", "rb").read())
assert crl.is_signature_valid(issuer.public_key())
for entry in crl:
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    print(entry.serial_number, {"superseded": 4}[reason.value])
`;

const goReader = `package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

func block(file string) []byte {
	data, _ := os.ReadFile(file)
	found, _ := pem.Decode(data)
	return found.Bytes
}

func main() {
	issuer, err := x509.ParseCertificate(block("certs/ca.pem"))
	if err != nil {
		panic(err)
	}
	list, err := x509.ParseRevocationList(block("certs/ca.crl"))
	if err != nil {
		panic(err)
	}
	if err := list.CheckSignatureFrom(issuer); err != nil {
		panic(err)
	}
	for _, entry := range list.RevokedCertificateEntries {
		fmt.Println(entry.SerialNumber, entry.ReasonCode)
	}
}
`;
