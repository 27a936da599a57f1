// Revocation: the keys to lock out, the keys that stay, and what the ledger records.
import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import {
  planRevocation,
  type RevocationPlan,
  revokeCertificates,
} from '../../../src/pki/revoke/revocation.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import { undoRotation } from '../../../src/pki/rotate/undo.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { listCertificates } from '../../../src/pki/store/listing.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('revocation');
const start = new Date('2026-01-01T00:00:00Z');
const daysLater = (days: number) => () => new Date(start.getTime() + days * 86_400_000);
const now = daysLater(0);
const made = () => madeDirectory(scratch, { clients: ['alice', 'bob'], days: 90, now });
const unlocked = async () => undefined;
const names = ({ certificates }: RevocationPlan) => certificates.map(({ name }) => name);
const staying = (plan: RevocationPlan) =>
  Object.fromEntries([...plan.others].map(([profile, pins]) => [profile, pins.map(({ name }) => name)]));

describe('the plan of a revocation', () => {
  it('has the certificate, and all others by profile as those that stay', async () => {
    const directory = await made();
    const plan = await planRevocation({ directory, names: ['bob'], now });
    const { serial, notAfter, pin } = leafOf(directory, 'bob');
    expect(plan.certificates).toEqual([
      { name: 'bob', profile: 'client', serial, notAfter, pin, ocsp: false },
    ]);
    const stays = (name: string) => ({ name, pin: leafOf(directory, name).pin });
    expect([...plan.others]).toEqual([
      ['client', [stays('alice')]],
      ['route', [stays('route')]],
      ['gateway', []],
      ['leafnode', []],
    ]);
  });

  it('includes certificates that a rotation replaced, until they expire', async () => {
    const directory = await made();
    const old = ['alice', 'bob'].map((name) => leafOf(directory, name).pin);
    await rotateLeaves({ directory, now: daysLater(60) });
    const renewed = ['alice', 'bob'].map((name) => leafOf(directory, name).pin);
    const early = await planRevocation({ directory, names: ['bob'], now: daysLater(61) });
    expect(early.certificates.map(({ pin }) => pin)).toEqual([old[1], renewed[1]]);
    expect(early.others.get('client')?.map(({ pin }) => pin)).toEqual([old[0], renewed[0]]);
    const late = await planRevocation({ directory, names: ['bob'], now: daysLater(91) });
    expect(late.certificates.map(({ pin }) => pin)).toEqual([renewed[1]]);
    expect(late.others.get('client')?.map(({ pin }) => pin)).toEqual([renewed[0]]);
  });

  it('includes certificates whose files are in another folder', async () => {
    const directory = await made();
    const outDirectory = `${directory.path}-elsewhere`;
    await issueCertificates({
      directory: new PkiDirectory(directory.path, outDirectory),
      profile: 'client',
      names: ['carol', 'dave'],
      now,
    });
    const plan = await planRevocation({ directory, names: ['dave'], now });
    expect(names(plan)).toEqual(['dave']);
    expect(staying(plan)).toMatchObject({ client: ['alice', 'bob', 'carol'] });
  });

  it('includes the certificates in the folder when the ledger is lost', async () => {
    const directory = await made();
    await issueCertificates({ directory, profile: 'route', names: ['r2.test'], now });
    rmSync(directory.ledger.file);
    const plan = await planRevocation({ directory, names: ['bob', 'r2.test'], now });
    expect(names(plan)).toEqual(['bob', 'r2.test']);
    expect(staying(plan)).toMatchObject({ client: ['alice'], route: ['route'] });
  });

  it('has a notice about damaged lines of the ledger', async () => {
    const directory = await made();
    writeFileSync(directory.ledger.file, '{"time":', { flag: 'a' });
    const { notices } = await planRevocation({ directory, names: ['bob'], now });
    expect(notices).toEqual([
      'line 6 of the ledger is damaged: a certificate recorded there is not locked out, see `natspki verify`',
    ]);
  });

  it.each([
    ['bbo', 'no-certificate', 'no unexpired certificate "bbo" was issued here'],
    ['ca', 'usage', `name "ca" is the authority's own`],
  ])('throws for the name %s', async (name, code, message) => {
    const directory = await made();
    await expect(planRevocation({ directory, names: [name], now })).rejects.toMatchObject({ code, message });
  });

  it('spares the newest certificate of a name when only replaced ones are asked for', async () => {
    const directory = await made();
    const [alice, bob] = ['alice', 'bob'].map((name) => leafOf(directory, name));
    const options = { directory, names: ['alice', 'bob'], replaced: true, now };
    await expect(planRevocation(options)).rejects.toMatchObject({
      code: 'no-certificate',
      message: '"alice" has no unexpired certificate that was replaced',
    });
    await rotateLeaves({ directory, names: ['alice'], now });
    await rotateLeaves({ directory, names: ['bob'], keepKey: true, now });
    const plan = await planRevocation(options);
    expect(plan.certificates.map(({ serial }) => serial)).toEqual([alice?.serial, bob?.serial]);
    expect([...plan.out]).toEqual([alice?.pin]);
    expect(plan.notices).toEqual([
      'the newest certificate of "bob" has the key of one before it: its pin stays',
    ]);
    expect(
      plan.others
        .get('client')
        ?.map(({ name }) => name)
        .sort(),
    ).toEqual(['alice', 'bob']);
    await revokeCertificates({ ...options, lockOut: unlocked });
    expect((await directory.contents()).certificates).toEqual(['alice', 'bob', 'route', 'server']);
    await undoRotation({ directory, name: 'alice', force: true, now });
    const undone = await planRevocation({ ...options, names: ['alice'] });
    expect(undone.certificates.map(({ serial }) => serial)).not.toContain(alice?.serial);
  });

  it('says which certificates name a responder, those of servers too', async () => {
    const directory = await madeDirectory(scratch, { addresses: { ocsp: ['http://o/'], crl: [] }, now });
    const { certificates, others } = await planRevocation({ directory, names: ['server', 'client'], now });
    expect(certificates.map(({ profile, ocsp }) => [profile, ocsp])).toEqual([
      ['server', true],
      ['client', true],
    ]);
    expect(others.get('client')).toEqual([]);
  });

  it('throws for a certificate that has expired', async () => {
    const directory = await made();
    const plan = planRevocation({ directory, names: ['bob'], now: daysLater(91) });
    await expect(plan).rejects.toMatchObject({ code: 'no-certificate' });
  });
});

describe('a revocation', () => {
  it('moves the pair to the archive, and undo restores it only when forced', async () => {
    const directory = await made();
    const { serial } = leafOf(directory, 'bob');
    await revokeCertificates({ directory, names: ['bob'], lockOut: unlocked, now });
    const { certificates } = await listCertificates(directory, { now });
    expect(certificates.map(({ name }) => name)).toEqual(['ca', 'alice', 'route', 'server']);
    expect((await directory.ledger.read()).revocations.get(serial)).toEqual({
      ...{ time: start.toISOString(), revoked: serial, name: 'bob' },
    });
    expect(await verifyDirectory(directory, { now })).toEqual([]);
    await expect(undoRotation({ directory, name: 'bob', now })).rejects.toMatchObject({
      code: 'revoked',
      message: 'the archived certificate "bob" was revoked on 2026-01-01',
      hint: 'make a new one with `natspki issue client bob`, or pass --force',
    });
    await undoRotation({ directory, name: 'bob', force: true, now });
    expect(leafOf(directory, 'bob').serial).toBe(serial);
  });

  it('does not count revoked certificates among those that stay, and can be repeated', async () => {
    const directory = await made();
    await revokeCertificates({ directory, names: ['bob'], lockOut: unlocked, now });
    const { entries } = await directory.ledger.read();
    const again = await revokeCertificates({ directory, names: ['bob'], lockOut: unlocked, now });
    expect(names(again)).toEqual(['bob']);
    expect((await directory.ledger.read()).entries).toEqual(entries);
    await issueCertificates({ directory, profile: 'client', names: ['carol'], now });
    const next = await planRevocation({ directory, names: ['carol'], now });
    expect(staying(next)).toMatchObject({ client: ['alice'] });
  });

  it('does not affect a new certificate with the same name', async () => {
    const directory = await made();
    await revokeCertificates({ directory, names: ['bob'], lockOut: unlocked, now });
    await issueCertificates({ directory, profile: 'client', names: ['bob'], now });
    const plan = await planRevocation({ directory, names: ['alice'], now });
    expect(plan.others.get('client')).toEqual([{ name: 'bob', pin: leafOf(directory, 'bob').pin }]);
  });

  it('does not prevent the retirement of the old authority', async () => {
    const directory = await made();
    await startRollover({ directory, now });
    await rotateLeaves({ directory, names: ['alice', 'route', 'server'], now });
    await expect(finishRollover({ directory, now })).rejects.toMatchObject({ code: 'still-needed' });
    await revokeCertificates({ directory, names: ['bob'], lockOut: unlocked, now });
    expect((await finishRollover({ directory, now })).step.stranded).toEqual([]);
  });

  it('is not recorded when locking out fails', async () => {
    const directory = await made();
    const lockOut = () => Promise.reject(new Error('no'));
    await expect(revokeCertificates({ directory, names: ['bob'], lockOut, now })).rejects.toThrow('no');
    expect((await directory.ledger.read()).revocations.size).toBe(0);
    expect(leafOf(directory, 'bob').commonName).toBe('bob');
  });
});
