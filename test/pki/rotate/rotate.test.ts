// The reissue of leaves: what is planned, what changes, and what is archived and restored.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { describeStep } from '../../../src/pki/rotate/plan.ts';
import { type PinChange, planRotation, rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { scheduleRenewal } from '../../../src/pki/rotate/schedule.ts';
import { undoRotation } from '../../../src/pki/rotate/undo.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { decodePrivateKey, renewedKeyType } from '../../../src/x509/key.ts';
import { formatSan, parseSan } from '../../../src/x509/name.ts';
import { makeCsr } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory, newDirectory } from '../../support/pki.ts';

const scratch = testFolder('rotation');
const day = 86_400_000;
const later = (days: number) => () => new Date(Date.now() + days * day);
const names = ['client', 'route', 'server'];

const files = (directory: PkiDirectory) =>
  Object.fromEntries(
    readdirSync(directory.path)
      .filter((name) => name.endsWith('.pem'))
      .map((name) => [name, readFileSync(join(directory.path, name), 'utf8')]),
  );

const archived = (directory: PkiDirectory, name: string) =>
  readdirSync(join(directory.path, '.natspki/archive', name))
    .sort()
    .map((folder) => readdirSync(join(directory.path, '.natspki/archive', name, folder)).sort());

describe('rotating leaves', () => {
  it('replaces all keys and keeps subjects, names, usages, key types and lifetimes', async () => {
    const directory = await madeDirectory(scratch, { keyType: 'ed25519', days: 90 });
    await issueCertificates({
      ...{ directory, profile: 'client', names: ['alice@example.com'], days: 7 },
      sans: ['uri:spiffe://x/alice', 'dns:alice'].map(parseSan),
    });
    const all = ['alice@example.com', ...names];
    const before = all.map((name) => leafOf(directory, name));
    const { certificates, notices } = await rotateLeaves({ directory });
    expect(certificates.map(({ name }) => name)).toEqual(all);
    expect(notices).toEqual([]);
    for (const [i, old] of before.entries()) {
      const fresh = leafOf(directory, all[i] as string);
      expect(fresh.serial).not.toBe(old.serial);
      expect(fresh.pin).not.toBe(old.pin);
      expect(fresh.subjectDer).toEqual(old.subjectDer);
      expect(fresh.sans.map(formatSan)).toEqual(old.sans.map(formatSan));
      expect(fresh.extendedKeyUsage).toEqual(old.extendedKeyUsage);
      expect(fresh.keyType).toBe(old.keyType);
      const life = ({ notBefore, notAfter }: typeof fresh) => notAfter.getTime() - notBefore.getTime();
      expect(Math.abs(life(fresh) - life(old))).toBeLessThan(2000);
      expect(archived(directory, all[i] as string)).toEqual([[`${all[i]}-cert.pem`, `${all[i]}-key.pem`]]);
    }
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('rotates only the named certificates, and only those that are due', async () => {
    const directory = await madeDirectory(scratch, { clients: ['a', 'b'] });
    await issueCertificates({ directory, profile: 'client', names: ['short'], days: 10 });
    const planned = async (options: object) =>
      (await planRotation({ directory, ...options })).steps.map((step) => 'name' in step && step.name);
    expect(await planned({ names: ['b', 'a'] })).toEqual(['a', 'b']);
    expect(await planned({ due: true })).toEqual([]);
    expect(await planned({ due: true, dueMs: 11 * day })).toEqual(['short']);
    expect(await planned({ due: true, dueMs: 11 * day, names: ['a'] })).toEqual([]);
    expect(await planned({ due: true, now: later(7) })).toEqual(['short']);
    expect(await planned({ due: true, now: later(300) })).toEqual(['a', 'b', 'route', 'server', 'short']);
    const a = leafOf(directory, 'a').serial;
    await rotateLeaves({ directory, names: ['b'] });
    expect(leafOf(directory, 'a').serial).toBe(a);
  });

  it('prints each step of a plan with its reason, and changes nothing', async () => {
    const directory = await madeDirectory(scratch, { days: 90 });
    const before = files(directory);
    // Slightly less than whole days, since the test itself takes time.
    const { steps, left } = await planRotation({ directory, due: true, now: later(69.9), keepKey: true });
    expect(steps.map(describeStep)).toEqual([
      'reissue     client: client, same key, 90 days (due, 20 days left)',
      'reissue     route: route, same key, 90 days (due, 20 days left)',
      'reissue     server: server, same key, 90 days (due, 20 days left)',
    ]);
    expect(left).toEqual([]);
    const late = await planRotation({ directory, due: true, now: later(2999.9) });
    expect(late.steps).toHaveLength(3);
    expect(late.left).toEqual(['the authority is due, 650 days left: replace it with `natspki rotate --ca`']);
    expect(files(directory)).toEqual(before);
  });

  it('keeps keys and pins with keepKey', async () => {
    const directory = await madeDirectory(scratch);
    const before = names.map((name) => leafOf(directory, name));
    const told: PinChange[][] = [];
    await rotateLeaves({
      directory,
      keepKey: true,
      beforeReplace: async (changes) => void told.push([...changes]),
    });
    const after = names.map((name) => leafOf(directory, name));
    expect(after.map(({ pin }) => pin)).toEqual(before.map(({ pin }) => pin));
    expect(after.map(({ serial }) => serial)).not.toEqual(before.map(({ serial }) => serial));
    expect(told).toEqual([[]]);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('issues a new certificate for the key of a request, which is elsewhere', async () => {
    const directory = await madeDirectory(scratch);
    const outside = join(directory.path, '..');
    const csr = makeCsr(outside, 'carol', '/CN=carol');
    const request = { bytes: readFileSync(csr), file: csr };
    await issueCertificates({ directory, profile: 'client', names: ['carol'], request });
    const before = leafOf(directory, 'carol');
    const first = await rotateLeaves({ directory, names: ['carol'] });
    expect(first.plan.steps).toMatchObject([{ key: 'elsewhere' }]);
    // The ledger entry tells the second rotation that the key is elsewhere.
    await rotateLeaves({ directory, names: ['carol'] });
    const after = leafOf(directory, 'carol');
    expect(after.pin).toBe(before.pin);
    expect(after.serial).not.toBe(before.serial);
    expect(after.hasKey(decodePrivateKey(readFileSync(join(outside, 'carol.key')), csr))).toBe(true);
    expect(readdirSync(directory.path)).not.toContain('carol-key.pem');
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('announces the new pins before a file changes, and replaces nothing when that fails', async () => {
    const directory = await madeDirectory(scratch);
    const before = files(directory);
    const old = leafOf(directory, 'server').pin;
    const failing = rotateLeaves({
      directory,
      names: ['server'],
      beforeReplace: async ([change]) => {
        expect(files(directory)).toEqual(before);
        expect(change).toMatchObject({ name: 'server', from: old });
        expect(change?.to).toMatch(/^[0-9a-f]{64}$/);
        throw new Error('no pins today');
      },
    });
    await expect(failing).rejects.toThrow('no pins today');
    expect(files(directory)).toEqual(before);
    await rotateLeaves({ directory });
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('rejects an unknown name and suggests the nearest one', async () => {
    const directory = await madeDirectory(scratch);
    await expect(planRotation({ directory, names: ['servr'] })).rejects.toMatchObject({
      code: 'no-certificate',
      hint: 'did you mean "server"',
    });
  });

  it('fails with keepKey when the key is missing, and otherwise makes a new key', async () => {
    const directory = await madeDirectory(scratch);
    rmSync(directory.keyFile('client'));
    const options = { directory, names: ['client'] };
    await expect(rotateLeaves({ ...options, keepKey: true })).rejects.toMatchObject({ code: 'missing-key' });
    await rotateLeaves(options);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('recognizes route certificates without a ledger, and ignores a damaged line', async () => {
    const directory = await madeDirectory(scratch);
    writeFileSync(
      directory.ledger.file,
      `${readFileSync(directory.ledger.file, 'utf8').split('\n')[0]}\n{"ser`,
    );
    await rotateLeaves({ directory });
    const { entries, damagedLines } = await directory.ledger.read();
    expect(damagedLines).toEqual([2]);
    expect(entries.map(({ name, profile }) => [name, profile])).toEqual([
      ['ca', 'authority'],
      ['client', 'client'],
      ['route', 'route'],
      ['server', 'server'],
    ]);
    const findings = await verifyDirectory(directory);
    expect(findings.map(({ code }) => code)).toEqual(['ledger-damaged']);
  });

  it('fails when the clock was set back to before the authority was valid', async () => {
    const directory = await madeDirectory(scratch);
    const before = files(directory);
    await expect(rotateLeaves({ directory, now: later(-1) })).rejects.toMatchObject({
      code: 'authority-not-yet-valid',
    });
    await expect(rotateLeaves({ directory, now: later(4000) })).rejects.toMatchObject({
      code: 'authority-expired',
    });
    expect(files(directory)).toEqual(before);
  });

  it('replaces certificates that were issued while the clock was ahead', async () => {
    const directory = await madeDirectory(scratch);
    await rotateLeaves({ directory, names: ['server'], now: later(900) });
    expect((await verifyDirectory(directory)).map(({ code, hint }) => [code, hint])).toEqual([
      ['not-yet-valid', 'natspki rotate server'],
    ]);
    const { steps } = await planRotation({ directory, due: true });
    expect(steps.map(describeStep)).toEqual([
      'reissue     server: server, new p256 key, 365 days (due, not valid yet)',
    ]);
    expect((await scheduleRenewal(directory, new Date())).due).toEqual(['server']);
    await rotateLeaves({ directory, due: true });
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('makes a second rotation wait for the first, and keeps each key with its certificate', async () => {
    const directory = await madeDirectory(scratch);
    const before = leafOf(directory, 'server').serial;
    const swaps: string[] = [];
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const first = rotateLeaves({
      directory,
      beforeReplace: async () => {
        swaps.push('first');
        await held;
        swaps.push('first goes on');
      },
    });
    const second = rotateLeaves({ directory, beforeReplace: async () => void swaps.push('second') });
    // The second rotation announces nothing before the first one is done, whichever takes the lock first.
    setImmediate(release);
    const results = await Promise.all([first, second]);
    expect(swaps.indexOf('first goes on')).toBe(swaps.indexOf('first') + 1);
    const serials = results.map(
      ({ certificates }) => certificates.find(({ name }) => name === 'server')?.serial,
    );
    expect(new Set([before, ...serials]).size).toBe(3);
    expect(serials).toContain(leafOf(directory, 'server').serial);
    expect(archived(directory, 'server')).toHaveLength(2);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('leaves nothing to do for the second of two rotations of due certificates', async () => {
    const directory = await madeDirectory(scratch, { days: 30, clients: ['a', 'b', 'c'] });
    const options = { directory, due: true, now: later(25) };
    const results = await Promise.all([rotateLeaves(options), rotateLeaves(options)]);
    expect(results.map(({ certificates }) => certificates.length).sort()).toEqual([0, 5]);
  });

  it.each([
    ['p256', 'p256'],
    ['rsa3072', 'rsa3072'],
    ['rsa1024', 'rsa2048'],
    ['p521', 'p384'],
    ['ed448', 'p256'],
  ])('replaces a key of type %s with one of type %s', (old, fresh) => {
    expect(renewedKeyType(old)).toBe(fresh);
  });
});

describe('undoing a rotation', () => {
  it('restores the last pair unchanged, and undoing that restores the new one', async () => {
    const directory = await madeDirectory(scratch);
    const first = files(directory);
    await rotateLeaves({ directory, names: ['server'] });
    const second = files(directory);
    const told: PinChange[] = [];
    const beforeReplace = async (changes: readonly PinChange[]) => void told.push(...changes);
    const { certificates } = await undoRotation({ directory, name: 'server', beforeReplace });
    expect(files(directory)).toEqual(first);
    expect(certificates).toMatchObject([{ name: 'server', profile: 'server' }]);
    expect(told).toEqual([
      {
        name: 'server',
        from: expect.not.stringMatching(leafOf(directory, 'server').pin),
        to: leafOf(directory, 'server').pin,
      },
    ]);
    await undoRotation({ directory, name: 'server' });
    expect(files(directory)).toEqual(second);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('restores the last pair even if the clock was set back between rotations', async () => {
    const directory = await madeDirectory(scratch, { now: later(-30) });
    await rotateLeaves({ directory, names: ['server'], now: later(0) });
    const second = files(directory);
    await rotateLeaves({ directory, names: ['server'], now: later(-10) });
    await undoRotation({ directory, name: 'server', now: later(-20) });
    expect(files(directory)).toEqual(second);
  });

  it('never restores a pair that was replaced in another folder', async () => {
    const directory = await madeDirectory(scratch);
    const elsewhere = new PkiDirectory(directory.path, join(directory.path, '../out'));
    const options = { directory: elsewhere, profile: 'server' as const, names: ['server'] };
    await issueCertificates(options);
    const { certificates } = await issueCertificates({ ...options, force: true });
    await expect(undoRotation({ directory, name: 'server' })).rejects.toMatchObject({
      code: 'not-in-archive',
    });
    expect(certificates[0]?.serial).not.toBe(leafOf(directory, 'server').serial);
  });

  it('does not create a missing folder', async () => {
    const directory = newDirectory(scratch);
    await expect(undoRotation({ directory, name: 'server' })).rejects.toMatchObject({ code: 'no-authority' });
    expect(existsSync(directory.path)).toBe(false);
  });

  it('rejects a pair that is not in the archive, and an expired one unless forced', async () => {
    const directory = await madeDirectory(scratch, { days: 30 });
    const options = { directory, name: 'server' };
    await expect(undoRotation(options)).rejects.toMatchObject({ code: 'not-in-archive' });
    await expect(undoRotation({ directory, name: '../x' })).rejects.toMatchObject({ code: 'usage' });
    const first = files(directory);
    await rotateLeaves({ directory, names: ['server'], now: later(20) });
    await expect(undoRotation({ ...options, now: later(40) })).rejects.toMatchObject({ code: 'expired' });
    await undoRotation({ ...options, now: later(40), force: true });
    expect(files(directory)).toEqual(first);
  });
});
