// Imports from other tools: what is found, what is skipped and why, and that the result works like any other authority.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { importAuthority } from '../../../src/pki/import/import.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { replaceIntermediate } from '../../../src/pki/rotate/intermediate-rollover.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { listCertificates } from '../../../src/pki/store/listing.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { formatSan } from '../../../src/x509/name.ts';
import { makeAuthority, makeIntermediate, makeLeaf, openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { easyRsaLayout, mkcertLayout, opensslRecipe } from '../../support/foreign.ts';
import { leafOf, newDirectory } from '../../support/pki.ts';
import { contents, tree } from '../../support/tree.ts';

const scratch = testFolder('import');
const recipe = join(scratch, 'recipe');
const mkcert = join(scratch, 'mkcert');
const easyRsa = join(scratch, 'easy-rsa');

beforeAll(() => {
  opensslRecipe(recipe);
  mkcertLayout(mkcert);
  easyRsaLayout(easyRsa);
});

const fresh = () => mkdtempSync(join(scratch, 'source-'));

async function imported(
  source: string,
  options: { passphrase?: string; profiles?: ReadonlyMap<string, 'client' | 'server'> } = {},
) {
  const directory = newDirectory(scratch);
  const made = await importAuthority({ directory, sources: [source], ...options });
  const [guesses, notices] = [true, false].map((wanted) =>
    made.notices.filter((line) => line.includes('is for servers and clients, imported as a') === wanted),
  ) as [string[], string[]];
  return {
    directory,
    ...made,
    guesses,
    notices,
    rows: made.certificates.map(({ name, profile }) => `${name} ${profile}`),
  };
}

/** Leaves out the notice of the requests, which openssl leaves beside the certificates it makes. */
const withoutRequests = (notices: readonly string[]) =>
  notices.filter((line) => !line.endsWith(': a certificate request, which is not imported'));

/** Rotates, issues and verifies, which must work with every imported authority. */
async function expectUsable(directory: PkiDirectory): Promise<void> {
  const { certificates: before } = await listCertificates(directory);
  const { certificates } = await rotateLeaves({ directory });
  expect(certificates.map(({ name }) => name)).toEqual(before.slice(1).map(({ name }) => name));
  await startRollover({ directory });
  await rotateLeaves({ directory });
  await issueCertificates({ directory, profile: 'client', names: ['new'] });
  for (const name of (await directory.contents()).certificates) {
    openssl('verify', '-CAfile', directory.authorityFile, directory.certificateFile(name));
  }
}

describe('importing', () => {
  it('imports the certificates of the nats-server documentation, and gives the server an alternative name', async () => {
    const { directory, rows, notices } = await imported(recipe);
    expect(rows).toEqual(['ca authority', 'client route', 'localhost route']);
    expect(withoutRequests(notices).map((line) => line.replaceAll(`${recipe}/`, ''))).toEqual([
      ...['client', 'localhost'].map(
        (name) => `"${name}" has no extended key usage: a renewal will be for servers and clients (route)`,
      ),
      'skipped "ca.srl": no certificate, key or revocation list',
    ]);
    expect(await verifyDirectory(directory)).toEqual([]);
    await expectUsable(directory);
    expect(leafOf(directory, 'localhost').sans.map(formatSan)).toEqual(['dns:localhost']);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('imports the certificates of mkcert from its two folders', async () => {
    const directory = newDirectory(scratch);
    const sources = [join(mkcert, 'project'), join(mkcert, 'caroot')];
    const { certificates, notices } = await importAuthority({ directory, sources });
    expect(certificates.map(({ name, profile, issuer }) => [name, profile, issuer])).toEqual([
      ['ca', 'authority', 'mkcert me@host'],
      ['alice@example.com', 'client', 'mkcert me@host'],
      ['nats.example.com', 'server', 'mkcert me@host'],
    ]);
    expect(notices).toEqual([
      '"alice@example.com" is for servers and clients, imported as a client; if that is wrong, import again with --as alice@example.com=route',
    ]);
    await expectUsable(directory);
  });

  it('imports the certificates of easy-rsa, its copies once and its revoked certificates not at all', async () => {
    const { directory, rows, notices } = await imported(easyRsa);
    expect(rows).toEqual(['ca authority', 'bob client', 'nats.example.com server', 'remote client']);
    expect(notices.map((line) => line.replaceAll(`${easyRsa}/`, ''))).toEqual([
      'imported "remote" without its key: leave it with its owner, or add it later',
      expect.stringMatching(/^skipped "issued\/mallory\.crt": revoked$/),
      'skipped "crlnumber", "dh.pem", "index.txt", "index.txt.attr", "openssl-easyrsa.cnf", "vars": no certificate, key or revocation list',
    ]);
    expect(await verifyDirectory(directory)).toEqual([]);
    await expectUsable(directory);
  });

  it('matches certificates and keys regardless of the file names', async () => {
    const source = fresh();
    for (const [i, name] of readdirSync(recipe).sort().entries()) {
      cpSync(join(recipe, name), join(source, `${i % 2 ? 'x/y/' : ''}${9 - i}.bin`));
    }
    const { directory, rows } = await imported(source);
    expect(rows).toEqual(['ca authority', 'client route', 'localhost route']);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('writes keys as PKCS#8 with mode 0600, and does not change the source', async () => {
    const before = [tree(recipe), contents(recipe)];
    const { directory } = await imported(recipe);
    expect([tree(recipe), contents(recipe)]).toEqual(before);
    expect(tree(directory.path).filter((line) => line.endsWith('-key.pem'))).toEqual([
      ...['0600 ca-key.pem', '0600 client-key.pem', '0600 localhost-key.pem'],
    ]);
    for (const [file, text] of Object.entries(contents(directory.path))) {
      if (file.endsWith('-key.pem')) expect(text).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    }
    const { entries } = await directory.ledger.read();
    expect(entries.map(({ name, profile }) => `${name} ${profile}`)).toEqual([
      ...['ca authority', 'client route', 'localhost route'],
    ]);
  });

  it('opens an encrypted key with its passphrase, and keeps the key of the authority encrypted', async () => {
    const source = fresh();
    cpSync(recipe, source, { recursive: true });
    const key = join(source, 'ca-key.pem');
    openssl('pkcs8', '-topk8', '-in', join(recipe, 'ca-key.pem'), '-passout', 'pass:secret', '-out', key);
    await expect(imported(source)).rejects.toMatchObject({
      code: 'no-authority-key',
      message: expect.stringContaining('is encrypted'),
      hint: expect.stringContaining('--passphrase-file'),
    });
    const { directory } = await imported(source, { passphrase: 'secret' });
    await expect(directory.readAuthority()).rejects.toMatchObject({ code: 'passphrase-needed' });
    await directory.readAuthority('secret');
  });

  it('imports keys that old openssl and step encrypt, and PKCS#12 files, with their passphrase', async () => {
    const source = fresh();
    const ca = makeAuthority(source, 'mine');
    const bob = makeLeaf(source, 'bob', ca, { usage: 'clientAuth' });
    openssl(
      ...['pkcs12', '-export', '-in', bob.cert, '-inkey', bob.key, '-out', join(source, 'bob.p12')],
      ...['-passout', 'pass:secret'],
    );
    for (const file of [bob.cert, bob.key]) rmSync(file);
    openssl('ec', '-aes256', '-in', ca.key, '-out', ca.key, '-passout', 'pass:secret');
    expect(readFileSync(ca.key, 'latin1')).toMatch(/^Proc-Type: 4,ENCRYPTED$/m);
    await expect(imported(source)).rejects.toThrow(
      /is encrypted, give its passphrase with --passphrase-file/,
    );
    await expect(imported(source, { passphrase: 'wrong' })).rejects.toThrow(/wrong passphrase/);
    const { directory, rows, notices } = await imported(source, { passphrase: 'secret' });
    expect(rows).toEqual(['ca authority', 'bob client']);
    expect(withoutRequests(notices)).toEqual([`imported "bob" from "${join(source, 'bob.p12')}"`]);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('takes a certificate for servers and clients as what the operator says, or as its names suggest', async () => {
    const source = fresh();
    const ca = makeAuthority(source, 'mine');
    makeLeaf(source, 'alice', ca, { names: 'email:alice@example.com' });
    makeLeaf(source, 'node', ca);
    expect((await imported(source)).rows).toEqual(['ca authority', 'alice client', 'node route']);
    const told = await imported(source, { profiles: new Map([['node', 'client']]) });
    expect(told.rows).toEqual(['ca authority', 'alice client', 'node client']);
    await expect(imported(source, { profiles: new Map([['nod', 'client']]) })).rejects.toMatchObject({
      message: '--as names "nod", which is none of the imported certificates: alice, node',
      hint: '--as node=client',
    });
  });

  it('skips expired, replaced and foreign certificates, and gives a reason for each', async () => {
    const source = fresh();
    const ca = makeAuthority(source, 'mine');
    const other = makeAuthority(source, 'other');
    makeLeaf(source, 'good', ca);
    makeLeaf(source, 'foreign', other);
    rmSync(other.key);
    makeLeaf(source, 'over', ca, { days: -1 });
    renameSync(makeLeaf(source, 'selfmade', undefined).cert, join(source, 'selfmade.crt'));
    const { rows, notices } = await imported(source);
    expect(rows).toEqual(['ca authority', 'good route']);
    expect(
      withoutRequests(notices).map((line) => line.replace(/".*\//, '"').replace(/\d{4}-\d\d-\d\d/, 'DAY')),
    ).toEqual([
      'skipped "foreign.pem": signed by "other", not by the imported authority "mine"',
      'skipped "other.pem": another authority',
      'skipped "over.pem": expired on DAY',
      'skipped "selfmade.crt": signed by "selfmade", not by the imported authority "mine"',
    ]);
  });

  it('imports files with a byte order mark, and names every other file that it does not use, with the reason', async () => {
    const source = fresh();
    const ca = makeAuthority(source, 'mine');
    const good = makeLeaf(source, 'good', ca);
    const marked = join(source, 'marked.pem');
    writeFileSync(marked, Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), readFileSync(good.cert)]));
    rmSync(good.cert);
    const loose = makeLeaf(source, 'loose', ca);
    openssl(
      'pkcs12',
      '-export',
      '-in',
      loose.cert,
      '-inkey',
      loose.key,
      '-passout',
      'pass:secret',
      '-out',
      join(source, 'a.p12'),
    );
    rmSync(loose.cert);
    writeFileSync(
      join(source, 'utf16.pem'),
      Buffer.from(`\ufeff${readFileSync(ca.cert, 'latin1')}`, 'utf16le'),
    );
    writeFileSync(join(source, 'vars'), 'set_var EASYRSA_ALGO ec\n');
    writeFileSync(join(source, 'none'), '');
    writeFileSync(join(source, 'large'), Buffer.alloc(2 ** 20 + 1));
    symlinkSync('nowhere', join(source, 'link'));
    openssl('pkey', '-in', good.key, '-pubout', '-out', join(source, 'public.pem'));
    const { rows, notices } = await imported(source);
    expect(rows).toEqual(['ca authority', 'good route']);
    const text = notices.join('\n').replaceAll(`${source}/`, '');
    expect(text.split('\n')).toEqual([
      '"a.p12" has a password, pass it with --passphrase-file FILE',
      'skipped "large": more than 1048576 bytes',
      'skipped "link": not a file, or a link to none',
      'skipped "good.csr", "loose.csr": a certificate request, which is not imported',
      'skipped "none", "vars": no certificate, key or revocation list',
      'skipped "public.pem": a public key, which is not imported',
      'skipped "utf16.pem": text in UTF-16, expected PEM (iconv -f UTF-16 -t ASCII "utf16.pem" > new.pem)',
      'skipped "loose.key": a private key without its certificate',
    ]);
  });

  it('reads PKCS#12 with the passphrase, keys of the authority included', async () => {
    const source = fresh();
    const ca = makeAuthority(source);
    const leaf = makeLeaf(source, 'n1', ca, { hosts: ['n1'] });
    for (const [name, { cert, key }] of Object.entries({ ca, leaf })) {
      const files = ['-in', cert, '-inkey', key, '-out', join(source, `${name}.p12`)];
      openssl('pkcs12', '-export', ...files, '-passout', 'pass:secret');
      for (const file of [cert, key]) rmSync(file);
    }
    const { rows, directory } = await imported(source, { passphrase: 'secret' });
    expect(rows).toEqual(['ca authority', 'n1 route']);
    expect(existsSync(directory.keyFile('n1'))).toBe(true);
    const closed = imported(source, { passphrase: 'other' });
    await expect(closed).rejects.toMatchObject({
      code: 'no-authority',
      message: expect.stringContaining(`wrong password for "${join(source, 'ca.p12')}"`),
    });
  });

  it('gives names of their own to certificates of one common name', async () => {
    const source = fresh();
    const ca = makeAuthority(source);
    for (const name of ['n1', 'n2', 'n3'])
      makeLeaf(source, name, ca, { subject: '/CN=node', hosts: ['node'] });
    mkdirSync(join(source, 'deep'));
    renameSync(join(source, 'n3.pem'), join(source, 'deep/n1.pem'));
    const { rows } = await imported(source);
    expect(rows.map((row) => row.split(' ')[0])).toHaveLength(4);
    expect(new Set(rows).size).toBe(4);
    expect(rows).toContain('node route');
  });

  it('warns of control characters in names, which renewals keep, and leaves them out of the name of a new authority', async () => {
    const source = fresh();
    const ca = makeAuthority(source, 'cor\np');
    makeLeaf(source, 'n1', ca, { subject: '/CN=node\x01', names: 'DNS:n1.example' });
    const { directory, notices } = await imported(source);
    expect(withoutRequests(notices)).toEqual([
      '"cor\np" has the control character U+000A in its names: a renewal keeps it',
      '"n1.example" has the control character U+0001 in its names: a renewal keeps it',
    ]);
    await startRollover({ directory });
    const [authority] = (await listCertificates(directory)).certificates;
    expect(authority?.issuer).toBe('corp 2');
    expect((await rotateLeaves({ directory })).certificates.map(({ name }) => name)).toEqual(['n1.example']);
  });

  it('imports an intermediate and its chain when the key of the root is elsewhere', async () => {
    const source = fresh();
    const root = makeAuthority(source, 'root');
    const upper = makeIntermediate(source, 'upper', root);
    const lower = makeIntermediate(source, 'lower', upper);
    makeLeaf(source, 'nats', lower, { usage: 'serverAuth' });
    makeLeaf(source, 'old', root, { usage: 'clientAuth' });
    for (const { key } of [root, upper]) rmSync(key);
    const { directory, rows, notices } = await imported(source);
    const middle = 'intermediate intermediate';
    expect(rows).toEqual(['ca authority', middle, middle, 'nats server', 'old client']);
    expect(withoutRequests(notices)).toEqual([]);
    expect(existsSync(directory.authorityKeyFile)).toBe(false);
    const names = async (name: string) =>
      (await directory.readChain(name)).map(({ commonName }) => commonName);
    expect([await names('nats'), await names('old')]).toEqual([['nats', 'lower', 'upper'], ['old']]);
    expect(await verifyDirectory(directory)).toEqual([]);
    await rotateLeaves({ directory });
    expect(await names('old')).toEqual(['old', 'lower', 'upper']);
    expect(await verifyDirectory(directory)).toEqual([]);
    for (const name of ['nats', 'old']) {
      const file = directory.certificateFile(name);
      openssl('verify', '-CAfile', directory.authorityFile, '-untrusted', file, file);
    }
    await expect(startRollover({ directory })).rejects.toMatchObject({ code: 'root-key-away' });
  });

  it('imports a root with its intermediate and the leaves of both, and can replace both', async () => {
    const source = fresh();
    const root = makeAuthority(source, 'root');
    const middle = makeIntermediate(source, 'middle', root);
    makeLeaf(source, 'nats', middle);
    makeLeaf(source, 'mine', root);
    const { directory, rows, notices } = await imported(source);
    expect(rows).toEqual(['ca authority', 'intermediate intermediate', 'mine route', 'nats route']);
    expect(withoutRequests(notices)).toEqual([]);
    await replaceIntermediate({ directory });
    await startRollover({ directory });
    await rotateLeaves({ directory });
    await finishRollover({ directory });
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('signs with the root when the key of the intermediate is elsewhere, and keeps the leaves of the intermediate', async () => {
    const source = fresh();
    const root = makeAuthority(source, 'root');
    const middle = makeIntermediate(source, 'middle', root);
    makeLeaf(source, 'nats', middle);
    rmSync(middle.key);
    const { directory, rows } = await imported(source);
    expect(rows).toEqual(['ca authority', 'nats route']);
    expect(await verifyDirectory(directory)).toEqual([]);
    await rotateLeaves({ directory });
    expect(await directory.readChain('nats')).toHaveLength(1);
  });

  it.each<[string, (source: string) => void, string]>([
    ['nothing', () => {}, 'no-authority'],
    ['no key', (source) => rmSync(makeAuthority(source).key), 'no-authority-key'],
    ['two', (source) => [makeAuthority(source, 'one'), makeAuthority(source, 'two')], 'several-authorities'],
    [
      'two intermediates',
      (source) => {
        const root = makeAuthority(source);
        for (const name of ['one', 'two']) makeIntermediate(source, name, root);
      },
      'several-authorities',
    ],
    [
      'an intermediate without the root',
      (source) => {
        const root = makeAuthority(source);
        makeIntermediate(source, 'one', root);
        for (const file of Object.values(root)) rmSync(file);
      },
      'no-root',
    ],
  ])('rejects a folder with %s of an authority', async (_what, make, code) => {
    const source = fresh();
    make(source);
    const directory = newDirectory(scratch);
    await expect(importAuthority({ directory, sources: [source] })).rejects.toMatchObject({ code });
    expect(directory.hasAuthority()).toBe(false);
  });

  it('rejects a target inside the source, an existing authority, and a missing source', async () => {
    const refused = (path: string, source: string) =>
      importAuthority({ directory: new PkiDirectory(path), sources: [source] });
    await expect(refused(join(recipe, 'certs'), recipe)).rejects.toMatchObject({ code: 'same-folder' });
    await expect(refused(recipe, recipe)).rejects.toMatchObject({ code: 'same-folder' });
    await expect(refused(join(scratch, 'a'), join(scratch, 'b'))).rejects.toMatchObject({
      code: 'folder-missing',
      hint: 'name the one that has the old certificates and keys: natspki init --import FOLDER',
    });
    const { directory } = await imported(recipe);
    await expect(refused(directory.path, recipe)).rejects.toMatchObject({ code: 'authority-exists' });
    await importAuthority({ directory, sources: [recipe], force: true });
  });
});
