// A member that runs for days on a simulated clock: when it renews, what it logs, and what it survives.
import { beforeEach, describe, expect, it } from 'vitest';
import { Statements } from '../../../src/fleet/authority/statements.ts';
import { type DaemonOptions, runMember } from '../../../src/fleet/member/daemon.ts';
import { unreachable } from '../../../src/fleet/member/link.ts';
import { Member } from '../../../src/fleet/member/member.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import type { Timekeeper } from '../../../src/pki/rotate/rounds.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { copyOf, directLink, type TestFleet, testFleet } from '../../support/fleet.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf } from '../../support/pki.ts';

const scratch = testFolder('daemon');
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** A clock that advances during sleep; the clock of the member is wrong by `offMs`. */
class TestTime implements Timekeeper {
  readonly #start = Date.now();
  #elapsed = 0;
  offMs = 0;

  now(): Date {
    return new Date(this.true().getTime() + this.offMs);
  }

  /** What the authority thinks. */
  true(): Date {
    return new Date(this.#start + this.#elapsed);
  }

  elapsed(): number {
    return this.#elapsed;
  }

  async sleep(ms: number): Promise<void> {
    this.#elapsed += ms;
  }
}

let time: TestTime;
let fleet: TestFleet;
let directory: PkiDirectory;
let away: boolean;
let log: string[];

let names = 0;
let name: string;
beforeEach(async () => {
  time = new TestTime();
  fleet = await testFleet(scratch, [], { now: () => time.true() });
  log = [];
  away = false;
  name = `m-${names++}`;
  const now = () => time.true();
  await issueCertificates({ directory: fleet.directory, profile: 'client', names: [name], days: 1, now });
  directory = copyOf(fleet.directory, name, scratch);
});

const line = (level: string) => (text: string) => log.push(`${hours()} ${level} ${text}`);
const hours = () => Math.round((time.elapsed() / hourMs) * 10) / 10;
const logged = (pattern: RegExp) => log.filter((each) => pattern.test(each));

/** Runs a member until a time has passed, or `until` says so after a round trip to the authority. */
async function run(lastMs: number, options: Partial<DaemonOptions> = {}): Promise<void> {
  const controller = new AbortController();
  const arrives = async (what: string) => {
    if (away && what === 'request') throw unreachable('here', 'no answer');
  };
  const links = () => [directLink(fleet, { arrives })];
  const member = await Member.open({ directory, from: ['nats://localhost'], links, now: () => time.now() });
  const stopping: Timekeeper = {
    now: () => time.now(),
    elapsed: () => time.elapsed(),
    sleep: async (ms) => {
      await time.sleep(ms);
      if (time.elapsed() >= lastMs) controller.abort();
    },
  };
  const logger = { info: line('INF'), warn: line('WRN'), error: line('ERR') };
  const { signal } = controller;
  await runMember({ member, time: stopping, signal, logger, random: () => 1, ...options });
}

const renewals = () => logged(/INF renewed/).map((each) => Number(each.split(' ')[0]));

describe('a member that keeps running', () => {
  it('renews in the last third of the life', async () => {
    await run(dayMs);
    const [first, ...others] = renewals();
    expect(first).toBeCloseTo(16, 0);
    expect(others).toEqual([]);
    expect(log[0]).toMatch(/INF the next renewal is at /);
  });

  it('spreads the renewals of members whose certificates are of the same time', async () => {
    await run(dayMs, { policy: { spread: 1 } });
    expect(renewals()).toHaveLength(1);
    expect(renewals()[0]).toBeGreaterThan(15.9);
  });

  it('survives an authority that is away for hours: growing pauses, a warning each time, an error near the end', async () => {
    away = true;
    await run(26 * hourMs);
    expect(renewals()).toEqual([]);
    const tries = logged(/trying again in/);
    const pauses = tries.map((each) => /trying again in (\S+?)(;|$)/.exec(each)?.[1]);
    expect(pauses.slice(0, 4)).toEqual(['5s', '10s', '20s', '40s']);
    // One line for each try, at one level each.
    expect(logged(/cannot reach/).length).toBeGreaterThanOrEqual(tries.length);
    const levels = tries.map((each) => [Number(each.split(' ')[0]), each.split(' ')[1]] as const);
    const sides = levels.filter(([at]) => at < 21.5 || at > 21.8);
    for (const [at, level] of sides) expect([at, level]).toEqual([at, at > 21.7 ? 'ERR' : 'WRN']);
    expect(new Set(levels.map(([, level]) => level)).size).toBe(2);
    expect(logged(/"m-\d+" expires on/).length).toBeGreaterThan(5);
    const gaps = levels.slice(1).map(([at], i) => at - (levels[i]?.[0] as number));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1.1);
    expect(Math.min(...gaps.slice(20))).toBeLessThan(0.2);
  });

  it('renews soon after the authority is back', async () => {
    away = true;
    const back = 20 * hourMs;
    const arrive = time.sleep.bind(time);
    time.sleep = async (ms) => {
      await arrive(ms);
      if (time.elapsed() > back) away = false;
    };
    await run(dayMs);
    expect(renewals()[0]).toBeLessThan(20.5);
    expect(leafOf(directory, name).notAfter.getTime()).toBeGreaterThan(time.true().getTime());
  });

  it('renews with a clock that is a day ahead, without doing so all the time', async () => {
    time.offMs = dayMs;
    await run(dayMs);
    expect(renewals().length).toBeGreaterThan(0);
    // Hourly at most: to this member each certificate has expired already.
    expect(renewals().length).toBeLessThan(40);
    expect(logged(/is the clock of this host right/).length).toBeGreaterThan(0);
  });

  it('waits with a clock that is a day behind, and says that it may be', async () => {
    time.offMs = -dayMs;
    await run(6 * hourMs);
    expect(renewals()).toEqual([]);
    expect(logged(/WRN .*is the clock of this host behind/)).toHaveLength(1);
  });

  it('renews when the authority was replaced, long before its time', async () => {
    await run(hourMs);
    await startRollover({ directory: fleet.directory, now: () => time.true() });
    // The authority signs what it knew a second ago, by a clock that this test does not move.
    fleet = { ...fleet, statements: new Statements(fleet.authority, () => time.true()) };
    await run(14 * hourMs);
    const [first] = renewals();
    expect(first).toBeLessThan(14);
    expect(leafOf(directory, name).isSignedBy((await fleet.directory.readBundle())[0])).toBe(true);
    expect(logged(/took new authorities/)).toHaveLength(1);
  });

  it('renews everything at once when it is told to hurry', async () => {
    let controller = new AbortController();
    controller.abort();
    const hurry = {
      signal: () => controller.signal,
      take: () => {
        const { aborted } = controller.signal;
        controller = new AbortController();
        return aborted;
      },
    };
    await run(minuteMs, { hurry });
    expect(renewals()).toEqual([0]);
  });
});
