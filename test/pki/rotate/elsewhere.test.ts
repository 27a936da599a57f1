// Pairs that `issue --out` writes into other folders, and their rotation there.
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { planRotation, rotateLeaves, stalePins } from '../../../src/pki/rotate/rotate.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { readCertificates } from '../../../src/x509/certificate.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';
import { tree } from '../../support/tree.ts';

const scratch = testFolder('rotation-elsewhere');

/** Makes an authority with the client bob and the server n2 in another folder; `there` has its pairs in that folder. */
async function withOtherFolder(name = 'host-') {
  const directory = await madeDirectory(scratch);
  const there = new PkiDirectory(directory.path, mkdtempSync(join(scratch, name)));
  await issueCertificates({ directory: there, profile: 'client', names: ['bob'], days: 7 });
  await issueCertificates({ directory: there, profile: 'server', names: ['n2'], keyType: 'p384' });
  return { directory, there };
}

const bundleOf = ({ pairFolder }: PkiDirectory) => {
  const file = join(pairFolder, 'ca.pem');
  return readCertificates(readFileSync(file), file).map(({ commonName }) => commonName);
};

describe('rotating the pairs of another folder', () => {
  it('replaces them there, with the names, key types and lifetimes that they had', async () => {
    const { directory, there } = await withOtherFolder();
    const before = [leafOf(there, 'bob'), leafOf(there, 'n2')];
    const { certificates, plan } = await rotateLeaves({ directory: there });
    expect(plan).toMatchObject({
      left: [],
      steps: [
        { name: 'bob', profile: 'client', key: 'new', keyType: 'p256', days: 7 },
        { name: 'n2', profile: 'server', sans: ['dns:n2'], key: 'new', keyType: 'p384', days: 365 },
      ],
    });
    const after = [leafOf(there, 'bob'), leafOf(there, 'n2')];
    expect(after.map(({ serial }) => serial)).toEqual(certificates.map(({ serial }) => serial));
    for (const [i, { pin }] of after.entries()) expect(pin).not.toBe(before[i]?.pin);
    expect(tree(there.pairFolder)).toEqual([
      ...['0644 bob-cert.pem', '0600 bob-key.pem', '0644 ca.pem', '0644 n2-cert.pem', '0600 n2-key.pem'],
    ]);
    expect((await directory.contents()).certificates).toEqual(['client', 'route', 'server']);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('replaces only those that are due, or named', async () => {
    const { there } = await withOtherFolder();
    const nameOf = ({ name }: { name: string }) => name;
    const due = await rotateLeaves({ directory: there, due: true, dueMs: 30 * 86_400_000 });
    expect(due.certificates.map(nameOf)).toEqual(['bob']);
    const named = await rotateLeaves({ directory: there, names: ['n2'] });
    expect(named.certificates.map(nameOf)).toEqual(['n2']);
  });

  it('leaves pairs alone that were not issued into it, such as copies, and refuses them by name', async () => {
    const { directory, there } = await withOtherFolder();
    for (const end of ['cert', 'key']) {
      writeFileSync(
        join(there.pairFolder, `server-${end}.pem`),
        readFileSync(join(directory.path, `server-${end}.pem`)),
      );
    }
    expect((await planRotation({ directory: there })).left).toEqual([
      `"server" is not rotated: it was not issued into "${there.pairFolder}"`,
    ]);
    await expect(rotateLeaves({ directory: there, names: ['server'] })).rejects.toMatchObject({
      code: 'no-certificate',
      message: `certificate "server" was not issued into "${there.pairFolder}"`,
      hint: `issue one in its place with \`natspki issue PROFILE server --out ${there.pairFolder} --force\``,
    });
  });

  it('names the command that issues a pair again whose files are gone', async () => {
    const { there } = await withOtherFolder();
    rmSync(there.certificateFile('n2'));
    await expect(rotateLeaves({ directory: there, names: ['n2'] })).rejects.toMatchObject({
      code: 'no-certificate',
      message: `no certificate "n2" in "${there.pairFolder}"`,
      hint: `issue it with \`natspki issue server n2 --san dns:n2 --key-type p384 --out ${there.pairFolder}\``,
    });
  });

  it('quotes a folder for the shell in the commands that it names', async () => {
    const { directory, there } = await withOtherFolder("it's $(here) ");
    const quoted = `'${there.pairFolder.replaceAll("'", "'\\''")}'`;
    expect((await planRotation({ directory })).left).toEqual([
      `"bob" in "${there.pairFolder}" is not rotated: \`natspki rotate bob --out ${quoted}\` does`,
      `"n2" in "${there.pairFolder}" is not rotated: \`natspki rotate n2 --out ${quoted}\` does`,
    ]);
  });

  it('does not follow a link in it', async () => {
    const { there } = await withOtherFolder();
    const target = join(mkdtempSync(join(scratch, 'target-')), 'key');
    writeFileSync(target, 'of somebody else', { mode: 0o600 });
    rmSync(there.keyFile('bob'));
    symlinkSync(target, there.keyFile('bob'));
    await expect(rotateLeaves({ directory: there, names: ['bob'] })).rejects.toMatchObject({
      code: 'linked-file',
    });
    expect(readFileSync(target, 'utf8')).toBe('of somebody else');
  });

  it('brings the bundle along in a rotation of the authority, which it lets end', async () => {
    const { directory, there } = await withOtherFolder();
    const other = new PkiDirectory(directory.path, mkdtempSync(join(scratch, 'host-')));
    await issueCertificates({ directory: other, profile: 'client', names: ['bob'] });
    await startRollover({ directory });
    await rotateLeaves({ directory });
    await rotateLeaves({ directory: there });
    expect(bundleOf(there)).toEqual(['Test authority 2', 'Test authority']);
    await expect(finishRollover({ directory })).rejects.toMatchObject({
      message: `1 certificate still depends on "Test authority": bob (in "${other.pairFolder}")`,
    });
    await rotateLeaves({ directory: other });
    expect((await finishRollover({ directory })).step.stranded).toEqual([]);
    const { notices } = await rotateLeaves({ directory: there, names: ['bob'] });
    expect(notices).toContain(`wrote ${join(there.pairFolder, 'ca.pem')}`);
    expect(bundleOf(there)).toEqual(['Test authority 2']);
  });

  it('leaves a bundle alone that has authorities of others, too', async () => {
    const { there } = await withOtherFolder();
    const file = join(there.pairFolder, 'ca.pem');
    const foreign = readFileSync((await madeDirectory(scratch)).authorityFile, 'utf8');
    writeFileSync(file, readFileSync(file, 'utf8') + foreign);
    await startRollover({ directory: there });
    const before = readFileSync(file, 'utf8');
    const { notices } = await rotateLeaves({ directory: there });
    expect(notices).toContain(`${file} has other authorities and stays as it is: add those of this one`);
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  it('makes the pins stale of all but the last two certificates there, and no pin that is in use', async () => {
    const { directory, there } = await withOtherFolder();
    const old = leafOf(there, 'bob').pin;
    expect((await stalePins(there)).has(old)).toBe(false);
    await rotateLeaves({ directory: there, names: ['bob'] });
    const last = leafOf(there, 'bob').pin;
    await rotateLeaves({ directory: there, names: ['bob'] });
    for (const each of [directory, there]) {
      const stale = await stalePins(each);
      expect([stale.has(old), stale.has(last)]).toEqual([true, false]);
      for (const name of ['bob', 'n2']) expect(stale.has(leafOf(there, name).pin)).toBe(false);
      for (const name of ['client', 'server']) expect(stale.has(leafOf(directory, name).pin)).toBe(false);
    }
  });
});
