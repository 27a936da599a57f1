// An intermediate below a root whose key is offline: what works without that key, what needs it, and which chain peers
// receive.
import { existsSync, mkdtempSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { initialize } from '../../../src/pki/issue/init.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { planIntermediate, replaceIntermediate } from '../../../src/pki/rotate/intermediate-rollover.ts';
import { planRotation, rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { scheduleRenewal } from '../../../src/pki/rotate/schedule.ts';
import { undoRotation } from '../../../src/pki/rotate/undo.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { listCertificates } from '../../../src/pki/store/listing.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { decodePrivateKey } from '../../../src/x509/key.ts';
import { openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { initDefaults, madeDirectory } from '../../support/pki.ts';
import { contents } from '../../support/tree.ts';

const scratch = testFolder('intermediate');
const day = 86_400_000;
const later = (days: number) => () => new Date(Date.now() + days * day);
const withIntermediate = (days = 1000) => ({ intermediate: { days } });

/** Moves the key of the root out of the folder; returns a function that restores it. */
function takeRootKey(directory: PkiDirectory): () => void {
  const safe = join(mkdtempSync(join(scratch, 'safe-')), 'key');
  renameSync(directory.authorityKeyFile, safe);
  return () => renameSync(safe, directory.authorityKeyFile);
}

async function chainOf(directory: PkiDirectory, name: string): Promise<string[]> {
  return (await directory.readChain(name)).map(({ commonName }) => commonName);
}

describe('an intermediate', () => {
  it('follows each leaf in its file, and peers trust only its root', async () => {
    const directory = await madeDirectory(scratch, withIntermediate());
    const chain = await chainOf(directory, 'server');
    expect(chain).toEqual(['server', 'Test authority intermediate']);
    const [root, ...others] = await directory.readBundle();
    expect(others).toEqual([]);
    const [intermediate] = await directory.readIntermediates();
    // Room below the root for itself and, in a rotation of the root, for the next one.
    expect([root.pathLength, intermediate?.pathLength]).toEqual([2, 0]);
    expect(root.notAfter > (intermediate?.notAfter as Date)).toBe(true);
    const { certificates: rows } = await listCertificates(directory);
    expect(rows.map(({ name, profile, issuer }) => [name, profile, issuer])).toEqual([
      ['ca', 'authority', 'Test authority'],
      ['intermediate', 'intermediate', 'Test authority'],
      ['client', 'client', 'Test authority intermediate'],
      ['route', 'route', 'Test authority intermediate'],
      ['server', 'server', 'Test authority intermediate'],
    ]);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('issues, rotates and undoes while the key of the root is offline', async () => {
    const directory = await madeDirectory(scratch, withIntermediate());
    takeRootKey(directory);
    await issueCertificates({ directory, profile: 'client', names: ['alice'] });
    await rotateLeaves({ directory });
    await undoRotation({ directory, name: 'server' });
    expect((await planRotation({ directory })).steps).toHaveLength(4);
    expect((await scheduleRenewal(directory, new Date())).remarks).toEqual([]);
    for (const name of ['alice', 'client', 'route', 'server']) {
      const file = directory.certificateFile(name);
      openssl('verify', '-x509_strict', '-CAfile', directory.authorityFile, '-untrusted', file, file);
    }
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('names the key that the next intermediate needs, and changes nothing', async () => {
    const directory = await madeDirectory(scratch, withIntermediate());
    takeRootKey(directory);
    const before = contents(directory.path);
    for (const attempt of [planIntermediate, replaceIntermediate, startRollover]) {
      await expect(attempt({ directory })).rejects.toMatchObject({
        code: 'root-key-away',
        message: `the key of authority "Test authority" is not in "${directory.path}", and this command needs it`,
        hint: `copy it to "${directory.authorityKeyFile}", and remove it again afterwards`,
      });
    }
    expect(contents(directory.path)).toEqual(before);
  });

  it('is reported when it is due or expired, with the key that its successor needs', async () => {
    const directory = await madeDirectory(scratch, withIntermediate());
    const bringBack = takeRootKey(directory);
    const remedy = 'replace it with `natspki rotate --intermediate`';
    const back = ', with the key of "Test authority" in the folder';
    const due = later(699.9);
    expect((await planRotation({ directory, due: true, now: due })).left).toEqual([
      `the intermediate is due, 300 days left: ${remedy}${back}`,
    ]);
    const expires = expect.stringMatching(/^the intermediate expires on \d{4}-\d\d-\d\d: /);
    expect((await scheduleRenewal(directory, due())).remarks).toEqual([expires]);
    // No leaf outlives it.
    const { notices } = await rotateLeaves({ directory, now: due });
    expect(notices[0]).toMatch(/^no certificate outlives its authority: /);
    await expect(rotateLeaves({ directory, now: later(1001) })).rejects.toMatchObject({
      code: 'authority-expired',
      hint: 'make a new one with `natspki rotate --intermediate`, which needs the key of "Test authority" in the folder',
    });
    const findings = await verifyDirectory(directory, { now: later(1001) });
    expect(findings.map(({ code, file }) => [code, file])).toContainEqual([
      'expired',
      directory.intermediateFile,
    ]);
    bringBack();
    expect((await planRotation({ directory, due: true, now: due })).left).toEqual([
      `the intermediate is due, 300 days left: ${remedy}`,
    ]);
    await replaceIntermediate({ directory, now: later(1001) });
    await rotateLeaves({ directory, now: later(1001) });
    expect(await verifyDirectory(directory, { now: later(1001) })).toEqual([]);
    // Lifetimes that the old one limited are full again.
    const [leaf] = await directory.readChain('server');
    expect(Math.round((leaf.notAfter.getTime() - later(1001)().getTime()) / day)).toBe(365);
  });

  it('is replaced by another one below the same root without a new trust bundle', async () => {
    const directory = await madeDirectory(scratch, withIntermediate());
    const trusted = readFileSync(directory.authorityFile, 'utf8');
    const { step, certificates } = await replaceIntermediate({ directory });
    expect(step).toMatchObject({ succeeds: 'Test authority intermediate', root: 'Test authority' });
    expect(Math.round(step.days)).toBe(1000);
    expect(certificates.map(({ name }) => name)).toEqual(['ca', 'intermediate']);
    expect(await chainOf(directory, 'client')).toEqual(['client', 'Test authority intermediate']);
    expect(await verifyDirectory(directory)).toEqual([]);
    await rotateLeaves({ directory, names: ['server'] });
    expect(await chainOf(directory, 'server')).toEqual(['server', 'Test authority intermediate 2']);
    await undoRotation({ directory, name: 'server' });
    expect(await chainOf(directory, 'server')).toEqual(['server', 'Test authority intermediate']);
    expect(readFileSync(directory.authorityFile, 'utf8')).toBe(trusted);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('can be the first below a root that has signed leaves itself', async () => {
    const directory = await madeDirectory(scratch);
    const { step } = await replaceIntermediate({ directory });
    expect(step).toMatchObject({ intermediate: 'Test authority intermediate', days: 1825 });
    expect(step).not.toHaveProperty('succeeds');
    takeRootKey(directory);
    await rotateLeaves({ directory, names: ['server'] });
    expect(await chainOf(directory, 'server')).toEqual(['server', 'Test authority intermediate']);
    expect(await chainOf(directory, 'client')).toEqual(['client']);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('cannot be the first during a rollover of the root, because peers of the old root would reject its chain', async () => {
    const directory = await madeDirectory(scratch);
    await startRollover({ directory });
    await expect(replaceIntermediate({ directory })).rejects.toMatchObject({ code: 'rotation-under-way' });
    await rotateLeaves({ directory });
    await finishRollover({ directory });
    await replaceIntermediate({ directory });
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('gets its full lifetime below the next root when the end of the old root limited it', async () => {
    const directory = await madeDirectory(scratch, { authorityDays: 100, ...withIntermediate() });
    const {
      certificates: [ca, cut],
    } = await listCertificates(directory);
    expect(cut?.notAfter).toEqual(ca?.notAfter);
    await startRollover({ directory, now: later(90) });
    const [root] = await directory.readBundle();
    const [intermediate] = await directory.readIntermediates();
    expect(intermediate?.notAfter).toEqual(root.notAfter);
  });

  it('encrypts its key if the key of the root is encrypted', async () => {
    const directory = await madeDirectory(scratch, { ...withIntermediate(), passphrase: 'xyzzy' });
    const issue = { directory, profile: 'client', names: ['alice'] } as const;
    await expect(issueCertificates(issue)).rejects.toMatchObject({
      code: 'passphrase-needed',
      message: `the key in "${directory.intermediateKeyFile}" is encrypted`,
    });
    await issueCertificates({ ...issue, passphrase: 'xyzzy' });
    await expect(replaceIntermediate({ directory })).rejects.toMatchObject({ code: 'passphrase-needed' });
    await replaceIntermediate({ directory, passphrase: 'xyzzy' });
    const [intermediate] = await directory.readIntermediates();
    const key = decodePrivateKey(readFileSync(directory.intermediateKeyFile), 'key', 'xyzzy');
    expect(intermediate?.hasKey(key)).toBe(true);
  });
});

describe('a rotation of the root above an intermediate', () => {
  it('makes a new intermediate whose leaves both roots accept', async () => {
    const directory = await madeDirectory(scratch, withIntermediate());
    const { certificates, notices } = await startRollover({ directory });
    expect(certificates.map(({ name, profile }) => `${name} ${profile}`)).toEqual([
      'ca authority',
      'intermediate intermediate',
      'ca retired-authority',
    ]);
    expect(notices).toEqual([expect.stringMatching(/^store the key of the new root offline, /)]);
    takeRootKey(directory);
    await rotateLeaves({ directory });
    const chain = ['server', 'Test authority intermediate 2', 'Test authority 2'];
    expect(await chainOf(directory, 'server')).toEqual(chain);
    const [, , crossSigned] = await directory.readChain('server');
    expect([crossSigned?.issuerCommonName, crossSigned?.pathLength]).toEqual(['Test authority', 1]);
    await finishRollover({ directory });
    expect(await chainOf(directory, 'server')).toEqual(chain.slice(0, 2));
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('names leaves that depend on the old root through its intermediate, in the folder and elsewhere', async () => {
    const directory = await madeDirectory(scratch, withIntermediate());
    const outDirectory = mkdtempSync(join(scratch, 'out-'));
    await issueCertificates({
      directory: new PkiDirectory(directory.path, outDirectory),
      profile: 'client',
      names: ['gone'],
    });
    await startRollover({ directory });
    await rotateLeaves({ directory, names: ['route', 'server'] });
    await expect(finishRollover({ directory })).rejects.toMatchObject({
      message: `2 certificates still depend on "Test authority": client, gone (in "${outDirectory}")`,
    });
    await undoRotation({ directory, name: 'server' });
    expect(await chainOf(directory, 'server')).toEqual(['server', 'Test authority intermediate']);
    await undoRotation({ directory, name: 'server' });
    await issueCertificates({
      directory: new PkiDirectory(directory.path, outDirectory),
      profile: 'client',
      names: ['gone'],
      force: true,
    });
    await rotateLeaves({ directory, names: ['client', 'server'] });
    await finishRollover({ directory });
    // The cross-signed certificate is removed with the old root.
    await undoRotation({ directory, name: 'server' });
    expect(await chainOf(directory, 'server')).toEqual(['server', 'Test authority intermediate 2']);
    await expect(undoRotation({ directory, name: 'client' })).rejects.toMatchObject({ code: 'untrusted' });
    expect(await verifyDirectory(directory)).toEqual([]);
  });
});

it('archives the intermediate of an authority that init replaces', async () => {
  const directory = await madeDirectory(scratch, withIntermediate());
  const key = readFileSync(directory.intermediateKeyFile, 'latin1');
  await initialize({ directory, ...initDefaults, force: true });
  expect([directory.intermediateFile, directory.intermediateKeyFile].some(existsSync)).toBe(false);
  expect(Object.values(contents(directory.path))).toContain(key);
  expect(await verifyDirectory(directory)).toEqual([]);
});
