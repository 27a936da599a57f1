import { execFileSync } from 'node:child_process';
import { createPublicKey, randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import type { Issuer } from '../../../src/pki/store/authority.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { toPem } from '../../../src/x509/certificate.ts';
import { encodePrivateKey, generateKey } from '../../../src/x509/key.ts';
import { parseSan } from '../../../src/x509/name.ts';
import { Signer } from '../../../src/x509/sign.ts';
import { makeAuthority, makeLeaf, openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { madeDirectory, newDirectory } from '../../support/pki.ts';

const scratch = testFolder('verification');
const day = 24 * 60 * 60 * 1000;

/** Returns the findings as `code file`, the file without its folder. */
async function findings(directory: PkiDirectory, now?: Date): Promise<string[]> {
  const found = await verifyDirectory(directory, now === undefined ? {} : { now: () => now });
  return found.map(({ code, file }) => `${code} ${file.slice(directory.path.length + 1)}`);
}

describe('a folder that natspki made', () => {
  it('has no findings', async () => {
    expect(await verifyDirectory(await madeDirectory(scratch))).toEqual([]);
    expect(await verifyDirectory(await madeDirectory(scratch, { passphrase: 'open sesame' }))).toEqual([]);
  });
});

describe('verify finds', () => {
  it('a missing authority', async () => {
    const directory = newDirectory(scratch);
    expect(await verifyDirectory(directory)).toEqual([
      {
        code: 'no-authority',
        file: directory.authorityFile,
        message: `no authority in "${directory.path}"`,
        hint: 'make one with `natspki init`, or name its folder with --dir',
      },
    ]);
  });

  it('keys without certificates and certificates without keys', async () => {
    const directory = await madeDirectory(scratch);
    rmSync(directory.keyFile('client'));
    rmSync(directory.certificateFile('server'));
    rmSync(directory.authorityKeyFile);
    expect(await findings(directory)).toEqual([
      'missing-key ca-key.pem',
      'missing-key client-key.pem',
      'orphan-key server-key.pem',
    ]);
  });

  it('a missing key of the authority, as a warning', async () => {
    const directory = await madeDirectory(scratch);
    rmSync(directory.authorityKeyFile);
    expect(await verifyDirectory(directory)).toMatchObject([{ code: 'missing-key', severity: 'warning' }]);
  });

  it('keys that do not belong to their certificates', async () => {
    const directory = await madeDirectory(scratch);
    const spare = readFileSync(directory.keyFile('client'));
    copyFileSync(directory.keyFile('server'), directory.keyFile('client'));
    writeFileSync(directory.authorityKeyFile, spare);
    expect(await findings(directory)).toEqual(['key-mismatch ca-key.pem', 'key-mismatch client-key.pem']);
  });

  it('files that are damaged, truncated or of the wrong kind', async () => {
    const directory = await madeDirectory(scratch);
    truncateSync(directory.certificateFile('client'), 300);
    writeFileSync(directory.keyFile('route'), readFileSync(directory.authorityFile));
    writeFileSync(directory.certificateFile('server'), '');
    expect(await findings(directory)).toEqual([
      'truncated-pem client-cert.pem',
      'wrong-material route-key.pem',
      'empty-file server-cert.pem',
    ]);
  });

  it('a damaged certificate of the authority, and further problems', async () => {
    const directory = await madeDirectory(scratch);
    truncateSync(directory.authorityFile, 300);
    chmodSync(directory.keyFile('client'), 0o644);
    expect(await findings(directory)).toEqual(['truncated-pem ca.pem', 'key-mode client-key.pem']);
  });

  it('files that other users can read or change', async () => {
    const directory = await madeDirectory(scratch);
    chmodSync(directory.keyFile('client'), 0o640);
    chmodSync(directory.authorityKeyFile, 0o604);
    chmodSync(directory.certificateFile('server'), 0o664);
    chmodSync(directory.authorityFile, 0o646);
    chmodSync(directory.path, 0o777);
    expect(await findings(directory)).toEqual([
      'key-mode ca-key.pem',
      'file-mode ',
      'file-mode ca.pem',
      'key-mode client-key.pem',
      'file-mode server-cert.pem',
    ]);
    const [, , , key] = await verifyDirectory(directory);
    expect(key).toMatchObject({
      message: 'mode 0640, other users can use it',
      hint: `chmod 600 ${directory.keyFile('client')}`,
    });
  });

  it('certificates that have expired or are not valid yet', async () => {
    const start = new Date('2026-01-01T00:00:00Z');
    const directory = await madeDirectory(scratch, { days: 10, authorityDays: 20, now: () => start });
    const at = (days: number) => findings(directory, new Date(start.getTime() + days * day));
    expect(await at(9)).toEqual([]);
    const leaves = ['client-cert.pem', 'route-cert.pem', 'server-cert.pem'];
    expect(await at(11)).toEqual(leaves.map((file) => `expired ${file}`));
    expect(await at(21)).toEqual(['ca.pem', ...leaves].map((file) => `expired ${file}`));
    expect(await at(-1)).toEqual(['ca.pem', ...leaves].map((file) => `not-yet-valid ${file}`));
    const [expired] = await verifyDirectory(directory, { now: () => new Date(start.getTime() + 11 * day) });
    expect(expired).toMatchObject({
      message: 'certificate "client" expired on 2026-01-11',
      hint: 'natspki rotate client',
    });
  });

  it('certificates of another authority', async () => {
    const [directory, other] = await Promise.all([madeDirectory(scratch), madeDirectory(scratch)]);
    for (const file of ['certificateFile', 'keyFile'] as const) {
      copyFileSync(other[file]('server'), directory[file]('server'));
    }
    expect(await findings(directory)).toEqual(['untrusted server-cert.pem']);
  });

  it('chains in the wrong order', async () => {
    const [directory, other] = await Promise.all([madeDirectory(scratch), madeDirectory(scratch)]);
    const file = directory.certificateFile('server');
    writeFileSync(file, readFileSync(file, 'utf8') + readFileSync(other.authorityFile, 'utf8'));
    expect(await findings(directory)).toEqual(['chain-order server-cert.pem']);
    writeFileSync(directory.certificateFile('client'), '');
  });

  it('issuers in a chain that peers would reject', async () => {
    const directory = await madeDirectory(scratch);
    const root = (await directory.readAuthority()).current;
    const span = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };
    const below = async (issuer: Issuer, how: 'authority' | 'leaf', more: object = {}): Promise<Issuer> => {
      const key = await generateKey('p256');
      const contents = { commonName: how, publicKey: createPublicKey(key), ...span, ...more };
      const signer = await Signer.of(issuer.certificate, issuer.key, randomBytes);
      const certificate =
        how === 'authority'
          ? await signer.authority({ pathLength: 0, ...contents })
          : await signer.leaf({ ...contents, sans: [parseSan('dns:x')], purposes: ['serverAuth'] });
      return { certificate, key };
    };
    const found = async (...issuers: Issuer[]) => {
      const leaf = await below(issuers[0] as Issuer, 'leaf');
      const chain = [leaf, ...issuers].map(({ certificate }) => certificate);
      writeFileSync(directory.certificateFile('server'), toPem(chain));
      writeFileSync(directory.keyFile('server'), await encodePrivateKey(leaf.key), { mode: 0o600 });
      return (await verifyDirectory(directory)).map(({ code, message }) => `${code}: ${message}`);
    };
    const middle = await below(root, 'authority');
    expect(await found(middle)).toEqual([]);
    expect(await found(middle, root)).toEqual([]);
    expect(await found(await below(root, 'leaf'))).toEqual([
      'not-an-authority: issuer "leaf" may not sign certificates',
    ]);
    expect(await found(await below(root, 'authority', { notAfter: new Date(Date.now() - 1) }))).toEqual([
      expect.stringMatching(/^expired: issuer "authority" expired on /),
    ]);
    const long = 'path-too-long: "authority" allows fewer authorities below it than there are';
    expect(await found(await below(middle, 'authority'), middle)).toEqual([long]);
    const roomy = await below(root, 'authority', { pathLength: 1, commonName: 'roomy' });
    const deep = await below(roomy, 'authority');
    const ofRoot = long.replace('authority', 'Test authority');
    expect(await found(deep, roomy)).toEqual([ofRoot]);
    expect(await found(deep, roomy, root)).toEqual([ofRoot]);
  });

  it('certificates that cannot sign a handshake or have an unknown critical extension', async () => {
    const directory = await madeDirectory(scratch, { keyType: 'rsa2048' });
    const [request, extensions] = [join(scratch, 'odd.csr'), join(scratch, 'odd.conf')];
    const name = directory.certificateFile('server');
    openssl('req', '-new', '-key', directory.keyFile('server'), '-subj', '/CN=odd', '-out', request);
    writeFileSync(
      extensions,
      'subjectAltName=DNS:odd\nextendedKeyUsage=serverAuth\nkeyUsage=critical,keyEncipherment\n1.2.3.4=critical,ASN1:NULL\n1.2.3.5=ASN1:NULL',
    );
    const ca = ['-CA', directory.authorityFile, '-CAkey', directory.authorityKeyFile];
    openssl('x509', '-req', '-in', request, ...ca, '-extfile', extensions, '-out', name);
    expect((await verifyDirectory(directory)).map(({ code, message }) => `${code}: ${message}`)).toEqual([
      'unknown-extension: certificate "server" has a critical extension that peers do not know: 1.2.3.4',
      'wrong-usage: may not sign, which a TLS handshake needs (digitalSignature)',
    ]);
  });

  it('devices and pipes in place of files, without waiting for them', async () => {
    const directory = await madeDirectory(scratch);
    execFileSync('mkfifo', ['-m', '600', directory.keyFile('pipe'), directory.certificateFile('pipe')]);
    rmSync(directory.keyFile('server'));
    symlinkSync('/dev/zero', directory.keyFile('server'));
    expect(await findings(directory)).toEqual([
      'not-a-file pipe-cert.pem',
      'key-mode server-key.pem',
      'linked-file server-key.pem',
    ]);
  });

  it('certificates that are authorities or lack a usage of their profile', async () => {
    const directory = await madeDirectory(scratch);
    // The server certificate under the name and serial number that the ledger has for a route.
    const ledger = readFileSync(directory.ledger.file, 'utf8');
    writeFileSync(directory.ledger.file, ledger.replace('"profile":"server"', '"profile":"route"'));
    expect(await findings(directory)).toEqual(['wrong-usage server-cert.pem']);
    for (const file of ['certificateFile', 'keyFile'] as const) {
      const own = { certificateFile: directory.authorityFile, keyFile: directory.authorityKeyFile }[file];
      copyFileSync(own, directory[file]('client'));
    }
    expect(await findings(directory)).toEqual(['wrong-usage client-cert.pem', 'wrong-usage server-cert.pem']);
  });

  it('impossible or missing names in certificates of other tools', async () => {
    const directory = await madeDirectory(scratch);
    const ca = { cert: directory.authorityFile, key: directory.authorityKeyFile };
    const add = (name: string, hosts: string[]) => {
      const pair = makeLeaf(scratch, name, ca, { usage: 'serverAuth', hosts });
      copyFileSync(pair.cert, directory.certificateFile(name));
      copyFileSync(pair.key, directory.keyFile(name));
      chmodSync(directory.keyFile(name), 0o600);
    };
    add('fine', ['n1.example']);
    add('star', ['*.local']);
    expect(await findings(directory)).toEqual(['impossible-san star-cert.pem']);
    writeFileSync(
      join(scratch, 'plain.conf'),
      'extendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\nauthorityKeyIdentifier=keyid\n',
    );
    const parameters = ['-CA', ca.cert, '-CAkey', ca.key, '-extfile', join(scratch, 'plain.conf')];
    openssl(
      'x509',
      '-req',
      '-in',
      join(scratch, 'fine.csr'),
      ...parameters,
      '-out',
      directory.certificateFile('fine'),
    );
    expect(await findings(directory)).toEqual(['no-san fine-cert.pem', 'impossible-san star-cert.pem']);
  });

  it('weak keys and broken signatures', async () => {
    const directory = newDirectory(scratch);
    const ca = makeAuthority(scratch, 'weak-ca');
    await directory.exclusive(async () => {});
    copyFileSync(ca.cert, directory.authorityFile);
    copyFileSync(ca.key, directory.authorityKeyFile);
    chmodSync(directory.authorityKeyFile, 0o600);
    const key = directory.keyFile('old');
    openssl('genrsa', '-out', key, '1024');
    const file = directory.certificateFile('old');
    openssl(
      ...[
        'req',
        '-x509',
        '-new',
        '-key',
        key,
        '-sha1',
        '-subj',
        '/CN=old',
        '-addext',
        'basicConstraints=CA:FALSE',
      ],
      ...['-addext', 'extendedKeyUsage=clientAuth', '-out', file],
    );
    expect(await findings(directory)).toEqual(
      ['untrusted', 'weak-signature', 'weak-key'].map((code) => `${code} old-cert.pem`),
    );
  });

  it('damage and temporary files after a crash', async () => {
    const directory = await madeDirectory(scratch);
    truncateSync(directory.ledger.file, readFileSync(directory.ledger.file).length - 5);
    writeFileSync(join(directory.path, '.n1-key.pem.0123456789ab.tmp'), '', { mode: 0o600 });
    expect(await findings(directory)).toEqual([
      'ledger-damaged .natspki/ledger',
      'leftover .n1-key.pem.0123456789ab.tmp',
    ]);
  });

  it('no missing key for a certificate that was issued for a request', async () => {
    const directory = await madeDirectory(scratch);
    const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const file = join(scratch, 'csr');
    openssl('req', '-new', ...algorithm, '-keyout', join(scratch, 'k'), '-subj', '/CN=x', '-out', file);
    const request = { bytes: readFileSync(file), file };
    await issueCertificates({ directory, profile: 'client', names: ['remote'], request });
    expect(await findings(directory)).toEqual([]);
  });
});
