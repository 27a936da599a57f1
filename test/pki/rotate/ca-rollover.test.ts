// The rollover of the root: what each step plans, writes and rejects. trust-table.test.ts tests which peers accept each
// certificate in every state.
import { createPublicKey, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { finishRollover, planFinish, planStart, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { describeStep } from '../../../src/pki/rotate/plan.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { undoRotation } from '../../../src/pki/rotate/undo.ts';
import { Authority } from '../../../src/pki/store/authority.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { formatName } from '../../../src/x509/distinguished-name.ts';
import { decodePrivateKey, generateKey } from '../../../src/x509/key.ts';
import { Signer } from '../../../src/x509/sign.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('authority-rotation');
const day = 86_400_000;
const later = (days: number) => () => new Date(Date.now() + days * day);
describe('rotating the authority', () => {
  it('plans the next number of the name, or the requested name', async () => {
    const directory = await madeDirectory(scratch, { authorityDays: 1000 });
    const step = await planStart({ directory });
    expect(describeStep(step)).toBe(
      'trust-new   "Test authority 2" succeeds "Test authority"; both are trusted (p256, 1000 days)',
    );
    expect(await planStart({ directory, commonName: 'New' })).toMatchObject({ authority: 'New' });
    await startRollover({ directory });
    await rotateLeaves({ directory });
    await finishRollover({ directory });
    expect(await planStart({ directory })).toMatchObject({
      authority: 'Test authority 3',
      succeeds: 'Test authority 2',
    });
  });

  it('keeps the subject beside the common name, also of the intermediate', async () => {
    const subject = { C: 'CH', O: 'Example', OU: 'Messaging' };
    const directory = await madeDirectory(scratch, { subject, intermediate: { days: 1000 } });
    await startRollover({ directory });
    const [next, old] = await directory.readBundle();
    const [intermediate] = await directory.readIntermediates();
    expect([next, old, intermediate].map((each) => formatName(each?.subject ?? []))).toEqual([
      'C=CH,O=Example,OU=Messaging,CN=Test authority 2',
      'C=CH,O=Example,OU=Messaging,CN=Test authority',
      'C=CH,O=Example,OU=Messaging,CN=Test authority intermediate 2',
    ]);
  });

  it('moves the old key to the archive and records the new certificates', async () => {
    const directory = await madeDirectory(scratch);
    const oldKey = readFileSync(directory.authorityKeyFile, 'utf8');
    const { certificates } = await startRollover({ directory });
    expect(certificates.map(({ name, profile }) => [name, profile])).toEqual([
      ['ca', 'authority'],
      ['ca', 'retired-authority'],
    ]);
    const archive = join(directory.path, '.natspki/archive/ca');
    const [folder] = readdirSync(archive);
    expect(readFileSync(join(archive, folder as string, 'ca-key.pem'), 'utf8')).toBe(oldKey);
    const { entries } = await directory.ledger.read();
    const [next, old] = await directory.readBundle();
    const chain = readFileSync(directory.chainFile, 'utf8');
    expect(entries.slice(-2)).toMatchObject([
      { profile: 'authority', issuer: next.pin, pin: next.pin },
      { profile: 'authority', issuer: old?.pin, pin: next.pin },
    ]);
    expect(chain.match(/BEGIN/g)).toHaveLength(1);
  });

  it('encrypts the new key with the passphrase of the old one', async () => {
    const directory = await madeDirectory(scratch, { passphrase: 'xyzzy' });
    await expect(startRollover({ directory })).rejects.toMatchObject({ code: 'passphrase-needed' });
    await expect(startRollover({ directory, passphrase: 'no' })).rejects.toMatchObject({
      code: 'wrong-passphrase',
    });
    await startRollover({ directory, passphrase: 'xyzzy' });
    const key = readFileSync(directory.authorityKeyFile);
    expect(key.toString()).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY/);
    expect((await directory.readBundle())[0].hasKey(decodePrivateKey(key, 'key', 'xyzzy'))).toBe(true);
  });

  it('does not encrypt the new key when the old one was not', async () => {
    const directory = await madeDirectory(scratch);
    await startRollover({ directory, passphrase: 'of nothing' });
    expect(readFileSync(directory.authorityKeyFile, 'utf8')).toMatch(/^-----BEGIN PRIVATE KEY/);
  });

  it('can be repeated any number of times', async () => {
    const directory = await madeDirectory(scratch);
    for (const name of ['Test authority 2', 'Test authority 3']) {
      await startRollover({ directory });
      await rotateLeaves({ directory });
      await finishRollover({ directory });
      expect((await directory.readBundle()).map(({ commonName }) => commonName)).toEqual([name]);
      expect(await verifyDirectory(directory)).toEqual([]);
    }
  });

  it('rejects a second start before the end, and an end without a start', async () => {
    const directory = await madeDirectory(scratch);
    await expect(finishRollover({ directory })).rejects.toMatchObject({ code: 'no-rotation' });
    const results = await Promise.allSettled([startRollover({ directory }), startRollover({ directory })]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: {
        code: 'rotation-under-way',
        message: 'authority "Test authority 2" has not yet replaced "Test authority"',
      },
    });
    expect(await directory.readBundle()).toHaveLength(2);
  });

  it('fails when the clock was set back, and replaces an authority that has expired', async () => {
    const directory = await madeDirectory(scratch, { authorityDays: 10, days: 10 });
    await expect(startRollover({ directory, now: later(-1) })).rejects.toMatchObject({
      code: 'authority-not-yet-valid',
    });
    const { notices } = await startRollover({ directory, now: later(20) });
    expect(notices).toEqual([
      '"Test authority" cannot sign the new authority: give every peer the new ca.pem before reissuing certificates',
    ]);
    await rotateLeaves({ directory, now: later(20) });
    expect(readFileSync(directory.certificateFile('server'), 'utf8').match(/BEGIN/g)).toHaveLength(1);
    // Expired certificates do not prevent the end.
    expect(await planFinish({ directory, now: later(20) })).toMatchObject({
      authorities: ['Test authority'],
      stranded: [],
    });
  });

  it('does not cross-sign when the path length of the old root forbids it', async () => {
    const key = await generateKey('p256');
    const contents = {
      ...{ commonName: 'Leafs only', pathLength: 0, notBefore: later(-1)(), notAfter: later(9)() },
      publicKey: createPublicKey(key),
    };
    const certificate = await Signer.selfSigned(contents, key, randomBytes);
    const authority = new Authority({ roots: [certificate], key }, { certificate: 'b', key: 'k' });
    const options = { commonName: 'Next', key: await generateKey('p256'), days: 9, now: new Date() };
    expect((await authority.successor(options)).chain).toEqual([]);
  });

  it('names the unexpired leaves that depend on the old root, in the folder and elsewhere, and ends only when forced', async () => {
    const directory = await madeDirectory(scratch, { clients: ['alice', 'bob'] });
    const out = mkdtempSync(join(scratch, 'out-'));
    await issueCertificates({
      directory: new PkiDirectory(directory.path, out),
      profile: 'client',
      names: ['gone'],
    });
    await issueCertificates({
      directory: new PkiDirectory(directory.path, out),
      profile: 'client',
      names: ['brief'],
      days: 1,
    });
    await startRollover({ directory });
    await rotateLeaves({ directory, names: ['alice', 'server'] });
    const options = { directory, now: later(2) };
    await expect(finishRollover(options)).rejects.toMatchObject({
      code: 'still-needed',
      message: `3 certificates still depend on "Test authority": bob, route, gone (in "${out}")`,
      hint: 'reissue with `natspki rotate bob route`, or pass --force',
    });
    await rotateLeaves({ directory });
    await expect(finishRollover(options)).rejects.toMatchObject({
      message: `1 certificate still depends on "Test authority": gone (in "${out}")`,
      hint: `reissue with \`natspki rotate gone --out ${out}\`, or pass --force when they are no longer in use`,
    });
    const { notices, step } = await finishRollover({ ...options, force: true });
    expect(notices).toEqual(['no longer trusted: gone']);
    expect(step.shortened).toEqual(['alice', 'bob', 'route', 'server']);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('distinguishes a certificate in another folder from one with the same name in this folder', async () => {
    const directory = await madeDirectory(scratch);
    const outDirectory = mkdtempSync(join(scratch, 'out-'));
    await issueCertificates({
      directory: new PkiDirectory(directory.path, outDirectory),
      profile: 'server',
      names: ['server'],
    });
    await startRollover({ directory });
    await rotateLeaves({ directory });
    await expect(finishRollover({ directory })).rejects.toMatchObject({
      message: `1 certificate still depends on "Test authority": server (in "${outDirectory}")`,
    });
    await issueCertificates({
      directory: new PkiDirectory(directory.path, outDirectory),
      profile: 'server',
      names: ['server'],
      force: true,
    });
    expect((await finishRollover({ directory })).step.stranded).toEqual([]);
  });

  it('does not restore a pair of the retired authority unless forced', async () => {
    const directory = await madeDirectory(scratch);
    await startRollover({ directory });
    await rotateLeaves({ directory });
    await undoRotation({ directory, name: 'server' });
    expect(await verifyDirectory(directory)).toEqual([]);
    await expect(finishRollover({ directory })).rejects.toMatchObject({
      message: '1 certificate still depends on "Test authority": server',
    });
    await undoRotation({ directory, name: 'server' });
    await rotateLeaves({ directory, names: ['route'] });
    await finishRollover({ directory });
    await undoRotation({ directory, name: 'route' });
    expect(await verifyDirectory(directory)).toEqual([]);
    await expect(undoRotation({ directory, name: 'client' })).rejects.toMatchObject({ code: 'untrusted' });
    expect(leafOf(directory, 'client').issuerCommonName).toBe('Test authority 2');
  });
});
