// The issuing of leaf certificates as a use case; what people see of it is in test/commands/issue.test.ts.
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { authorityNeedsPassphrase, issueCertificates } from '../../../src/pki/issue/issue.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { listCertificates } from '../../../src/pki/store/listing.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { parseSan } from '../../../src/x509/name.ts';
import { pinOf } from '../../../src/x509/pin.ts';
import { openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { madeDirectory, newDirectory } from '../../support/pki.ts';
import { contents, tree } from '../../support/tree.ts';

const scratch = testFolder('issue');
let directory: PkiDirectory;
beforeAll(async () => {
  directory = await madeDirectory(scratch);
});

const at = (name: string) => join(scratch, name);
const issue = (...names: string[]) => issueCertificates({ directory, profile: 'client', names });

/** Makes a request by openssl, with a key of its own. */
function request(name: string, ...more: string[]) {
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    'req',
    '-new',
    ...algorithm,
    '-keyout',
    at(`${name}.key`),
    '-subj',
    '/CN=whoever',
    '-out',
    at(name),
    ...more,
  );
  return { bytes: readFileSync(at(name)), file: name };
}

describe('issue', () => {
  it('makes a pair for each name in one step, and says what it made', async () => {
    const { certificates, notices } = await issue('alice', 'bob@example.com');
    expect(notices).toEqual([]);
    expect(certificates).toMatchObject([
      {
        name: 'alice',
        profile: 'client',
        sans: ['dns:alice'],
        keyType: 'p256',
        issuer: 'Test authority',
        daysLeft: 365,
        due: false,
        certificateFile: directory.certificateFile('alice'),
        keyFile: directory.keyFile('alice'),
      },
      { name: 'bob@example.com', sans: ['email:bob@example.com'] },
    ]);
    for (const { certificateFile, pin } of certificates) {
      expect(pinOf(readFileSync(certificateFile), certificateFile)).toBe(pin);
    }
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('counts the steps of a long run', async () => {
    const steps: [number, number][] = [];
    await issueCertificates({
      directory,
      profile: 'server',
      names: ['step1', 'step2', 'step3'],
      progress: (...step) => steps.push(step),
    });
    expect(steps).toEqual([1, 2, 3, 4, 5, 6].map((done) => [done, 6]));
  });

  it('gives who draws the progress a turn while many are signed', async () => {
    const directory = await madeDirectory(scratch);
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const drawn = new Set<number>();
    const names = Array.from({ length: 300 }, (_, i) => `many${i}`);
    const progress = (done: number, total: number) => done > total / 2 && drawn.add(turns);
    await issueCertificates({ directory, profile: 'client', names, progress });
    clearInterval(counting);
    expect(drawn.size).toBeGreaterThan(2);
  });

  it('takes the key type, the days and the names asked for', async () => {
    const { certificates } = await issueCertificates({
      directory,
      profile: 'route',
      names: ['r1'],
      sans: ['dns:r1.example', 'ip:10.0.0.1', 'uri:urn:x:r1', 'email:ops@example.com'].map(parseSan),
      days: 7,
      keyType: 'ed25519',
    });
    expect(certificates).toMatchObject([
      {
        sans: ['dns:r1.example', 'ip:10.0.0.1', 'uri:urn:x:r1', 'email:ops@example.com'],
        daysLeft: 7,
        keyType: 'ed25519',
      },
    ]);
  });

  it('writes elsewhere when asked, and the folder of the authority still knows of it', async () => {
    const outDirectory = at('out/n7');
    const { certificates } = await issueCertificates({
      directory,
      profile: 'server',
      names: ['n7'],
      outDirectory,
    });
    expect(tree(outDirectory)).toEqual(['0644 n7-cert.pem', '0600 n7-key.pem']);
    const { entries } = await directory.ledger.read();
    expect(entries.at(-1)).toMatchObject({ name: 'n7', serial: certificates[0]?.serial });
    expect((await directory.contents()).certificates).not.toContain('n7');
  });

  it('refuses a name that is there, and changes nothing', async () => {
    await issue('there');
    const before = contents(directory.path);
    await expect(issue('fresh', 'there')).rejects.toMatchObject({ code: 'certificate-exists' });
    expect(contents(directory.path)).toEqual(before);
  });

  it('replaces it when forced, and the old pair is in the archive', async () => {
    await issue('renewed');
    const [certificate, key] = [directory.certificateFile('renewed'), directory.keyFile('renewed')].map(
      (file) => readFileSync(file, 'latin1'),
    );
    await issueCertificates({ directory, profile: 'client', names: ['renewed'], force: true });
    expect(Object.values(contents(join(directory.path, '.natspki/archive/renewed')))).toEqual([
      certificate,
      key,
    ]);
    expect(readFileSync(directory.keyFile('renewed'), 'latin1')).not.toBe(key);
  });

  it('leaves nothing on record when the files cannot be written', async () => {
    const before = contents(directory.path);
    mkdirSync(directory.certificateFile('taken'));
    await expect(
      issueCertificates({ directory, profile: 'client', names: ['taken'], force: true }),
    ).rejects.toMatchObject({ code: 'not-a-file' });
    rmdirSync(directory.certificateFile('taken'));
    expect(contents(directory.path)).toEqual(before);
  });

  it('says how nats-server will know a client whose name it cannot map', async () => {
    expect((await issue('a+b')).notices).toEqual([
      '"a+b" is neither a DNS name nor an e-mail address: under verify_and_map nats-server knows this client as the user \'CN=a\\+b\'',
    ]);
    expect((await issue('10.0.0.9')).notices[0]).toContain('"10.0.0.9" is an IP address');
  });

  it.each([
    ['no days', { days: 0 }, 'the certificate has 0 days, expected a whole number from 1 to 36525'],
    ['a name that is a path', { names: ['../x'] }, 'name "../x" cannot be that of a file'],
    ['one name twice', { names: ['x', 'x'] }, 'name "x" is given twice'],
  ])('refuses %s', async (_, wrong, message) => {
    const options = { directory, profile: 'client' as const, names: ['x'], ...wrong };
    await expect(issueCertificates(options)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(message),
    });
  });

  it('leaves nothing behind when the folder for the files cannot be written to', async () => {
    writeFileSync(at('file'), '');
    const options = { directory, profile: 'client' as const, names: ['x'], outDirectory: at('file') };
    await expect(issueCertificates(options)).rejects.toMatchObject({ code: 'not-a-folder' });
    expect((await directory.contents()).leftovers).toEqual([]);
  });
});

describe('an authority that cannot sign', () => {
  const sign = (from: PkiDirectory, more: object = {}) =>
    issueCertificates({ directory: from, profile: 'client', names: ['x'], ...more });

  it('is missed', async () => {
    const nowhere = newDirectory(scratch);
    await expect(sign(nowhere)).rejects.toMatchObject({ code: 'no-authority' });
    expect(tree(join(nowhere.path, '..'))).toEqual([]);
  });

  it('is one that expired', async () => {
    const expired = await madeDirectory(scratch, {
      authorityDays: 1,
      now: () => new Date('2026-01-01T00:00:00Z'),
    });
    await expect(sign(expired)).rejects.toMatchObject({
      code: 'authority-expired',
      hint: 'make a new one with `natspki rotate --ca`',
    });
  });

  it('is one without its key', async () => {
    const keyless = await madeDirectory(scratch);
    rmSync(keyless.authorityKeyFile);
    await expect(sign(keyless)).rejects.toMatchObject({
      code: 'file-missing',
      message: `"${keyless.authorityKeyFile}" does not exist`,
    });
  });

  it('is one whose passphrase is not given, or wrong', async () => {
    const locked = await madeDirectory(scratch, { passphrase: 'open sesame' });
    expect(await authorityNeedsPassphrase(locked)).toBe(true);
    expect(await authorityNeedsPassphrase(directory)).toBe(false);
    await expect(sign(locked)).rejects.toMatchObject({ code: 'passphrase-needed' });
    await expect(sign(locked, { passphrase: 'x' })).rejects.toMatchObject({ code: 'wrong-passphrase' });
    await sign(locked, { passphrase: 'open sesame' });
  });
});

describe('a request', () => {
  const sign = (name: string, source: { bytes: Buffer; file: string }, more: object = {}) =>
    issueCertificates({ directory, profile: 'server', names: [name], request: source, ...more });

  it('is signed under the name given, with the names it asks for, and its key stays where it was made', async () => {
    const asked = request('good.csr', '-addext', 'subjectAltName=DNS:remote.example,IP:10.0.0.2');
    const { certificates, notices } = await sign('remote', asked);
    expect(notices).toEqual([]);
    expect(certificates).toMatchObject([{ name: 'remote', sans: ['dns:remote.example', 'ip:10.0.0.2'] }]);
    expect(certificates[0]).not.toHaveProperty('keyFile');
    expect(certificates[0]?.pin).toBe(pinOf(readFileSync(at('good.csr.key')), 'key'));
    expect((await directory.contents()).keys).not.toContain('remote');
    expect(openssl('x509', '-in', directory.certificateFile('remote'), '-noout', '-subject')).toBe(
      'subject=CN = remote\n',
    );
    expect((await directory.ledger.read()).entries.at(-1)).toMatchObject({ name: 'remote', request: true });
    expect(await verifyDirectory(directory)).toEqual([]);
    const listed = (await listCertificates(directory)).certificates.find(({ name }) => name === 'remote');
    expect(listed).not.toHaveProperty('keyFile');
  });

  it('gets the names given in place of its own, and no usages of its choice', async () => {
    const extensions = [
      '-addext',
      'subjectAltName=DNS:evil.example',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
    ];
    const asked = request('greedy.csr', ...extensions);
    const { certificates, notices } = await sign('greedy', asked, { sans: [parseSan('dns:greedy.example')] });
    expect(certificates[0]?.sans).toEqual(['dns:greedy.example']);
    expect(notices).toEqual([
      'names in the request are left out for those given: dns:evil.example',
      'extensions that the request asks for are left out: the profile decides on usages',
    ]);
    expect(openssl('x509', '-in', directory.certificateFile('greedy'), '-noout', '-text')).toContain(
      'CA:FALSE',
    );
  });

  it('does not say which user its client becomes', async () => {
    const asked = request('mallory.csr', '-addext', 'subjectAltName=email:admin@corp.example,DNS:mallory');
    const profile = 'client' as const;
    const { certificates, notices } = await sign('mallory', asked, { profile });
    expect(certificates[0]?.sans).toEqual(['dns:mallory']);
    expect(notices).toEqual([
      'names in the request are left out unless given with --san: they decide which user a client is: email:admin@corp.example',
    ]);
    const sans = [parseSan('email:admin@corp.example')];
    const meant = await sign('mallory', asked, { profile, sans, force: true });
    expect(meant.certificates[0]?.sans).toEqual(['dns:mallory', 'email:admin@corp.example']);
    expect(meant.notices).toEqual([]);
  });

  it('is told which kinds of names it does not get', async () => {
    const asked = request(
      'odd.csr',
      '-addext',
      'subjectAltName=DNS:odd.example,RID:1.2.3,otherName:1.2.3;UTF8:x',
    );
    expect((await sign('odd', asked)).notices).toEqual([
      'names in the request of kinds that NATS does not use are left out: registeredID, otherName',
    ]);
  });

  it('is refused for a name that no peer could match, unless others are given', async () => {
    const asked = request('star.csr', '-addext', 'subjectAltName=DNS:*.local');
    await expect(sign('star', asked)).rejects.toMatchObject({
      ...{ code: 'impossible-san', exitCode: 1 },
      message: expect.stringMatching(
        /^request "star.csr" asks for an impossible subject alternative name "dns:\*/,
      ),
      hint: 'give the names in place of those in the request with --san',
    });
    await sign('star', asked, { sans: [parseSan('dns:star.example')] });
  });

  it('takes the place of a pair when forced, whose key goes to the archive', async () => {
    await issueCertificates({ directory, profile: 'server', names: ['moved'] });
    const key = readFileSync(directory.keyFile('moved'), 'latin1');
    await sign('moved', request('moved.csr'), { force: true });
    expect((await directory.contents()).keys).not.toContain('moved');
    expect(Object.values(contents(join(directory.path, '.natspki/archive/moved')))).toContain(key);
  });

  it('is for one name', async () => {
    const options = { directory, profile: 'client' as const, names: ['a', 'b'], request: request('two.csr') };
    await expect(issueCertificates(options)).rejects.toThrow(
      'a request is for one certificate, found 2 names',
    );
  });

  it('is refused when somebody else signed it', async () => {
    const { bytes } = request('forged.csr', '-outform', 'DER');
    bytes[bytes.indexOf('whoever')] = 'W'.charCodeAt(0);
    await expect(sign('forged', { bytes, file: 'forged.csr' })).rejects.toMatchObject({
      code: 'bad-request-signature',
      message: 'request "forged.csr" is not signed by its own key (ecdsa-with-SHA256)',
    });
  });

  it('is refused when its key is too short', async () => {
    openssl(
      'req',
      '-new',
      '-newkey',
      'rsa:1024',
      '-nodes',
      '-keyout',
      at('k'),
      '-subj',
      '/CN=x',
      '-out',
      at('weak.csr'),
    );
    await expect(
      sign('weak', { bytes: readFileSync(at('weak.csr')), file: 'weak.csr' }),
    ).rejects.toMatchObject({
      code: 'weak-key',
      message: 'request "weak.csr" has a key of RSA with 1024 bits, expected 2048 or more',
    });
  });

  it('is refused when it asks for a name that cannot be', async () => {
    const asked = request('impossible.csr', '-addext', 'subjectAltName=DNS:10.0.0.1');
    await expect(sign('impossible', asked)).rejects.toMatchObject({ code: 'impossible-san' });
  });

  it('is refused when it is something else', async () => {
    const source = { bytes: readFileSync(directory.authorityFile), file: 'ca.pem' };
    await expect(sign('x', source)).rejects.toThrow(
      '"ca.pem" holds a certificate, expected a certificate request',
    );
  });
});

describe('two at once', () => {
  it('both make theirs, and one of two that want the same name', async () => {
    mkdirSync(at('together'), { recursive: true });
    const both = await madeDirectory(mkdtempSync(at('together/')));
    const start = (...names: string[]) => issueCertificates({ directory: both, profile: 'client', names });
    const results = await Promise.allSettled([start('a', 'b'), start('c', 'd'), start('e', 'a')]);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toMatchObject([{ reason: { code: 'certificate-exists' } }]);
    expect(await verifyDirectory(both)).toEqual([]);
  });
});
