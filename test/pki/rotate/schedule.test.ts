// Renewal on a clock of the test's own: when each certificate is due, what a round does, and what it owes afterwards.
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LineLogger } from '../../../src/log.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { Renewer, type RenewerOptions, type ServerUpdater } from '../../../src/pki/rotate/renewer.ts';
import { rotateLeaves, stalePins, undoRotation } from '../../../src/pki/rotate/rotate.ts';
import { renewalTime, scheduleRenewal } from '../../../src/pki/rotate/schedule.ts';
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

/** Writes down what it is told. */
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

/** A renewer whose clock the test sets, with its log. */
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

  it('is the last third of a life, or the window asked for', () => {
    expect(renewalTime(life(90))).toEqual(daysOn(60));
    expect(renewalTime(life(90), { dueMs: 10 * day })).toEqual(daysOn(80));
  });

  it('comes after a third of a life where the window is longer than that leaves', () => {
    expect(renewalTime(life(9), { dueMs: 30 * day })).toEqual(daysOn(3));
  });

  it('is spread by the pin over a part of the window, the same at each asking', () => {
    const [first, last] = ['0'.repeat(64), 'f'.repeat(64)].map((pin) =>
      renewalTime(life(90, pin), { spread: 0.1 }),
    );
    expect(first).toEqual(daysOn(60));
    expect(last?.getTime()).toBeCloseTo(daysOn(63).getTime(), -2);
  });
});

describe('the schedule', () => {
  it('names what is due, and when the next will be', async () => {
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

  it('leaves alone what a renewal would not let live longer, and says so', async () => {
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
  it('renews what is due, tells everybody in the right order, and says when the next will be', async () => {
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

  it('owes a server the news that it could not be told, and renews nothing twice for that', async () => {
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

  it('changes nothing where the updater cannot be told of it beforehand', async () => {
    const directory = await madeDirectory(scratch, { now, days: 9 });
    const { serial } = leafOf(directory, 'server');
    const away = async () => Promise.reject(new Error('no such process'));
    const { renewer: watch, clock } = renewer(directory, { updater: away });
    clock.time = daysOn(7);
    await expect(watch.round()).rejects.toThrow('no such process');
    expect(leafOf(directory, 'server').serial).toBe(serial);
  });

  it('does not renew again what another process renewed meanwhile', async () => {
    const directory = await madeDirectory(scratch, { now, days: 9 });
    const one = renewer(directory);
    const other = renewer(directory);
    one.clock.time = other.clock.time = daysOn(7);
    await Promise.all([one.renewer.round(), other.renewer.round()]);
    expect([...one.renewer.renewed, ...other.renewer.renewed].sort()).toEqual(['client', 'route', 'server']);
  });

  it('makes a remark once, not every hour', async () => {
    const directory = await madeDirectory(scratch, { now, days: 90, authorityDays: 60 });
    const { renewer: watch, clock, log } = renewer(directory);
    clock.time = daysOn(50);
    await watch.round();
    await watch.round();
    expect(log.filter((line) => line.startsWith('WRN'))).toHaveLength(4);
  });

  it('keeps certificates alive for a year of rounds', async () => {
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

  it('fails at the start where no round could ever succeed', async () => {
    const directory = await madeDirectory(scratch, { passphrase: 'right' });
    await expect(renewer(directory).renewer.prepare()).rejects.toMatchObject({ code: 'passphrase-needed' });
    const wrong = renewer(directory, { passphrase: 'wrong' }).renewer;
    await expect(wrong.prepare()).rejects.toMatchObject({ code: 'wrong-passphrase' });
    await renewer(directory, { passphrase: 'right' }).renewer.prepare();
  });
});

describe('a certificate file that is damaged', () => {
  it('keeps no other certificate from its renewal, and no pin of its own in place', async () => {
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

  it('fails the renewal that names it, and gives way to the pair before it', async () => {
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
