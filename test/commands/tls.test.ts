import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { natspki } from '../harness/process.ts';
import { freshCopy, testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';

const scratch = testFolder('tls');
const made = join(scratch, 'made');

beforeAll(async () => {
  mkdirSync(made);
  await natspki(made, ['init', '--yes']);
});

const initialized = () => freshCopy(made);

const pair = (name: string) =>
  `  cert_file: "./certs/${name}-cert.pem"\n  key_file: "./certs/${name}-key.pem"\n`;
const ca = '  ca_file: "./certs/ca.pem"\n';

describe('natspki tls', () => {
  it.each([
    ['client', `tls {\n${pair('server')}}\n`],
    ['monitor', `tls {\n${pair('server')}}\n`],
    ['websocket', `tls {\n${pair('server')}}\n`],
    ['mqtt', `tls {\n${pair('server')}}\n`],
    ['cluster', `tls {\n${pair('route')}${ca}  verify: true\n}\n`],
    ['client --verify', `tls {\n${pair('server')}${ca}  verify: true\n}\n`],
    ['client --verify-and-map', `tls {\n${pair('server')}${ca}  verify_and_map: true\n}\n`],
    ['client --verify --ocsp-peer', `tls {\n${pair('server')}${ca}  verify: true\n  ocsp_peer: true\n}\n`],
    ['leafnodes --name route --ocsp-peer', `tls {\n${pair('route')}${ca}  ocsp_peer: true\n}\n`],
    ['gateway --name route', `tls {\n${pair('route')}${ca}  verify: true\n}\n`],
    ['leafnodes --name route', `tls {\n${pair('route')}${ca}}\n`],
  ])('prints the block for %s', async (args, expected) => {
    const result = await natspki(made, ['tls', ...args.split(' ')]);
    expect(result).toEqual({ code: 0, stdout: expected, stderr: '' });
  });

  it('writes every option into the block', async () => {
    const pin = (await natspki(made, ['pin', 'certs/client-cert.pem'])).stdout.trim();
    const args = [
      'tls',
      'client',
      '--verify',
      '--pin',
      'certs/client-cert.pem',
      '--min-version',
      '1.3',
      '--timeout',
      '500ms',
      '--cipher-suites',
      'TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384',
      '--curve-preferences',
      'X25519,CurveP256',
      '--handshake-first',
      '--connection-rate-limit',
      '100',
    ];
    expect((await natspki(made, args)).stdout).toBe(`tls {
${pair('server')}${ca}  verify: true
  pinned_certs: ["${pin}"]
  min_version: "1.3"
  cipher_suites: ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"]
  curve_preferences: ["X25519", "CurveP256"]
  timeout: 0.5
  handshake_first: true
  connection_rate_limit: 100
}
`);
  });

  it.each([
    [['--handshake-first', 'auto'], '"auto"'],
    [['--handshake-first', '300ms'], '"300ms"'],
    [['--handshake-first'], 'true'],
    [['--handshake-first', '--verify'], 'true'],
  ])('writes handshake_first for %j', async (args, value) => {
    expect((await natspki(made, ['tls', 'client', ...args])).stdout).toContain(
      `  handshake_first: ${value}\n`,
    );
  });

  it('writes the block into a file and keeps every other byte', async () => {
    const folder = initialized();
    const conf = join(folder, 'nats.conf');
    const [before, after] = [
      '# top\nport: 4222 # here\ncluster {\n\tname: "c"\n\ttls {',
      '}\n\tlisten: ":6222"\n}\n\n# end',
    ];
    writeFileSync(conf, `${before} cert_file: "old" # gone\n${after}`);
    expect(await natspki(folder, ['tls', 'cluster', '--write', 'nats.conf'])).toEqual({
      code: 0,
      stdout: 'wrote the tls block for cluster into nats.conf\n',
      stderr: '',
    });
    const inner = `${pair('route')}${ca}  verify: true\n`.replace(/^ {2}/gm, '\t\t');
    expect(readFileSync(conf, 'utf8')).toBe(`${before}\n${inner}\t${after}`);
  });

  it.each([
    [['clinet'], 2, 'unknown context "clinet"', 'did you mean "client"'],
    [['client', '--verify', '--verify-and-map'], 2, 'are mutually exclusive', 'natspki tls --help'],
    [['client', '--pin', 'certs/client-cert.pem'], 2, 'pins apply to client certificates', 'add --verify'],
    [
      ['client', '--cipher-suites', 'TLS_AES_128_GCM_SHA265'],
      2,
      'unknown cipher suite "TLS_AES_128_GCM_SHA265"',
      'did you mean "TLS_AES_128_GCM_SHA256"',
    ],
    [['client', '--curve-preferences', 'X25520'], 2, 'unknown curve "X25520"', 'use one or more of X25519'],
    [['client', '--min-version', '1.1'], 2, '--min-version is "1.1", expected one of 1.2, 1.3', ''],
    [
      ['client', '--timeout', 'long'],
      2,
      '--timeout is "long", expected seconds or a duration',
      '--timeout 5s',
    ],
    [['client', '--handshake-first', '-1s'], 2, 'unexpected argument "-1s"', ''],
    [
      ['client', '--connection-rate-limit', '0'],
      2,
      '--connection-rate-limit is "0", expected a whole number from 1',
      '',
    ],
    [
      ['cluster', '--ocsp-peer'],
      2,
      '--ocsp-peer has no effect in a cluster block',
      'lock keys out with pins',
    ],
    [['client', '--ocsp-peer'], 2, '--ocsp-peer is about client certificates', 'add --verify'],
    [['client', '--check'], 2, '--check needs --write', ''],
    [['gateway'], 1, 'no certificate "gateway" in "./certs"', 'natspki issue gateway gateway --san dns:HOST'],
    [['client', '--write', 'none.conf'], 1, '"none.conf" does not exist', ''],
  ])('rejects %j', async (args, code, message, hint) => {
    const result = await natspki(made, ['tls', ...args]);
    expect(result.stderr).toMatch(/^natspki: error: /);
    expect(result.stderr).toContain(message);
    expect(result.stderr).toContain(hint === '' ? '' : `natspki: hint: ${hint}`);
    expect(result).toMatchObject({ code, stdout: '' });
  });

  it('writes the block without a check when there is no nats-server, and says so', async () => {
    const folder = initialized();
    const environment = { PATH: '', NATS_SERVER_BIN: '' };
    const args = ['tls', 'client', '--write', 'nats.conf', '--check'];
    expect((await natspki(folder, args, { environment })).stdout).toBe(
      'wrote the tls block for client into nats.conf; no nats-server was found to check it\n',
    );
    expect(JSON.parse((await natspki(folder, [...args, '--json'], { environment })).stdout)).toMatchObject({
      file: 'nats.conf',
      checked: false,
    });
  });
});

describePeer('nats-server', 'natspki tls --check', (natsServer) => {
  const environment = { NATS_SERVER_BIN: natsServer };

  it('writes a block that nats-server accepts', async () => {
    const folder = initialized();
    const args = [
      'tls',
      'client',
      '--verify',
      '--handshake-first',
      'auto',
      '--write',
      'nats.conf',
      '--check',
    ];
    expect(await natspki(folder, args, { environment })).toEqual({
      code: 0,
      stdout: 'wrote the tls block for client into nats.conf, which nats-server accepts\n',
      stderr: '',
    });
  });

  const replaced = '{ cert_file: $CERT, key_file: $KEY }';
  const definitions = 'CERT: "./certs/server-cert.pem"\nKEY: "./certs/server-key.pem"\n';

  // The text that remains above the new block.
  it.each([
    [
      'definitions on lines of their own',
      `${definitions}port: 4222\ntls ${replaced}\n`,
      '# CERT: "./certs/server-cert.pem"\n# KEY: "./certs/server-key.pem"\nport: 4222\ntls {',
    ],
    [
      'a definition that something else uses',
      `CERT: a\nKEY: b # why\nserver_name: $CERT\ntls ${replaced}\n`,
      'CERT: a\n# KEY: b # why\nserver_name: $CERT\ntls {',
    ],
    [
      'a definition that only another one used',
      `A: a;\n\tCERT: $A\nKEY: b\ntls ${replaced}`,
      '# A: a;\n\t# CERT: $A\n# KEY: b\ntls {',
    ],
    [
      'a block over several lines',
      `BLOCK {\n  cert_file: a\r\n  key_file: b\n} # end\ntls: $BLOCK\n`,
      '# BLOCK {\n  # cert_file: a\r\n  # key_file: b\n# } # end\ntls: {',
    ],
    [
      'definitions on one line with others',
      `CERT: a, port: 4222; KEY: b\ntls ${replaced}\n`,
      '# CERT: a\n# KEY: b\nport: 4222\ntls {',
    ],
    [
      'an option that was used like a definition',
      `port: 4222\nping_interval: "2s"\ntls { cert_file: a, key_file: b, timeout: $ping_interval }\n`,
      'port: 4222\nping_interval: "2s"\ntls {',
    ],
    [
      'a definition given twice',
      `CERT: a\nKEY: b\nCERT: c\ntls ${replaced}\n`,
      '# CERT: a\n# KEY: b\n# CERT: c\ntls {',
    ],
    ['a variable of the environment', 'server_name: $NATS_NAME\n', undefined],
  ])('leaves %s so that nats-server accepts the file', async (_what, text, expected) => {
    const folder = initialized();
    const conf = join(folder, 'nats.conf');
    writeFileSync(conf, text);
    const all = { ...environment, NATS_NAME: 'n' };
    const result = await natspki(folder, ['tls', 'client', '--write', 'nats.conf', '--check'], {
      environment: all,
    });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const written = readFileSync(conf, 'utf8');
    if (expected !== undefined) expect(written.slice(0, expected.length)).toBe(expected);
    for (const [, name] of written.matchAll(/# ([A-Z]+)[: ]/g)) {
      expect(result.stdout).toContain(`commented out "${name}", which nothing uses any more\n`);
    }
  });

  it('comments out unused definitions in the enclosing block too', async () => {
    const folder = initialized();
    const conf = join(folder, 'nats.conf');
    const files = 'CERT: "./certs/route-cert.pem", KEY: "./certs/route-key.pem"';
    for (const context of ['cluster', 'leafnodes', 'gateway']) {
      const name = context === 'leafnodes' ? '' : 'name: x, ';
      writeFileSync(conf, `port: 4222\n${context} { ${files}, ${name}port: 6222, tls ${replaced} }\n`);
      const args = ['tls', context, '--name', 'route', '--write', 'nats.conf', '--check', '--json'];
      const { stdout } = await natspki(folder, args, { environment });
      expect(JSON.parse(stdout)).toMatchObject({ checked: true, commentedOut: ['CERT', 'KEY'] });
    }
  });

  it('fails and changes nothing when the unused definition is in an included file', async () => {
    const folder = initialized();
    const conf = join(folder, 'nats.conf');
    const text = `include vars.conf\ntls ${replaced}\n`;
    writeFileSync(join(folder, 'vars.conf'), definitions);
    writeFileSync(conf, text);
    const { code, stderr } = await natspki(folder, ['tls', 'client', '--write', 'nats.conf']);
    expect(stderr).toBe(
      'natspki: error: the definition "CERT" in "vars.conf" would be unused, which nats-server rejects\n' +
        'natspki: hint: comment it out there, unless another file includes it, and try again\n',
    );
    expect(code).toBe(1);
    expect(readFileSync(conf, 'utf8')).toBe(text);
  });

  it('writes ocsp_peer as nats-server reads it', async () => {
    const folder = initialized();
    const write = ['tls', 'client', '--verify', '--ocsp-peer', '--write', 'nats.conf', '--check'];
    expect(await natspki(folder, write, { environment })).toEqual({
      code: 0,
      stdout: 'wrote the tls block for client into nats.conf, which nats-server accepts\n',
      stderr: '',
    });
  });

  it('fails and changes nothing when nats-server rejects the result', async () => {
    const folder = initialized();
    const conf = join(folder, 'nats.conf');
    const text = `${readFileSync(conf, 'utf8')}\nno_such_option: true\n`;
    writeFileSync(conf, text);
    const { code, stderr } = await natspki(folder, ['tls', 'client', '--write', 'nats.conf', '--check'], {
      environment,
    });
    expect(stderr).toMatch(
      /^natspki: error: nats-server rejects it: nats\.conf:\d+:\d+: unknown field "no_such_option"/,
    );
    expect(code).toBe(1);
    expect(readFileSync(conf, 'utf8')).toBe(text);
  });
});
