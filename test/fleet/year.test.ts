// A year of a fleet in minutes: every member renews itself, the authority is replaced, and processes are killed at random, while
// clients connect to every server. NATSPKI_YEAR=1 runs the whole year, for about ten minutes, instead of a few renewals.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { membersUnderWay, planFinish } from '../../src/pki/rotate/ca-rollover.ts';
import { verifyDirectory } from '../../src/pki/verify/verification.ts';
import { bin } from '../harness/process.ts';
import { connectWith, readClientFiles } from '../pki/rotate/rotation-traffic.ts';
import { testFolder } from '../support/folder.ts';
import { describePeer } from '../support/peers.ts';
import { below, seeded } from '../support/seeded.ts';
import { type FleetServer, RunningFleet } from './running-fleet.ts';

const wholeYear = process.env.NATSPKI_YEAR === '1';
/** Times are means of random ones, in milliseconds. In the short run a member is told to renew every `hurryMs`. */
const scale = wholeYear
  ? {
      pairs: 2,
      clients: 12,
      renewals: 12,
      authorities: 2,
      everyMs: 25_000,
      killMs: 2000,
      awayMs: 6000,
      restartMs: 30_000,
      hurryMs: 0,
    }
  : {
      pairs: 1,
      clients: 2,
      renewals: 2,
      authorities: 1,
      everyMs: 30_000,
      killMs: 1000,
      awayMs: 300,
      restartMs: 3000,
      hurryMs: 120,
    };

const dayMs = 24 * 60 * 60 * 1000;
/** A certificate is valid for five minutes before it is issued, and is renewed in the last third of its life. */
const lifeMs = (3 * scale.everyMs + 5 * 60_000) / 2;
/** The part of the time for which the authority is away. */
const awayPart = 0.1;

const scratch = testFolder('fleet-year');

/** What a server or a member logs when it rejects a certificate. */
const rejection =
  /handshake error.*(certificate|authority|expired|verif)|untrusted|not the authority|Refused to| refused: |is not trusted/i;

class Year {
  readonly problems: string[] = [];
  handshakes = 0;
  kills = { authority: 0, members: 0, servers: 0 };
  awayMs = 0;
  readonly #fleet: RunningFleet;
  readonly #random = seeded(17);
  readonly #stop = new AbortController();
  #work: Promise<void>[] = [];

  constructor(fleet: RunningFleet) {
    this.#fleet = fleet;
  }

  /** Begins to connect and to kill. */
  begin(): void {
    const { servers } = this.#fleet;
    this.#work = [
      ...servers.map((server) => this.#repeat(() => this.#visit(server))),
      ...(wholeYear ? [] : [this.#repeat(() => this.#hurryMember())]),
      this.#repeat(() => this.#killMember()),
      this.#repeat(() => this.#takeAuthorityAway()),
      this.#repeat(() => this.#restartServer()),
    ];
  }

  /** Ends both; everything runs afterwards. */
  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#work);
  }

  async #repeat(work: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await work();
      } catch (error) {
        this.problems.push((error as Error).stack ?? String(error));
        return;
      }
    }
  }

  /** Waits up to twice as long as given, at random. */
  async #pause(ms: number): Promise<void> {
    await delay(2 * ms * this.#random(), undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  /** Connects to a server with the newest files of a client. */
  async #visit(server: FleetServer): Promise<void> {
    await this.#pause(100);
    const { starts, process } = server;
    if (process === undefined) return;
    const clients = this.#fleet.members.filter(({ profile }) => profile === 'client');
    const { name, directory } = clients[below(this.#random, clients.length)] as (typeof clients)[0];
    const { files } = await readClientFiles(directory.path, name);
    try {
      const client = await connectWith(server.port, files);
      client.close();
      this.handshakes++;
    } catch (error) {
      const wasKilled = server.process === undefined || server.starts !== starts;
      if (!wasKilled) this.problems.push(`${server.id} and ${name}: ${(error as Error).message}`);
    }
  }

  async #killMember(): Promise<void> {
    await this.#pause(scale.killMs);
    const { members } = this.#fleet;
    const member = members[below(this.#random, members.length)] as (typeof members)[0];
    await this.#fleet.killDaemon(member);
    this.kills.members++;
    await this.#pause(scale.killMs / 4);
    this.#fleet.startDaemon(member);
  }

  async #hurryMember(): Promise<void> {
    await this.#pause(scale.hurryMs);
    const { members } = this.#fleet;
    this.#fleet.hurryDaemon(members[below(this.#random, members.length)] as (typeof members)[0]);
  }

  async #takeAuthorityAway(): Promise<void> {
    await this.#pause(scale.awayMs / awayPart - scale.awayMs);
    const began = performance.now();
    await this.#fleet.killAuthority();
    this.kills.authority++;
    await this.#pause(scale.awayMs);
    await this.#fleet.startAuthority();
    this.awayMs += performance.now() - began;
  }

  async #restartServer(): Promise<void> {
    await this.#pause(scale.restartMs);
    if (this.#stop.signal.aborted) return;
    const { servers } = this.#fleet;
    const server = servers[below(this.#random, servers.length)] as FleetServer;
    await this.#fleet.killServer(server);
    this.kills.servers++;
    await this.#fleet.startServer(server);
  }

  /** Resolves when a condition holds, or something has gone wrong. */
  async until(condition: () => Promise<boolean>): Promise<void> {
    const isOver = async () => this.problems.length > 0 || (await condition());
    await vi.waitUntil(isOver, { timeout: wholeYear ? 600_000 : 60_000, interval: 200 });
    expect(this.problems).toEqual([]);
  }

  /** Resolves when each member has renewed this often. */
  async renewed(times: number): Promise<void> {
    await this.until(async () =>
      [...(await this.#fleet.renewals()).values()].every((count) => count >= times),
    );
  }

  /** Replaces the authority while everything runs. */
  async replaceAuthority(): Promise<void> {
    const { directory } = this.#fleet;
    expect(await this.#fleet.command('rotate', '--ca')).toBe(0);
    expect(await this.#fleet.command('rotate')).toBe(0);
    const isPlanned = () =>
      planFinish({ directory }).then(
        () => true,
        () => false,
      );
    // Without --clients-ready, the command refuses because of the pair `authority`, which `serve` uses.
    const finish = ['rotate', '--ca', '--finish', '--clients-ready'];
    await this.until(
      async () =>
        (await isPlanned()) &&
        (await membersUnderWay({ directory })).length === 0 &&
        (await this.#fleet.command(...finish)) === 0,
    );
    expect(await directory.readBundle()).toHaveLength(1);
  }

  /** Resolves when each member trusts the present authority alone, and has a certificate of it. */
  async settled(): Promise<void> {
    const [root] = await this.#fleet.directory.readBundle();
    let waiting = this.#fleet.members;
    await this.until(async () => {
      // A daemon of the whole year takes the roots with its next renewal.
      if (!wholeYear) for (const member of waiting) this.#fleet.hurryDaemon(member);
      const states = waiting.map(async ({ directory }) => {
        const roots = await directory.readBundle();
        const isAlone = roots.length === 1 && roots[0].der.equals(root.der);
        return isAlone && (await verifyDirectory(directory)).length === 0;
      });
      const settled = await Promise.all(states);
      waiting = waiting.filter((_, i) => !settled[i]);
      return waiting.length === 0;
    });
  }
}

/** Publishes on each server; returns whether the others receive it, over their routes. */
async function reachEachOther({ servers, members }: RunningFleet): Promise<boolean> {
  const client = members.find(({ profile }) => profile === 'client') as (typeof members)[0];
  const { files } = await readClientFiles(client.directory.path, client.name);
  const clients = await Promise.all(servers.map(({ port }) => connectWith(port, files)));
  const heard = clients.map(() => new Set<string>());
  for (const [i, each] of clients.entries()) {
    each.subscribeAll(['reach'], ({ payload }) => heard[i]?.add(String(payload)));
    await each.processed();
  }
  try {
    await vi.waitUntil(
      () => {
        for (const [i, each] of clients.entries()) each.publish('reach', String(i));
        return heard.every(({ size }) => size === servers.length);
      },
      { timeout: 20_000, interval: 100 },
    );
    return true;
  } finally {
    for (const each of clients) each.close();
  }
}

async function throughYear(programs: readonly { program: readonly string[]; isSignalled: boolean }[]) {
  const began = performance.now();
  const servers = programs.flatMap((each) => Array.from({ length: scale.pairs }, () => each));
  const fleet = await RunningFleet.start(scratch, { servers, clients: scale.clients, days: lifeMs / dayMs });
  const year = new Year(fleet);
  try {
    year.begin();
    for (let i = 1; i <= scale.authorities; i++) {
      await year.renewed(Math.round((scale.renewals * i) / (scale.authorities + 1)));
      await year.replaceAuthority();
    }
    await year.renewed(scale.renewals);
    await year.end();
    await year.settled();
    expect(await reachEachOther(fleet)).toBe(true);
  } finally {
    await year.end();
    await fleet.stop();
  }
  expect(year.problems).toEqual([]);
  const rejected = fleet.logs.flatMap(({ name, text }) =>
    text.split('\n').flatMap((line) => (rejection.test(line) ? [`${name}: ${line}`] : [])),
  );
  expect(rejected).toEqual([]);
  const folders = [...fleet.foldersOfKeys().values()];
  // Each host has the keys of its renewals, in the archive.
  expect(folders.length).toBeGreaterThan(fleet.members.length * scale.renewals);
  expect(folders.filter(({ size }) => size > 1)).toEqual([]);
  const counts = [...(await fleet.renewals()).values()];
  const { authority, members, servers: restarts } = year.kills;
  const seconds = (performance.now() - began) / 1000;
  const parts = [
    `${counts.length} members, ${Math.min(...counts)} to ${Math.max(...counts)} renewals each`,
    `${scale.authorities} new authorities`,
    `${year.handshakes} handshakes, 0 refused`,
    `killed: ${authority} times the authority, ${members} times a member, ${restarts} times a server`,
    `${fleet.torn} starts of a server between the two files of a pair`,
    `the authority was away for ${(year.awayMs / 10 / seconds).toFixed(0)} % of ${seconds.toFixed(0)} s`,
  ];
  process.stdout.write(`${parts.join('; ')}\n`);
}

describe('a year of a fleet', () => {
  describePeer('nats-server', 'on brokers and nats-servers', (nats) => {
    it('rejects no member, moves no key, and leaves no member on a replaced authority', async () => {
      await throughYear([
        { program: [process.execPath, bin, 'broker'], isSignalled: false },
        { program: [nats], isSignalled: true },
      ]);
    }, 900_000);
  });
});
