// Issuing leaf certificates; test/commands/issue.test.ts tests the output.
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encryptedAuthorityKeys, issueCertificates } from '../../../src/pki/issue/issue.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { listCertificates } from '../../../src/pki/store/listing.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { parseSan } from '../../../src/x509/name.ts';
import { pinOf } from '../../../src/x509/pin.ts';
import { makeCsr, openssl } from '../../harness/openssl.ts';
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

/** Makes a certificate request and its key with openssl. */
function request(name: string, ...more: string[]) {
  const csr = makeCsr(scratch, name, '/CN=whoever', ...more);
  return { bytes: readFileSync(csr), file: `${name}.csr` };
}

describe('issue', () => {
  it('makes a pair for each name in one step, and lists the pairs', async () => {
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

  it('reports each step to the progress callback', async () => {
    const steps: [number, number][] = [];
    await issueCertificates({
      directory,
      profile: 'server',
      names: ['step1', 'step2', 'step3'],
      progress: (...step) => steps.push(step),
    });
    expect(steps).toEqual([1, 2, 3, 4, 5, 6].map((done) => [done, 6]));
  });

  it('lets the progress display redraw while it signs many certificates', async () => {
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

  it('uses the requested key type, days and names', async () => {
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

  it('writes to another folder on request, and records that in the ledger', async () => {
    const outDirectory = at('out/n7');
    const { certificates } = await issueCertificates({
      directory: new PkiDirectory(directory.path, outDirectory),
      profile: 'server',
      names: ['n7'],
    });
    expect(tree(outDirectory)).toEqual(['0644 ca.pem', '0644 n7-cert.pem', '0600 n7-key.pem']);
    const { entries } = await directory.ledger.read();
    expect(entries.at(-1)).toMatchObject({ name: 'n7', serial: certificates[0]?.serial });
    expect((await directory.contents()).certificates).not.toContain('n7');
  });

  it('rejects an existing name, and changes nothing', async () => {
    await issue('there');
    const before = contents(directory.path);
    await expect(issue('fresh', 'there')).rejects.toMatchObject({ code: 'certificate-exists' });
    expect(contents(directory.path)).toEqual(before);
  });

  it('replaces an existing pair when forced, and archives it', async () => {
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

  it('records nothing in the ledger when the files cannot be written', async () => {
    const before = contents(directory.path);
    mkdirSync(directory.certificateFile('taken'));
    await expect(
      issueCertificates({ directory, profile: 'client', names: ['taken'], force: true }),
    ).rejects.toMatchObject({ code: 'not-a-file' });
    rmdirSync(directory.certificateFile('taken'));
    expect(contents(directory.path)).toEqual(before);
  });

  it('names the user that nats-server maps a client without a mappable name to', async () => {
    expect((await issue('a+b')).notices).toEqual([
      '"a+b" is neither a DNS name nor an e-mail address: under verify_and_map nats-server knows this client as the user \'CN=a\\+b\'',
    ]);
    expect((await issue('10.0.0.9')).notices[0]).toContain('"10.0.0.9" is an IP address');
  });

  it.each([
    ['no days', { days: 0 }, 'the certificate has 0 days, expected a life between 1 minute and 36525 days'],
    ['a name that is a path', { names: ['../x'] }, 'name "../x" cannot be that of a file'],
    ['one name twice', { names: ['x', 'x'] }, 'name "x" is given twice'],
  ])('rejects %s', async (_, wrong, message) => {
    const options = { directory, profile: 'client' as const, names: ['x'], ...wrong };
    await expect(issueCertificates(options)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(message),
    });
  });

  it('leaves no files when the target folder is not writable', async () => {
    writeFileSync(at('file'), '');
    const elsewhere = new PkiDirectory(directory.path, at('file'));
    const options = { directory: elsewhere, profile: 'client' as const, names: ['x'] };
    await expect(issueCertificates(options)).rejects.toMatchObject({ code: 'not-a-folder' });
    expect((await directory.contents()).leftovers).toEqual([]);
  });
});

describe('an authority that cannot sign', () => {
  const sign = (from: PkiDirectory, more: object = {}) =>
    issueCertificates({ directory: from, profile: 'client', names: ['x'], ...more });

  it('is reported as missing', async () => {
    const nowhere = newDirectory(scratch);
    await expect(sign(nowhere)).rejects.toMatchObject({ code: 'no-authority' });
    expect(tree(join(nowhere.path, '..'))).toEqual([]);
  });

  it('is reported as expired', async () => {
    const expired = await madeDirectory(scratch, {
      authorityDays: 1,
      now: () => new Date('2026-01-01T00:00:00Z'),
    });
    await expect(sign(expired)).rejects.toMatchObject({
      code: 'authority-expired',
      hint: 'make a new one with `natspki rotate --ca`',
    });
  });

  it('is reported when its key is missing', async () => {
    const keyless = await madeDirectory(scratch);
    rmSync(keyless.authorityKeyFile);
    await expect(sign(keyless)).rejects.toMatchObject({
      code: 'file-missing',
      message: `"${keyless.authorityKeyFile}" does not exist`,
    });
  });

  it('is reported when its passphrase is missing or wrong', async () => {
    const locked = await madeDirectory(scratch, { passphrase: 'open sesame' });
    const [key] = await encryptedAuthorityKeys(locked);
    expect([key?.opens('wrong passphrase'), key?.opens('open sesame')]).toEqual([false, true]);
    expect(await encryptedAuthorityKeys(directory)).toEqual([]);
    await expect(sign(locked)).rejects.toMatchObject({ code: 'passphrase-needed' });
    await expect(sign(locked, { passphrase: 'x' })).rejects.toMatchObject({ code: 'wrong-passphrase' });
    await sign(locked, { passphrase: 'open sesame' });
  });
});

describe('a request', () => {
  const sign = (name: string, source: { bytes: Buffer; file: string }, more: object = {}) =>
    issueCertificates({ directory, profile: 'server', names: [name], request: source, ...more });

  it('gets a certificate with the given name and the requested alternative names, and no key file', async () => {
    const asked = request('good', '-addext', 'subjectAltName=DNS:remote.example,IP:10.0.0.2');
    const { certificates, notices } = await sign('remote', asked);
    expect(notices).toEqual([]);
    expect(certificates).toMatchObject([{ name: 'remote', sans: ['dns:remote.example', 'ip:10.0.0.2'] }]);
    expect(certificates[0]).not.toHaveProperty('keyFile');
    expect(certificates[0]?.pin).toBe(pinOf(readFileSync(at('good.key')), 'key'));
    expect((await directory.contents()).keys).not.toContain('remote');
    expect(openssl('x509', '-in', directory.certificateFile('remote'), '-noout', '-subject')).toBe(
      'subject=CN = remote\n',
    );
    expect((await directory.ledger.read()).entries.at(-1)).toMatchObject({ name: 'remote', request: true });
    expect(await verifyDirectory(directory)).toEqual([]);
    const listed = (await listCertificates(directory)).certificates.find(({ name }) => name === 'remote');
    expect(listed).not.toHaveProperty('keyFile');
  });

  it('gets the given alternative names in place of its own, and the usages of the profile', async () => {
    const extensions = [
      '-addext',
      'subjectAltName=DNS:evil.example',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
    ];
    const asked = request('greedy', ...extensions);
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

  it('does not decide which user its client is', async () => {
    const asked = request('mallory', '-addext', 'subjectAltName=email:admin@corp.example,DNS:mallory');
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

  it('leads to a notice about kinds of names that are left out', async () => {
    const asked = request(
      'odd',
      '-addext',
      'subjectAltName=DNS:odd.example,RID:1.2.3,otherName:1.2.3;UTF8:x',
    );
    expect((await sign('odd', asked)).notices).toEqual([
      'names in the request of kinds that NATS does not use are left out: registeredID, otherName',
    ]);
  });

  it('is rejected for a name that no peer could match, unless other names are given', async () => {
    const asked = request('star', '-addext', 'subjectAltName=DNS:*.local');
    await expect(sign('star', asked)).rejects.toMatchObject({
      ...{ code: 'impossible-san', exitCode: 1 },
      message: expect.stringMatching(
        /^request "star.csr" asks for an impossible subject alternative name "dns:\*/,
      ),
      hint: 'give the names in place of those in the request with --san',
    });
    await sign('star', asked, { sans: [parseSan('dns:star.example')] });
  });

  it.each([
    [
      'subject',
      ['-subj', '/CN=who\never'],
      'control-character',
      /the control character U\+000A in its names$/,
    ],
    ['alternative names', ['-addext', 'subjectAltName=DNS:a\tb.example'], 'control-character', /U\+0009/],
    [
      'alternative names',
      ['-addext', 'subjectAltName=DNS:b\u00fccher.example'],
      'impossible-san',
      /not in ASCII$/,
    ],
  ])(
    'is rejected for control characters and other than ASCII in its %s',
    async (_where, args, code, message) => {
      const asked = request('unseen', ...args);
      await expect(sign('unseen', asked)).rejects.toMatchObject({
        code,
        message: expect.stringMatching(message),
      });
      expect(await directory.contents()).not.toHaveProperty('keys', expect.arrayContaining(['unseen']));
    },
  );

  it('replaces a pair when forced, and moves its key to the archive', async () => {
    await issueCertificates({ directory, profile: 'server', names: ['moved'] });
    const key = readFileSync(directory.keyFile('moved'), 'latin1');
    await sign('moved', request('moved'), { force: true });
    expect((await directory.contents()).keys).not.toContain('moved');
    expect(Object.values(contents(join(directory.path, '.natspki/archive/moved')))).toContain(key);
  });

  it('is rejected with more than one name', async () => {
    const options = { directory, profile: 'client' as const, names: ['a', 'b'], request: request('two') };
    await expect(issueCertificates(options)).rejects.toThrow(
      'a request is for one certificate, found 2 names',
    );
  });

  it('is rejected when another key signed it', async () => {
    const { bytes } = request('forged', '-outform', 'DER');
    bytes[bytes.indexOf('whoever')] = 'W'.charCodeAt(0);
    await expect(sign('forged', { bytes, file: 'forged.csr' })).rejects.toMatchObject({
      code: 'bad-request-signature',
      message: 'request "forged.csr" is not signed by its own key (ecdsa-with-SHA256)',
    });
  });

  it('is rejected when its key is too short', async () => {
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

  it('is rejected when it has an impossible name', async () => {
    const asked = request('impossible', '-addext', 'subjectAltName=DNS:10.0.0.1');
    await expect(sign('impossible', asked)).rejects.toMatchObject({ code: 'impossible-san' });
  });

  it('is rejected when the file is not a request', async () => {
    const source = { bytes: readFileSync(directory.authorityFile), file: 'ca.pem' };
    await expect(sign('x', source)).rejects.toThrow(
      '"ca.pem" holds a certificate, expected a certificate request',
    );
  });
});

describe('two processes at the same time', () => {
  it('both issue their certificates, and only one of them issues the same name', async () => {
    mkdirSync(at('together'), { recursive: true });
    const both = await madeDirectory(mkdtempSync(at('together/')));
    const start = (...names: string[]) => issueCertificates({ directory: both, profile: 'client', names });
    const results = await Promise.allSettled([start('a', 'b'), start('c', 'd'), start('e', 'a')]);
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toMatchObject([{ reason: { code: 'certificate-exists' } }]);
    expect(await verifyDirectory(both)).toEqual([]);
  });
});
