// What `natspki check` finds in a configuration and in the files that it names, and the positions that it reports.
import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkConfiguration } from '../../../src/broker/options/check.ts';
import { formatProblem } from '../../../src/conf/error.ts';
import { initialize } from '../../../src/pki/issue/init.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { freshCopy, testFolder } from '../../support/folder.ts';

const scratch = testFolder('check');
const made = join(scratch, 'made');

beforeAll(async () => {
  await initialize({
    directory: new PkiDirectory(made),
    hosts: ['localhost'],
    clients: ['client'],
    authorityName: 'CA',
    authorityDays: 30,
    days: 30,
    keyType: 'p256',
  });
});

/** Checks a configuration after `spoil` has changed its certificates; returns the findings without folder names. */
async function check(text: string, spoil: (folder: string) => void = () => {}): Promise<string[]> {
  const folder = freshCopy(made);
  spoil(folder);
  const conf = join(folder, 'nats.conf');
  writeFileSync(conf, text.replaceAll('DIR', folder));
  const problems = await checkConfiguration(conf);
  return problems.map((problem) =>
    `${problem.severity} ${formatProblem(problem)}`.replaceAll(`${folder}/`, ''),
  );
}

const tls = `tls {
  cert_file: "DIR/server-cert.pem"
  key_file: "DIR/server-key.pem"
  ca_file: "DIR/ca.pem"
  verify: true
}
`;
const certPlace = 'error nats.conf:2:14:';
const keyPlace = 'error nats.conf:3:13:';
const caPlace = 'error nats.conf:4:12:';

describe('checking a configuration', () => {
  it('finds no problem with the certificates that init writes', async () => {
    expect(await check(tls)).toEqual([]);
  });

  it('reports every syntax error', async () => {
    const found = await check('tls {{ }\nport: }\n');
    expect(found.length).toBeGreaterThan(0);
    for (const line of found) expect(line).toMatch(/^error nats\.conf:\d+:\d+: /);
  });

  it('reports errors and warnings in the order of the file', async () => {
    expect(await check(`jetstream: true\n${tls}operator: "x"\nprot: 4222\n`)).toEqual([
      'warning nats.conf:1:12: "jetstream" is ignored: the bundled broker does not support JetStream',
      'warning nats.conf:8:11: "operator" is ignored: the bundled broker does not support operators and JWTs',
      'error nats.conf:9:1: unknown field "prot"',
    ]);
  });

  it('reports every missing file', async () => {
    const missing = ['ca.pem', 'server-cert.pem', 'server-key.pem'];
    const found = await check(tls, (folder) => {
      for (const file of missing) rmSync(join(folder, file));
    });
    expect(found).toEqual([
      `${certPlace} "server-cert.pem" does not exist`,
      `${keyPlace} "server-key.pem" does not exist`,
      `${caPlace} "ca.pem" does not exist`,
    ]);
  });

  it.each<[string, (folder: string) => void, string]>([
    [
      'an empty file',
      (folder) => writeFileSync(join(folder, 'server-cert.pem'), ''),
      `${certPlace} "server-cert.pem" is empty`,
    ],
    [
      'a file that is neither PEM nor DER',
      (folder) => writeFileSync(join(folder, 'ca.pem'), 'hello'),
      `${caPlace} "ca.pem" is neither PEM nor DER`,
    ],
    [
      'a key in place of a certificate',
      (folder) => copyFileSync(join(folder, 'ca-key.pem'), join(folder, 'ca.pem')),
      `${caPlace} "ca.pem" holds a private key, expected a certificate`,
    ],
    [
      'the key of another certificate',
      (folder) => copyFileSync(join(folder, 'client-key.pem'), join(folder, 'server-key.pem')),
      'error nats.conf:2:14: the key in "server-key.pem" does not belong to the certificate in "server-cert.pem"',
    ],
    [
      'an expired certificate',
      (folder) => {
        const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
        openssl('req', '-new', '-key', 'server-key.pem', '-subj', '/CN=s', '-out', 's.csr');
        const issuer = ['-CA', 'ca.pem', '-CAkey', 'ca-key.pem'];
        writeFileSync(join(folder, 'ext'), 'subjectAltName=DNS:localhost\n');
        const validity = ['-days', '-1', '-extfile', 'ext'];
        openssl('x509', '-req', '-in', 's.csr', ...issuer, ...validity, '-out', 'server-cert.pem');
      },
      `${certPlace} certificate CN=s in "server-cert.pem" expired at `,
    ],
  ])('reports %s at the position where the file is named', async (_what, spoil, expected) => {
    const [first = '', ...more] = await check(tls, spoil);
    expect(first.slice(0, expected.length)).toBe(expected);
    expect(more).toEqual([]);
  });

  it('warns of a server certificate without the server usage', async () => {
    const found = await check(tls.replaceAll('/server-', '/client-'));
    expect(found).toEqual([
      expect.stringMatching(/^warning nats\.conf:2:14: certificate CN=client .* is not for servers/),
    ]);
  });

  it('checks the cluster block and every pair of "certificates"', async () => {
    const pairs = 'certificates: [{cert_file: "DIR/server-cert.pem", key_file: "DIR/none.pem"}]';
    const cluster =
      'cluster {\n  name: c\n  listen: "127.0.0.1:6222"\n  TLS { cert_file: "DIR/gone.pem", key_file: "DIR/gone.key" }\n}\n';
    const found = await check(`tls { ${pairs} }\n${cluster}`);
    expect(found.filter((line) => line.startsWith('error'))).toEqual([
      expect.stringMatching(/^error nats\.conf:1:\d+: "none\.pem" does not exist/),
      expect.stringMatching(/^error nats\.conf:5:20: "gone\.pem" does not exist/),
      expect.stringMatching(/^error nats\.conf:5:\d+: "gone\.key" does not exist/),
    ]);
  });

  it('reports a problem of an included file at its position in that file', async () => {
    const found = await check('port: 4222\ninclude "./tls.conf"\n', (folder) =>
      writeFileSync(join(folder, 'tls.conf'), 'tls {\n  cert_fil: "x"\n}\n'),
    );
    expect(found).toEqual([
      expect.stringMatching(/^warning tls\.conf:1:5: clients need no certificate/),
      'error tls.conf:2:3: unknown field "cert_fil" in tls',
    ]);
  });
});
