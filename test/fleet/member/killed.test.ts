// A member that is killed at every step of a renewal or an enrolment, and an authority between signing and answering. The
// steps are the writes of the member, which are one transaction each; test/pki/rotate kills in the middle of those.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FleetAuthority } from '../../../src/fleet/authority/authority.ts';
import { Statements } from '../../../src/fleet/authority/statements.ts';
import { enrol } from '../../../src/fleet/member/enroll.ts';
import { Member } from '../../../src/fleet/member/member.ts';
import { readPair } from '../../../src/fleet/member/pair.ts';
import { decodeToken } from '../../../src/fleet/token.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { type Change, PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import {
  copyOf,
  directLink,
  type EstServer,
  memberFolder,
  serveEst,
  silentLogger,
  type TestFleet,
  testFleet,
} from '../../support/fleet.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf } from '../../support/pki.ts';

const scratch = testFolder('member-killed');
const { signal } = new AbortController();

class Killed extends Error {}

/** A folder whose process is killed right before or right after its n-th write. */
class DyingDirectory extends PkiDirectory {
  #left: number;
  readonly #isAfter: boolean;

  constructor(path: string, step: number) {
    super(path);
    this.#left = Math.ceil(step / 2);
    this.#isAfter = step % 2 === 0;
  }

  override async write(change: Change, now: Date): Promise<string[]> {
    this.#left--;
    if (this.#left === 0 && !this.#isAfter) throw new Killed();
    const kept = await super.write(change, now);
    if (this.#left === 0) throw new Killed();
    return kept;
  }
}

const ledgerOf = (fleet: TestFleet, name: string) =>
  fleet.directory.ledger.read().then(({ entries }) => entries.filter((entry) => entry.name === name));

/** Checks that a folder is as if nothing had happened. */
async function expectWhole(directory: PkiDirectory, name: string): Promise<void> {
  const { files } = await readPair(directory, name);
  expect(statSync(files.keyFile).mode & 0o777).toBe(0o600);
  expect(await verifyDirectory(directory)).toEqual([]);
  for (const folder of ['pending', 'enrolling']) {
    const left = readdirSync(directory.stateFile('.')).includes(folder)
      ? readdirSync(directory.stateFile(folder))
      : [];
    expect(left).toEqual([]);
  }
}

describe('a member that is killed', () => {
  let fleet: TestFleet;
  let server: EstServer;
  beforeAll(async () => {
    fleet = await testFleet(scratch, ['https://localhost:1']);
    server = await serveEst(fleet);
  });
  afterAll(() => server.close());

  it('at any step of a renewal is renewed once by its next run, and its servers are told', async () => {
    const replaced = await testFleet(scratch, []);
    const names = Array.from({ length: 30 }, (_, i) => `m-${i}`);
    await issueCertificates({ directory: replaced.directory, profile: 'client', names });
    const copies = names.map((name) => copyOf(replaced.directory, name, scratch));
    // So that the renewal also takes new roots.
    await startRollover({ directory: replaced.directory });
    let steps = 0;
    for (;;) {
      const name = names[steps] as string;
      const directory = copies[steps] as PkiDirectory;
      const told = join(directory.path, 'told');
      const options = {
        from: ['nats://localhost'],
        links: () => [directLink(replaced)],
        exec: `echo $NATSPKI_RENEWED >> "${told}"`,
      };
      steps++;
      const dying = new DyingDirectory(directory.path, steps);
      const first = await Member.open({ ...options, directory: dying }).then((member) =>
        member.renew([name], signal).then(
          () => 'done',
          (error) => (error instanceof Killed ? 'killed' : error),
        ),
      );
      if (first === 'done') break;
      expect(first).toBe('killed');
      // What the operator does after a crash is what the daemon does: it renews what is due, and tells what was not told.
      const isRenewed =
        (await directory.readBundle()).length === 2 && (await ledgerOf(replaced, name)).length === 2;
      const present = leafOf(directory, name).serial;
      const newest = (await ledgerOf(replaced, name)).at(-1)?.serial;
      const again = await Member.open({ ...options, directory });
      const { failures } = await again.renew(present === newest && isRenewed ? [] : [name], signal);
      expect({ steps, failures }).toEqual({ steps, failures: [] });
      const entries = await ledgerOf(replaced, name);
      expect({ steps, entries: entries.length }).toEqual({ steps, entries: 2 });
      expect(leafOf(directory, name).serial).toBe(entries.at(-1)?.serial);
      expect(readFileSync(told, 'utf8')).toContain(name);
      await expectWhole(directory, name);
    }
    // The pending key, the roots, the pair, the end: each before and after.
    expect(steps).toBe(9);
    expect(replaced.authority.tally.copied).toEqual([]);
  });

  it('at any step of an enrolment is enrolled once by its next run with the same token', async () => {
    for (let steps = 1; ; steps++) {
      const name = `e-${steps}`;
      const token = decodeToken(await fleet.token(name, { urls: [server.url] }));
      const directory = memberFolder(scratch);
      const dying = new DyingDirectory(directory.path, steps);
      const first = await enrol({ directory: dying, token, signal }).then(
        () => 'done',
        (error) => (error instanceof Killed ? 'killed' : error),
      );
      if (first === 'done') {
        expect(steps).toBe(5);
        return;
      }
      expect(first).toBe('killed');
      await enrol({ directory, token, signal });
      expect(await ledgerOf(fleet, name)).toHaveLength(1);
      await expectWhole(directory, name);
    }
  });
});

describe('an authority that is killed between signing and answering', () => {
  it('gives the same certificate to the member that asks again, and has it in the ledger once', async () => {
    const fleet = await testFleet(scratch, []);
    const name = 'web-1';
    await issueCertificates({ directory: fleet.directory, profile: 'client', names: [name] });
    const directory = copyOf(fleet.directory, name, scratch);
    const renew = async (authority: FleetAuthority) => {
      const links = () => [directLink({ ...fleet, authority, statements: new Statements(authority) })];
      const member = await Member.open({ directory, from: ['nats://localhost'], links });
      return member.renew([name], signal);
    };
    const announce = async () => {
      throw new Killed();
    };
    const options = { directory: fleet.directory, logger: silentLogger };
    await expect(renew(await FleetAuthority.open({ ...options, announce }))).rejects.toBeInstanceOf(Killed);
    const signed = (await ledgerOf(fleet, name)).at(-1);
    expect(await ledgerOf(fleet, name)).toHaveLength(2);
    const { certificates, failures } = await renew(await FleetAuthority.open(options));
    expect(failures).toEqual([]);
    expect(certificates.map(({ serial }) => serial)).toEqual([signed?.serial]);
    expect(await ledgerOf(fleet, name)).toHaveLength(2);
  });

  it('is found again through a torn ledger, whose last line was being written', async () => {
    const fleet = await testFleet(scratch, []);
    await issueCertificates({ directory: fleet.directory, profile: 'client', names: ['web-1'] });
    const directory = copyOf(fleet.directory, 'web-1', scratch);
    const { file } = fleet.directory.ledger;
    const lost = { links: () => [directLink(fleet, { arrives: async (what) => refuseAnswer(what) })] };
    const from = ['nats://localhost'];
    const first = await Member.open({ directory, from, ...lost });
    await expect(first.renew(['web-1'], signal)).rejects.toBeInstanceOf(Killed);
    // The machine lost its power while the last line was written: the member has no answer, and neither has the ledger.
    writeFileSync(file, readFileSync(file).subarray(0, -40));
    const authority = await FleetAuthority.open({ directory: fleet.directory, logger: silentLogger });
    const links = () => [directLink({ ...fleet, authority, statements: new Statements(authority) })];
    const { failures } = await (await Member.open({ directory, from, links })).renew(['web-1'], signal);
    expect(failures).toEqual([]);
    const { entries, damagedLines } = await fleet.directory.ledger.read();
    expect(entries.at(-1)?.serial).toBe(leafOf(directory, 'web-1').serial);
    expect(damagedLines).toHaveLength(1);
  });
});

function refuseAnswer(what: string): void {
  if (what === 'answer') throw new Killed();
}
