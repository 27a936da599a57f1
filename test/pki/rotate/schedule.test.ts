// Renewal on a simulated clock: when each certificate is due, what a round does, and what the next round repeats.
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LineLogger } from '../../../src/log.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { Renewer, type RenewerOptions, type ServerUpdater } from '../../../src/pki/rotate/renewer.ts';
import { rotateLeaves, stalePins } from '../../../src/pki/rotate/rotate.ts';
import { renewalTime, scheduleRenewal } from '../../../src/pki/rotate/schedule.ts';
import { undoRotation } from '../../../src/pki/rotate/undo.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import type { Pin } from '../../../src/x509/pin.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('renewal');
const day = 86_400_000;
const start = new Date('2026-03-01T00:00:00Z');
const daysOn = (days: number) => new Date(start.getTime() + days * day);
const now = () => start;

/** Records its calls. */
function updater(told: string[], failing: { reload?: Error } = {}): () => Promise<ServerUpdater> {
  return async () => ({
    announce: async (changes) => void told.push(`announce ${changes.map(({ name }) => name).join(' ')}`),
    reload: async () => {
      told.push('reload');
      if (failing.reload !== undefined) throw failing.reload;
    },
    prune: async () => void told.push('prune'),
    verify: async (expected) => {
      told.push(`verify ${[...expected.values()].sort().join(' ')}`);
      return [];
    },
    report: () => ['told everybody'],
  });
}

/** Returns a renewer with a clock that the test sets, its log and the calls of its updater. */
function renewer(directory: PkiDirectory, options: Partial<RenewerOptions> = {}) {
  const clock = { time: start };
  const log: string[] = [];
  const told: string[] = [];
  const made = new Renewer({
    directory,
    updater: updater(told),
    logger: new LineLogger((line) => log.push(line.replace(/.*\[(...)\] (.*)\n/, '$1 $2'))),
    now: () => clock.time,
    ...options,
  });
  return { renewer: made, clock, log, told };
}

describe('the time of renewal', () => {
  const life = (days: number, pin = 'f'.repeat(64)) => ({
    ...{ notBefore: start, notAfter: daysOn(days), pin: pin as Pin },
  });

  it('is the last third of the lifetime, or the requested window', () => {
    expect(renewalTime(life(90))).toEqual(daysOn(60));
    expect(renewalTime(life(90), { dueMs: 10 * day })).toEqual(daysOn(80));
  });

  it('is never before a third of the lifetime, however long the window is', () => {
    expect(renewalTime(life(9), { dueMs: 30 * day })).toEqual(daysOn(3));
  });

  it('is spread over a fraction of the window by the pin', () => {
    const [first, last] = ['0'.repeat(64), 'f'.repeat(64)].map((pin) =>
      renewalTime(life(90, pin), { spread: 0.1 }),
    );
    expect(first).toEqual(daysOn(60));
    expect(last?.getTime()).toBeCloseTo(daysOn(63).getTime(), -2);
  });
});

describe('the schedule', () => {
  it('names the certificates that are due, and the time of the next renewal', async () => {
    const directory = await madeDirectory(scratch, { now, days: 90 });
    await issueCertificates({ directory, profile: 'client', names: ['short'], days: 9, now });
    const schedule = (days: number) => scheduleRenewal(directory, daysOn(days));
    expect(await schedule(1)).toEqual({
      due: [],
      next: renewalTime(leafOf(directory, 'short')),
      remarks: [],
    });
    const { due, next } = await schedule(8);
    expect({ due, next }).toEqual({ due: ['short'], next: renewalTime(leafOf(directory, 'client')) });
    expect((await schedule(89)).due).toEqual(['client', 'route', 'server', 'short']);
    expect((await schedule(89)).next).toBeUndefined();
  });

  it('leaves out the certificates that are not named, and remarks about them', async () => {
    const directory = await madeDirectory(scratch, { now, days: 90 });
    writeFileSync(directory.certificateFile('route'), 'damaged');
    const names = ['server'];
    expect(await scheduleRenewal(directory, start, { names })).toEqual({
      due: [],
      next: renewalTime(leafOf(directory, 'server')),
      remarks: [],
    });
    expect(await scheduleRenewal(directory, daysOn(89), { names })).toMatchObject({
      due: names,
      remarks: [],
    });
    const { remarks } = await scheduleRenewal(directory, start, { names: ['route'] });
    expect(remarks).toEqual([expect.stringMatching(/^"route" is not rotated: /)]);
  });

  it('does not renew certificates that would not expire later, with a remark', async () => {
    const directory = await madeDirectory(scratch, { now, days: 90, authorityDays: 60 });
    expect(await scheduleRenewal(directory, daysOn(50))).toEqual({
      due: [],
      next: undefined,
      remarks: [
        ...['client', 'route', 'server'].map(
          (name) => `"${name}" expires with its authority on 2026-04-30, renewing it would not help`,
        ),
        'the authority expires on 2026-04-30: replace it with `natspki rotate --ca`',
      ],
    });
  });
});

describe('a round', () => {
  it('renews due certificates, updates servers in the right order, and logs the time of the next renewal', async () => {
    const directory = await madeDirectory(scratch, { now, days: 90 });
    await issueCertificates({ directory, profile: 'client', names: ['short'], days: 9, now });
    const { renewer: watch, clock, log, told } = renewer(directory, { prunePins: true });
    expect(await watch.round()).toEqual(renewalTime(leafOf(directory, 'short')));
    expect(told).toEqual([]);
    const before = leafOf(directory, 'short').serial;
    clock.time = daysOn(7);
    const next = await watch.round();
    const fresh = leafOf(directory, 'short');
    expect(fresh.serial).not.toBe(before);
    expect(next).toEqual(renewalTime(fresh));
    expect(told).toEqual(['announce short', 'prune', 'reload', 'verify client route server short']);
    expect(log.slice(1)).toEqual([
      `INF renewed "short" (client) until 2026-03-17, pin ${fresh.pin}`,
      'INF told everybody',
      `INF the next renewal is at ${next?.toISOString()}`,
    ]);
    expect(watch.renewed).toEqual(['short']);
    expect(await verifyDirectory(directory, { now: () => clock.time })).toEqual([]);
  });

  it('repeats a failed update of a server in the next round without renewing again', async () => {
    const directory = await madeDirectory(scratch, { now, days: 9 });
    const told: string[] = [];
    const failing: { reload?: Error } = { reload: new Error('away') };
    const { renewer: watch, clock } = renewer(directory, { updater: updater(told, failing) });
    clock.time = daysOn(7);
    await expect(watch.round()).rejects.toThrow('away');
    const { serial } = leafOf(directory, 'server');
    expect(told).toEqual(['announce client route server', 'reload']);
    delete failing.reload;
    told.length = 0;
    await watch.round();
    await watch.round();
    expect(told).toEqual(['reload', 'verify client route server']);
    expect(leafOf(directory, 'server').serial).toBe(serial);
  });

  it('changes nothing when the updater fails before the renewal', async () => {
    const directory = await madeDirectory(scratch, { now, days: 9 });
    const { serial } = leafOf(directory, 'server');
    const away = async () => Promise.reject(new Error('no such process'));
    const { renewer: watch, clock } = renewer(directory, { updater: away });
    clock.time = daysOn(7);
    await expect(watch.round()).rejects.toThrow('no such process');
    expect(leafOf(directory, 'server').serial).toBe(serial);
  });

  it('does not renew certificates that another process renewed meanwhile', async () => {
    const directory = await madeDirectory(scratch, { now, days: 9 });
    const one = renewer(directory);
    const other = renewer(directory);
    one.clock.time = other.clock.time = daysOn(7);
    await Promise.all([one.renewer.round(), other.renewer.round()]);
    expect([...one.renewer.renewed, ...other.renewer.renewed].sort()).toEqual(['client', 'route', 'server']);
  });

  it('logs a remark once, not in every round', async () => {
    const directory = await madeDirectory(scratch, { now, days: 90, authorityDays: 60 });
    const { renewer: watch, clock, log } = renewer(directory);
    clock.time = daysOn(50);
    await watch.round();
    await watch.round();
    expect(log.filter((line) => line.startsWith('WRN'))).toHaveLength(4);
  });

  it('keeps certificates valid for a simulated year', async () => {
    const directory = await madeDirectory(scratch, { now, days: 30 });
    const { renewer: watch, clock } = renewer(directory, { spread: 0.1 });
    for (let rounds = 0; clock.time < daysOn(365); rounds++) {
      expect(rounds).toBeLessThan(100);
      expect(await verifyDirectory(directory, { now: () => clock.time })).toEqual([]);
      clock.time = (await watch.round()) as Date;
    }
    const renewals = watch.renewed.filter((name) => name === 'server').length;
    expect(renewals).toBeGreaterThanOrEqual(17);
    expect(renewals).toBeLessThanOrEqual(19);
  });

  it('fails at the start when no round could succeed', async () => {
    const directory = await madeDirectory(scratch, { passphrase: 'right' });
    await expect(renewer(directory).renewer.prepare()).rejects.toMatchObject({ code: 'passphrase-needed' });
    const wrong = renewer(directory, { passphrase: 'wrong' }).renewer;
    await expect(wrong.prepare()).rejects.toMatchObject({ code: 'wrong-passphrase' });
    await renewer(directory, { passphrase: 'right' }).renewer.prepare();
  });
});

describe('a certificate file that is damaged', () => {
  it('does not prevent the renewal of other certificates, and its pin is not stale', async () => {
    const directory = await madeDirectory(scratch, { days: 90, now });
    const { pin } = leafOf(directory, 'client');
    writeFileSync(directory.certificateFile('client'), 'torn');
    const { renewer: made, clock, log, told } = renewer(directory);
    clock.time = daysOn(61);
    await made.round();
    expect(made.renewed).toEqual(['route', 'server']);
    expect(told).toContain('verify route server');
    expect(log).toContainEqual(
      `WRN "client" is not rotated: "${directory.certificateFile('client')}" is neither PEM nor DER of a certificate, request or key, natspki issue client client --san dns:client --force`,
    );
    expect([...(await stalePins(directory))]).not.toContain(pin);
  });

  it('fails a rotation that names it, and undo replaces it with the previous pair', async () => {
    const directory = await madeDirectory(scratch, { now });
    const { serial } = leafOf(directory, 'client');
    await rotateLeaves({ directory, names: ['client'], now });
    writeFileSync(directory.certificateFile('client'), 'torn');
    await expect(rotateLeaves({ directory, names: ['client'], now })).rejects.toMatchObject({
      code: 'no-material',
      hint: 'natspki issue client client --san dns:client --force',
    });
    await undoRotation({ directory, name: 'client', now });
    expect(leafOf(directory, 'client').serial).toBe(serial);
  });
});
