// An intermediate: `init --intermediate`, the root's key offline, `rotate --intermediate`, and servers with certificates
// that an intermediate signed.
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { bin, natspki, run } from '../harness/process.ts';
import { startProcess } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { steady } from '../support/shown.ts';
import { contents, tree } from '../support/tree.ts';

const scratch = testFolder('intermediate-command');
const made = join(scratch, 'made');
let shown: string;

beforeAll(async () => {
  mkdirSync(made);
  const init = ['init', '--yes', '--intermediate', '--intermediate-days', '1000', '--ca-name', 'Mine'];
  const { code, stdout } = await natspki(made, [...init, '--host', '127.0.0.1', '--client', 'alice']);
  expect(code).toBe(0);
  shown = stdout;
});

/** A folder as `init --intermediate` leaves it, with the root's key moved out of certs. */
function keyAway(): string {
  const folder = freshCopy(made);
  renameSync(join(folder, 'certs/ca-key.pem'), join(folder, 'ca-key.pem'));
  return folder;
}

const bringBack = (folder: string) =>
  renameSync(join(folder, 'ca-key.pem'), join(folder, 'certs/ca-key.pem'));

describe('natspki init --intermediate', () => {
  it('lists both authorities, and names the key that can be kept offline', () => {
    expect(
      steady(shown),
    ).toBe(`NAME          PROFILE       SANS       KEY   ISSUER             NOT AFTER   LEFT   PIN
ca            authority     -          p256  Mine               DAY  NNNNN  PIN
intermediate  intermediate  -          p256  Mine               DAY  NNNNN  PIN
server        server        127.0.0.1  p256  Mine intermediate  DAY   NNNN  PIN
route         route         127.0.0.1  p256  Mine intermediate  DAY   NNNN  PIN
alice         client        alice      p256  Mine intermediate  DAY   NNNN  PIN

wrote ./nats.conf

Next:
  # run the bundled broker, or nats-server with the same -c
  natspki broker -c ./nats.conf
  # connect a client
  nats -s tls://127.0.0.1 --tlsca certs/ca.pem --tlscert certs/alice-cert.pem --tlskey certs/alice-key.pem sub '>'
  # keep the root's key offline until the intermediate is due
  mv certs/ca-key.pem /path/to/a/safe/place/
  # see when each certificate expires
  natspki list --dir ./certs
`);
    expect(tree(join(made, 'certs')).filter((line) => /ca|intermediate/.test(line))).toEqual([
      '0600 ca-key.pem',
      '0644 ca.pem',
      '0600 intermediate-key.pem',
      '0644 intermediate.pem',
    ]);
  });

  it.each([
    [['init', '--yes', '--intermediate-days', '3'], '--intermediate-days needs --intermediate'],
    [['init', '--intermediate', '--import', 'x'], '--intermediate and --import are mutually exclusive'],
    [
      ['rotate', '--intermediate', 'server'],
      '--intermediate and names of certificates are mutually exclusive',
    ],
    [['rotate', '--intermediate', '--ca'], '--ca and --intermediate are mutually exclusive'],
    [['rotate', '--ca-name', 'x'], '--ca-name needs --ca or --intermediate'],
    [['issue', 'client', 'intermediate'], `name "intermediate" is the authority's own`],
  ])('rejects %j as wrong usage', async (args, message) => {
    const folder = freshCopy(made);
    const before = contents(folder);
    const { code, stderr } = await natspki(folder, args);
    expect(stderr).toContain(`natspki: error: ${message}\n`);
    expect(code).toBe(2);
    expect(contents(folder)).toEqual(before);
  });
});

describe("while the root's key is offline", () => {
  it('every command works except those that sign an authority', async () => {
    const folder = keyAway();
    for (const args of [
      ['issue', 'client', 'bob'],
      ['rotate'],
      ['rotate', 'server', '--keep-key'],
      ['rotate', '--undo', 'server'],
      ['rotate', '--dry-run'],
      ['list'],
      ['inspect', 'certs/server-cert.pem'],
      ['verify'],
      ['check', 'nats.conf'],
      ['tls', 'client', '--verify'],
      ['watch', '--once'],
    ]) {
      expect(await natspki(folder, args), args.join(' ')).toMatchObject({ code: 0 });
    }
  });

  it('rotate --intermediate names the missing key, works once it is back, and later rotations work without it', async () => {
    const folder = keyAway();
    expect(await natspki(folder, ['rotate', '--intermediate'])).toEqual({
      code: 1,
      stdout: '',
      stderr: `natspki: error: the key of authority "Mine" is not in "./certs", and this command needs it
natspki: hint: copy it to "certs/ca-key.pem", and remove it again afterwards
`,
    });
    bringBack(folder);
    const trusted = readFileSync(join(folder, 'certs/ca.pem'), 'utf8');
    expect(await natspki(folder, ['rotate', '--intermediate', '--dry-run'])).toEqual({
      code: 0,
      stdout:
        'new-issuer  "Mine intermediate 2" takes over from "Mine intermediate" below "Mine" (p256, 1000 days)\n',
      stderr: '',
    });
    const rotated = await natspki(folder, ['rotate', '--intermediate']);
    expect({ ...rotated, stdout: steady(rotated.stdout) }).toEqual({
      code: 0,
      stderr: '',
      stdout: `NAME          PROFILE       SANS  KEY   ISSUER  NOT AFTER   LEFT   PIN
ca            authority     -     p256  Mine    DAY  NNNNN  PIN
intermediate  intermediate  -     p256  Mine    DAY  NNNNN  PIN

next: move the root's key offline again, then run \`natspki rotate\`; ca.pem stays the same on every peer
`,
    });
    renameSync(join(folder, 'certs/ca-key.pem'), join(folder, 'ca-key.pem'));
    const { stdout } = await natspki(folder, ['rotate', '--json']);
    const { certificates } = JSON.parse(stdout) as { certificates: { issuer: string }[] };
    expect(new Set(certificates.map(({ issuer }) => issuer))).toEqual(new Set(['Mine intermediate 2']));
    expect(readFileSync(join(folder, 'certs/ca.pem'), 'utf8')).toBe(trusted);
    for (const name of ['server', 'route', 'alice']) {
      const file = `certs/${name}-cert.pem`;
      const verify = ['verify', '-x509_strict', '-CAfile', 'certs/ca.pem', '-untrusted', file, file];
      expect(await run(['openssl', ...verify], { folder })).toMatchObject({ code: 0 });
    }
    expect(await natspki(folder, ['verify'])).toMatchObject({ code: 0 });
  });
});

/** Connects as alice; fails unless the server accepts the connection. */
async function visit(folder: string, port: number): Promise<void> {
  const read = (name: string) => readFileSync(join(folder, 'certs', name));
  const [ca, cert, key] = ['ca.pem', 'alice-cert.pem', 'alice-key.pem'].map(read);
  const wire = await Wire.open(port, { tls: { ca, cert, key, host: '127.0.0.1' } });
  wire.send('CONNECT {"verbose":false}\r\n');
  await wire.receives('');
  wire.end();
}

function throughIntermediates(server: readonly string[], reload: readonly string[]): void {
  it('accepts clients of the old and the new intermediate with the same ca.pem', async () => {
    const folder = freshCopy(made);
    const listen = ['-c', 'nats.conf', '-a', '127.0.0.1', '-p', '-1', '-P', 'nats.pid'];
    const running = await startProcess([...server, ...listen], folder);
    try {
      await visit(folder, running.port);
      const url = `tls://127.0.0.1:${running.port}`;
      await natspki(folder, ['rotate', '--intermediate']);
      for (const names of [['server'], ['alice']]) {
        const rotate = ['rotate', ...names, ...reload, '--verify', url];
        expect(await natspki(folder, rotate)).toMatchObject({ code: 0, stderr: '' });
        await visit(folder, running.port);
      }
    } finally {
      await running.stop();
    }
  });
}

describePeer('nats-server', 'under nats-server', (nats) =>
  throughIntermediates([nats], ['--reload', 'nats.pid']),
);
describe('under the bundled broker', () => throughIntermediates([process.execPath, bin, 'broker'], []));
