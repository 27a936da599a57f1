// The table of `revoke`: profile x block x server x what was pinned before. One revocation locks all
// profiles out; then each pair, stolen and innocent, knocks at each block of each server.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import { makeAuthority, makeLeaf } from '../harness/openssl.ts';
import { bin, natspki, run } from '../harness/process.ts';
import { freePorts, startProcess } from '../harness/server.ts';
import { Wire } from '../harness/wire.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { leafOf } from '../support/pki.ts';

const scratch = testFolder('revoke-table');
const made = join(scratch, 'made');
/** `both` has both usages, as mkcert gives to clients: its profile in the ledger is that of a route. */
const stolen = ['alice', 'n2', 'edge', 'both'];
const innocent = ['carol', 'n1', 'leaf'];
const peers = ['n1', 'leaf'];
/** Keeps the pairs that the revocation moves to the archive. */
const pairs = join(scratch, 'pairs');

beforeAll(async () => {
  mkdirSync(made);
  const foreign = join(scratch, 'foreign');
  mkdirSync(foreign);
  const authority = makeAuthority(foreign);
  makeLeaf(foreign, 'server', authority, { usage: 'serverAuth' });
  makeLeaf(foreign, 'both', authority);
  const done = { code: 0 };
  expect(await natspki(made, ['init', '--import', foreign])).toMatchObject(done);
  const issue = (...argv: string[]) => natspki(made, ['issue', ...argv]);
  expect(await issue('client', 'alice', 'carol')).toMatchObject(done);
  expect(await issue('route', 'n1', 'n2', '--san', 'dns:localhost')).toMatchObject(done);
  expect(await issue('leafnode', 'edge', 'leaf', '--san', 'dns:localhost')).toMatchObject(done);
  cpSync(join(made, 'certs'), pairs, { recursive: true });
});

const pinsOf = (names: readonly string[]) =>
  names.map((name) => `"${leafOf(new PkiDirectory(pairs), name).pin}"`).join(', ');

const before = {
  'no pins': () => '',
  'pins of all': () => `, pinned_certs: [${pinsOf([...stolen, ...innocent])}]`,
  'pins of the innocent': () => `, pinned_certs: [${pinsOf(innocent)}]`,
};

/** Writes a configuration with the blocks; returns their ports. */
async function configure(folder: string, blocks: readonly string[], pins: string) {
  const ports = await freePorts(blocks.length);
  const tls = (name: string) =>
    `tls { cert_file: certs/${name}-cert.pem, key_file: certs/${name}-key.pem, ca_file: certs/ca.pem, verify: true${pins} }`;
  const names: Record<string, string> = { client: 'server', cluster: 'n1', leafnodes: 'leaf' };
  const text = blocks.map((block, i) => {
    const listen = `listen: "127.0.0.1:${ports[i]}"`;
    const inner = `${listen}\n${tls(names[block] ?? 'server')}`;
    return block === 'client' ? inner : `${block} {\n${block === 'cluster' ? 'name: c\n' : ''}${inner}\n}`;
  });
  writeFileSync(join(folder, 'nats.conf'), `${text.join('\n')}\n`);
  return new Map(blocks.map((block, i) => [block, ports[i] as number]));
}

/** Returns whether a pair gets in at a port: the server answers it, or closes the connection. */
async function knock(port: number, block: string, name: string): Promise<boolean> {
  const file = (ending: string) => readFileSync(join(pairs, ending));
  const pair = { cert: file(`${name}-cert.pem`), key: file(`${name}-key.pem`) };
  const tls = { ca: file('ca.pem'), ...pair, host: 'localhost' };
  let wire: Wire | undefined;
  try {
    if (block === 'cluster') {
      // Routes begin with the handshake, and INFO answers their CONNECT.
      wire = await Wire.openSilent(port);
      await wire.upgrade(tls);
      wire.send('CONNECT {"verbose":false,"name":"x","cluster":"c"}\r\n');
      await wire.nextInfo();
    } else {
      wire = await Wire.open(port, { tls });
      await wire.drain('CONNECT {"verbose":false,"name":"x","version":"2.15.3","headers":true}\r\n');
    }
    return true;
  } catch {
    return false;
  } finally {
    wire?.end();
  }
}

function table(server: readonly string[], blocks: readonly string[]): void {
  it.each(Object.entries(before))(
    'keeps the stolen keys out, and the innocent in, with %s before',
    async (state, pins) => {
      const folder = freshCopy(made);
      const ports = await configure(folder, blocks, pins());
      expect(await natspki(folder, ['revoke', ...stolen, '--reason', 'keyCompromise'])).toMatchObject({
        code: 0,
        stderr: '',
      });
      const running = await startProcess([...server, '-c', 'nats.conf'], folder);
      try {
        for (const [block, port] of ports) {
          const admitted: string[] = [];
          for (const name of [...stolen, ...innocent])
            if (await knock(port, block, name)) admitted.push(name);
          // A list that `revoke` makes has no client for a cluster; one that was there keeps it.
          const expected = block === 'cluster' && state === 'no pins' ? peers : innocent;
          expect(admitted, `${block}, ${state}`).toEqual(expected);
        }
      } finally {
        await running.stop();
      }
    },
  );
}

describePeer('nats-server', 'revoke under nats-server', (nats) => {
  table([nats], ['client', 'cluster', 'leafnodes']);
});

describe('revoke under the bundled broker', () => {
  table([process.execPath, bin, 'broker'], ['client', 'cluster']);
});

describe('revoke where it cannot close everything', () => {
  it('names the open block, records the revocation, and exits with 1', async () => {
    const folder = freshCopy(made);
    const files = 'cert_file: certs/server-cert.pem, key_file: certs/server-key.pem, ca_file: certs/ca.pem';
    writeFileSync(
      join(folder, 'nats.conf'),
      `tls { ${files}, verify: optional }\nmqtt { port: 1883, tls { ${files}, verify: true } }\n`,
    );
    const { code, stdout, stderr } = await natspki(folder, ['revoke', 'alice']);
    expect(code).toBe(1);
    expect(stdout).toContain('open    ./nats.conf: tls still lets them in: it accepts clients without');
    expect(stdout).toMatch(/^edit {4}\.\/nats\.conf: mqtt\.tls accepts only the keys of carol, /m);
    expect(stderr).toContain('natspki: error: tls in "./nats.conf" still lets the revoked keys in: ');
    const again = await natspki(folder, ['revoke', 'alice', '--json']);
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stdout).problems).toMatchObject([{ code: 'still-let-in' }]);
  });

  it('revokes the certificate of a server, and says who accepts it still', async () => {
    const folder = freshCopy(made);
    await configure(folder, ['client'], '');
    const conf = readFileSync(join(folder, 'nats.conf'), 'utf8');
    const { code, stdout, stderr } = await natspki(folder, ['revoke', 'server']);
    expect(code).toBe(1);
    expect(stdout).toContain('skip    ./nats.conf: tls, since the certificate is for servers only\n');
    expect(stderr).toMatch(
      /clients that ask no responder accept the revoked key as the server "server" until/,
    );
    expect(stderr).toContain('natspki: error: "./nats.conf" still uses the revoked pair of "server"\n');
    expect(readFileSync(join(folder, 'nats.conf'), 'utf8')).toBe(conf);
    const { serial } = leafOf(new PkiDirectory(pairs), 'server');
    expect((await natspki(folder, ['inspect', 'certs/ca.crl'])).stdout).toContain(serial);
    expect(await natspki(folder, ['rotate', 'server'])).toMatchObject({ code: 0 });
    const replaced = await natspki(folder, ['revoke', 'server', '--replaced']);
    expect(replaced.stderr).not.toContain('still uses');
  });

  it('needs no configuration when every certificate names a responder', async () => {
    const folder = freshCopy(made);
    const refused = await natspki(folder, ['revoke', 'alice']);
    expect(refused.stderr).toContain('there is no configuration to lock keys out of');
    await natspki(folder, ['rotate', 'alice', '--ocsp-url', 'http://127.0.0.1/ocsp']);
    expect(await natspki(folder, ['revoke', 'alice'])).toMatchObject({ code: 1 });
    const named = freshCopy(made);
    await natspki(named, ['issue', 'client', 'dave', '--ocsp-url', 'http://127.0.0.1/ocsp']);
    expect(await natspki(named, ['revoke', 'dave'])).toMatchObject({ code: 0, stderr: '' });
  });

  it('says on a full disk what was changed and what was not', async () => {
    await configure(made, ['client'], '');
    const cli = `"${process.execPath}" "${bin}"`;
    const { stdout } = await run(
      [
        'unshare',
        '-rm',
        'sh',
        '-c',
        `mkdir -p disk && mount -t tmpfs -o size=512k tmpfs disk && cp -r certs disk/ && cd disk
         dd if=/dev/zero of=room bs=4k count=3 2> /dev/null; dd if=/dev/zero of=fill bs=4k 2> /dev/null
         ${cli} revoke alice --config ../nats.conf 2>&1; rm room
         ${cli} revoke alice --config ../nats.conf 2>&1; echo "exit $?"
         ${cli} revoke alice --config ../nats.conf --json; rm fill
         ${cli} revoke alice --config ../nats.conf; echo "exit $?"`,
      ],
      { folder: freshCopy(made), environment: { NODE_OPTIONS: '' } },
    );
    const line = (text: string) => expect(stdout).toContain(`natspki: ${text}\n`);
    expect(stdout).toMatch(
      /^natspki: error: no space left on the disk to write "certs\/.natspki\/lock"\nnatspki: error: nothing was changed: the keys still get in\n/,
    );
    expect(stdout).toContain('natspki: error: the revocation is not recorded: no space left on the disk');
    line('error: changed: ../nats.conf (tls); it rejects the keys');
    line('error: not changed: the ledger, the revocation list, the pair');
    line('hint: make room, then run the same command again');
    expect(stdout).toContain('exit 1\n{\n  "error": {\n    "code": "disk-full"');
    expect(stdout).toMatch(/keep {4}\.\.\/nats\.conf: tls rejects them already\n(.*\n)+exit 0\n$/);
  });
});
