import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { listCertificates } from '../../../src/pki/store/listing.ts';
import { testFolder } from '../../support/folder.ts';
import { madeDirectory, newDirectory } from '../../support/pki.ts';

const scratch = testFolder('listing');
const start = new Date('2026-01-01T00:00:00Z');
const day = 24 * 60 * 60 * 1000;
const daysLater = (days: number) => () => new Date(start.getTime() + days * day);

describe('the list of certificates', () => {
  it('has the authority first, then the leaves by name', async () => {
    const directory = await madeDirectory(scratch, { days: 90, now: () => start });
    const { certificates: listed } = await listCertificates(directory, { now: daysLater(1) });
    expect(listed.map(({ name, profile, daysLeft, due }) => ({ name, profile, daysLeft, due }))).toEqual([
      { name: 'ca', profile: 'authority', daysLeft: 3649, due: false },
      { name: 'client', profile: 'client', daysLeft: 89, due: false },
      { name: 'route', profile: 'route', daysLeft: 89, due: false },
      { name: 'server', profile: 'server', daysLeft: 89, due: false },
    ]);
    expect(listed.map(({ issuer }) => issuer)).toEqual(listed.map(() => 'Test authority'));
    expect(listed[3]).toMatchObject({
      sans: ['dns:localhost', 'ip:127.0.0.1', 'ip:::1'],
      keyType: 'p256',
      certificateFile: directory.certificateFile('server'),
      keyFile: directory.keyFile('server'),
    });
  });

  it('marks certificates as due in the last third of their lifetime, or within the requested window', async () => {
    const directory = await madeDirectory(scratch, { days: 90, now: () => start });
    const due = async (days: number, dueMs?: number) =>
      (
        await listCertificates(directory, { now: daysLater(days), ...(dueMs === undefined ? {} : { dueMs }) })
      ).certificates
        .filter((certificate) => certificate.due)
        .map(({ name }) => name);
    expect(await due(59)).toEqual([]);
    expect(await due(61)).toEqual(['client', 'route', 'server']);
    expect(await due(59, 31 * day)).toEqual(['client', 'route', 'server']);
    expect(await due(61, 28 * day)).toEqual([]);
    expect(await due(2500)).toEqual(['ca', 'client', 'route', 'server']);
  });

  it('has negative days for an expired certificate, and no remaining lifetime', async () => {
    const directory = await madeDirectory(scratch, { days: 10, now: () => start });
    const {
      certificates: [, client],
    } = await listCertificates(directory, { now: daysLater(12.5) });
    expect(client).toMatchObject({ name: 'client', daysLeft: -3, lifeLeft: 0, due: true });
  });

  it('has the fraction of the lifetime that is left', async () => {
    const directory = await madeDirectory(scratch, { days: 100, now: () => start });
    const {
      certificates: [, client],
    } = await listCertificates(directory, { now: daysLater(25) });
    expect(client?.lifeLeft).toBeCloseTo(0.75, 3);
  });

  it('guesses profiles from the usages when the ledger is lost', async () => {
    const directory = await madeDirectory(scratch);
    rmSync(directory.ledger.file);
    const { certificates: listed } = await listCertificates(directory);
    expect(listed.map(({ name, profile }) => `${name} ${profile}`)).toEqual([
      'ca authority',
      'client client',
      'route unknown',
      'server server',
    ]);
  });

  it('distinguishes profiles with the same usages by the ledger', async () => {
    const directory = await madeDirectory(scratch);
    await issueCertificates({ directory, profile: 'gateway', names: ['g1'] });
    await issueCertificates({ directory, profile: 'leafnode', names: ['l1'] });
    const { certificates: listed } = await listCertificates(directory);
    expect(listed.map(({ profile }) => profile)).toEqual([
      'authority',
      'client',
      'gateway',
      'leafnode',
      'route',
      'server',
    ]);
  });

  it('has all other certificates when a file is damaged, and the command that replaces the damaged one', async () => {
    const directory = await madeDirectory(scratch);
    writeFileSync(directory.certificateFile('server'), '-----BEGIN CERTIFICATE-----\nAAAA');
    const { certificates, damaged } = await listCertificates(directory);
    expect(certificates.map(({ name }) => name)).toEqual(['ca', 'client', 'route']);
    expect(damaged).toMatchObject([
      {
        name: 'server',
        problem: {
          code: 'truncated-pem',
          message: expect.stringContaining(`"${directory.certificateFile('server')}" is truncated`),
          hint: 'natspki issue server server --san dns:localhost --san ip:127.0.0.1 --san ip:::1 --force',
        },
      },
    ]);
  });

  it('throws when there is no authority', async () => {
    await expect(listCertificates(newDirectory(scratch))).rejects.toMatchObject({ code: 'no-authority' });
  });
});
