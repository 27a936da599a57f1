import { execFileSync, execSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer as createPlainServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createServer, TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { natspki } from '../harness/process.ts';
import { testFolder } from '../support/folder.ts';
import { loadedModules } from '../support/loaded-modules.ts';

const folder = testFolder('pin');
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
const shell = (command: string) => execSync(command, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
const pinByOpenssl = (cert: string) =>
  shell(`openssl x509 -in ${cert} -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum`).slice(
    0,
    64,
  );

const algorithms: Record<string, string[]> = {
  p256: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  ed25519: ['ed25519'],
  rsa2048: ['rsa:2048'],
  rsa3072: ['rsa:3072'],
  rsa4096: ['rsa:4096'],
};

beforeAll(() => {
  for (const [type, algorithm] of Object.entries(algorithms)) {
    openssl(
      'req',
      '-x509',
      '-newkey',
      ...algorithm,
      '-nodes',
      '-subj',
      `/CN=${type}`,
      '-days',
      '3',
      '-keyout',
      `${type}.key`,
      '-out',
      `${type}.pem`,
    );
  }
  openssl('req', '-new', '-key', 'p256.key', '-subj', '/CN=r', '-out', 'request.csr');
  openssl('x509', '-in', 'p256.pem', '-outform', 'DER', '-out', 'p256.der');
  shell('openssl pkey -in p256.key -pubout -out public.pem && cat p256.pem p384.pem > chain.pem');
  writeFileSync(join(folder, 'empty.pem'), '');
  writeFileSync(join(folder, 'torn.pem'), readFileSync(join(folder, 'p256.pem'), 'utf8').slice(0, 150));
});

const next =
  'next: the bundled broker reloads by itself; nats-server after `nats-server --signal reload=PIDFILE`\n';

describe('natspki pin', () => {
  it.each(Object.keys(algorithms))(
    'prints the pin that openssl computes for %s, and nothing else',
    async (type) => {
      expect(await natspki(folder, ['pin', `${type}.pem`])).toEqual({
        code: 0,
        stdout: `${pinByOpenssl(`${type}.pem`)}\n`,
        stderr: '',
      });
    },
  );

  it('prints the same pin for a certificate, its DER, request, public key, private key, and as the leaf of a chain', async () => {
    const files = ['p256.pem', 'p256.der', 'request.csr', 'public.pem', 'p256.key', 'chain.pem'];
    const pin = pinByOpenssl('p256.pem');
    expect((await natspki(folder, ['pin', ...files])).stdout).toBe(
      files.map((file) => `${pin}  ${file}\n`).join(''),
    );
  });

  it('reads stdin for - and without arguments', async () => {
    const input = readFileSync(join(folder, 'p256.pem'));
    const pin = pinByOpenssl('p256.pem');
    expect((await natspki(folder, ['pin'], { input })).stdout).toBe(`${pin}\n`);
    expect((await natspki(folder, ['pin', '-', 'p256.key'], { input })).stdout).toBe(
      `${pin}  -\n${pin}  p256.key\n`,
    );
  });

  it('prints an entry for a tls block with --conf', async () => {
    const [a, b] = [pinByOpenssl('p256.pem'), pinByOpenssl('p384.pem')];
    expect((await natspki(folder, ['pin', '--conf', 'p256.pem'])).stdout).toBe(`pinned_certs: ["${a}"]\n`);
    expect((await natspki(folder, ['pin', '--conf', 'p256.pem', 'p384.pem'])).stdout).toBe(
      `pinned_certs: [\n  "${a}"\n  "${b}"\n]\n`,
    );
  });

  it('prints the fingerprint of the certificate with --cert', async () => {
    const expected = shell('openssl x509 -in p256.pem -outform DER | sha256sum').slice(0, 64);
    expect((await natspki(folder, ['pin', '--cert', 'p256.pem'])).stdout).toBe(`${expected}\n`);
    expect(await natspki(folder, ['pin', '--cert', 'p256.key'])).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'natspki: error: "p256.key" holds a private key, expected a certificate\n' +
        'natspki: hint: `natspki inspect FILE` shows what a file holds\n',
    });
  });

  it('prints one JSON document with --json', async () => {
    const { stdout, stderr } = await natspki(folder, ['pin', '--json', 'p256.pem', 'p384.pem']);
    expect(JSON.parse(stdout)).toEqual({
      pins: [
        { source: 'p256.pem', pin: pinByOpenssl('p256.pem') },
        { source: 'p384.pem', pin: pinByOpenssl('p384.pem') },
      ],
    });
    expect(stderr).toBe('');
  });

  it('adds each pin to the tls block of a configuration once, and keeps every other byte', async () => {
    const conf = join(folder, 'add.conf');
    const [before, after] = ['# mine\r\nport: 4222\r\ntls {\r\n\tverify: true # all\r\n', '}\r\n# end'];
    writeFileSync(conf, before + after, { mode: 0o640 });
    const [a, b] = [pinByOpenssl('p256.pem'), pinByOpenssl('p384.pem')];
    expect(await natspki(folder, ['pin', 'p256.pem', '--add', 'add.conf'])).toEqual({
      code: 0,
      stdout: `added ${a}  p256.pem\nfrom now on add.conf accepts pinned keys only: add each other client with \`natspki pin certs/NAME-cert.pem --add add.conf\`\n${next}`,
      stderr: '',
    });
    expect(readFileSync(conf, 'utf8')).toBe(`${before}\tpinned_certs: ["${a}"]\r\n${after}`);
    expect((await natspki(folder, ['pin', 'p256.pem', 'p384.pem', '--add', 'add.conf'])).stdout).toBe(
      `already there ${a}  p256.pem\nadded ${b}  p384.pem\n${next}`,
    );
    expect(readFileSync(conf, 'utf8')).toBe(`${before}\tpinned_certs: ["${a}", "${b}"]\r\n${after}`);
  });

  it('removes pins from a configuration, but not the last one', async () => {
    const conf = join(folder, 'remove.conf');
    const [a, b] = [pinByOpenssl('p256.pem'), pinByOpenssl('p384.pem')];
    writeFileSync(conf, `tls { verify: true, pinned_certs: ["${a}", "${b}"] } # mine\n`);
    expect(await natspki(folder, ['pin', 'p256.pem', '--remove', 'remove.conf'])).toEqual({
      code: 0,
      stdout: `removed ${a}  p256.pem\n${next}`,
      stderr: '',
    });
    expect(readFileSync(conf, 'utf8')).toBe(`tls { verify: true, pinned_certs: ["${b}"] } # mine\n`);
    const last = await natspki(folder, ['pin', 'p384.pem', '--remove', 'remove.conf']);
    expect(last).toMatchObject({ code: 1, stdout: `kept ${b}  p384.pem\n` });
    expect(last.stderr).toContain('an empty list would accept every key');
  });

  it('names the right order of a certificate and a configuration that are swapped', async () => {
    const { code, stderr } = await natspki(folder, ['pin', 'nats.conf', '--add', 'p256.pem']);
    expect(code).toBe(2);
    expect(stderr).toContain('natspki: hint: natspki pin p256.pem --add nats.conf\n');
  });

  it('warns that pins reject every client when the server does not ask for certificates', async () => {
    const notice =
      'no client can connect: "pinned_certs" without "verify: true" rejects clients that were not asked for a certificate; `natspki tls client --verify --write open.conf` asks them';
    writeFileSync(join(folder, 'open.conf'), 'tls { cert_file: a, key_file: b }\n');
    const { code, stdout } = await natspki(folder, ['pin', 'p256.pem', '--add', 'open.conf']);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `added ${pinByOpenssl('p256.pem')}  p256.pem\n${notice}\n${next}`,
    });
    const json = await natspki(folder, ['pin', 'p256.pem', '--add', 'open.conf', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ added: [], notices: [notice] });
  });

  it('fails to add to a configuration without a tls block, and changes nothing', async () => {
    writeFileSync(join(folder, 'plain.conf'), 'port: 4222\n');
    const { code, stderr } = await natspki(folder, ['pin', 'p256.pem', '--add', 'plain.conf']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^natspki: error: plain\.conf:1:1: .*tls/);
    expect(readFileSync(join(folder, 'plain.conf'), 'utf8')).toBe('port: 4222\n');
  });

  it.each([
    [['pin', 'none.pem'], '"none.pem" does not exist'],
    [['pin', 'empty.pem'], '"empty.pem" is empty'],
    [['pin', 'torn.pem'], '"torn.pem" is truncated'],
    [['pin', '.'], '"." is a folder'],
    [['pin', 'tls://127.0.0.1:1'], 'cannot connect to tls://127.0.0.1:1'],
  ])('fails on %j', async (args, message) => {
    const { code, stdout, stderr } = await natspki(folder, args);
    expect(stderr).toContain(`natspki: error: ${message}`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it.each([
    [['pin', '--conf', '--add', 'x', 'p256.pem'], '--conf'],
    [['pin', 'ftp://example.com'], '"ftp://example.com" is not the URL of a TLS server'],
    [['pin', '--cnf', 'p256.pem'], 'unknown flag "--cnf"\nnatspki: hint: did you mean "--conf"'],
  ])('rejects %j as wrong usage', async (args, message) => {
    const { code, stderr } = await natspki(folder, args);
    expect(stderr).toContain(`natspki: error: `);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  it('loads neither the prompts nor the file watcher', async () => {
    const modules = await loadedModules(folder, ['pin', 'p256.pem']);
    expect(modules.some((url) => url.endsWith('/dist/bundle/commands/pin.cjs'))).toBe(true);
    // Everything is bundled: a single package outside the bundle would double the start time.
    expect(modules.filter((url) => url.includes('/node_modules/'))).toEqual([]);
    expect(modules.filter((url) => url.includes('/dist/')).length).toBeLessThan(15);
    expect(modules.filter((url) => /inquirer|chokidar/.test(url))).toEqual([]);
  });
});

describe('natspki pin URL', () => {
  const secure = () => ({
    key: readFileSync(join(folder, 'p256.key')),
    cert: readFileSync(join(folder, 'p256.pem')),
  });

  /** Runs `pin URL` against a server that listens meanwhile. */
  async function pinOf(server: Server, scheme: string) {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      return await natspki(folder, ['pin', `${scheme}://127.0.0.1:${port}`]);
    } finally {
      server.close();
    }
  }

  /** Imitates the start of a NATS connection: INFO in plain text, then TLS. */
  const greeting = (info: string, options: object = {}) =>
    createPlainServer((socket) => {
      socket.on('error', () => {});
      socket.write(`INFO ${info}\r\n`);
      new TLSSocket(socket, { isServer: true, ...secure(), ...options }).on('error', () => {});
    });

  it.each([
    {},
    { requestCert: true, rejectUnauthorized: true },
    { requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' },
  ])('reads the certificate that a NATS server presents after its INFO, with %j', async (options) => {
    const { stdout, stderr } = await pinOf(greeting('{"tls_required":true}', options), 'nats');
    expect(stderr).toBe('');
    expect(stdout).toBe(`${pinByOpenssl('p256.pem')}\n`);
  });

  it('starts the TLS handshake when the server sends no INFO', async () => {
    const server = createServer(secure(), (socket) => socket.on('error', () => {}));
    expect((await pinOf(server, 'tls')).stdout).toBe(`${pinByOpenssl('p256.pem')}\n`);
  });

  it('reports a NATS server without TLS, and a server that is not NATS', async () => {
    expect((await pinOf(greeting('{}'), 'tls')).stderr).toMatch(/is a NATS server without TLS\n/);
    const mail = createPlainServer((socket) => socket.on('error', () => {}).end('220 mail.example.com\r\n'));
    expect((await pinOf(mail, 'tls')).stderr).toMatch(/is not a NATS server\n/);
  });
});
