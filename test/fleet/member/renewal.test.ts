// A member renews its pairs: what it keeps on disk, what it believes, and what it does about its servers. The network is a
// function of this process.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Statements } from '../../../src/fleet/authority/statements.ts';
import { type AuthorityLink, AuthorityRefused, unreachable } from '../../../src/fleet/member/link.ts';
import { Member, type MemberOptions } from '../../../src/fleet/member/member.ts';
import { memberWrite, readMemberFile } from '../../../src/fleet/member/member-file.ts';
import { readPair } from '../../../src/fleet/member/pair.ts';
import { pendingFile, readPendingKey } from '../../../src/fleet/member/pending-key.ts';
import { signTrustStatement } from '../../../src/fleet/messages/trust-statement.ts';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import { finishRollover, startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { rotateLeaves } from '../../../src/pki/rotate/rotate.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { readCertificates } from '../../../src/x509/certificate.ts';
import { copyOf, directLink, memberFolder, type TestFleet, testFleet } from '../../support/fleet.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf } from '../../support/pki.ts';

const scratch = testFolder('renewal');
const { signal } = new AbortController();
let fleet: TestFleet;
let names = 0;

beforeAll(async () => {
  fleet = await testFleet(scratch, ['https://localhost:1']);
});

/** Makes a folder whose pair was issued by the authority and copied. */
async function copiedMember(from: TestFleet = fleet): Promise<{ directory: PkiDirectory; name: string }> {
  const name = `m-${names++}`;
  await issueCertificates({ directory: from.directory, profile: 'client', names: [name] });
  const directory = copyOf(from.directory, name, scratch);
  return { directory, name };
}

const open = (directory: PkiDirectory, options: Partial<MemberOptions> = {}, by = fleet) =>
  Member.open({ directory, from: ['nats://localhost'], links: () => [directLink(by)], ...options });

/** Renews one pair; rejects with its failure. */
async function renew(
  directory: PkiDirectory,
  name: string,
  options: Partial<MemberOptions> = {},
  by = fleet,
) {
  const done = await (await open(directory, options, by)).renew([name], signal);
  for (const { error } of done.failures) throw error;
  return done;
}

const archived = (directory: PkiDirectory, name: string) =>
  readdirSync(directory.stateFile(join('archive', name))).length;

describe('a renewal', () => {
  it('replaces the pair by one with a new key, archives the old one, and remembers where it asked', async () => {
    const { directory, name } = await copiedMember();
    const before = await readPair(directory, name);
    const { certificates } = await renew(directory, name);
    const after = await readPair(directory, name);
    expect(after.chain[0].pin).not.toBe(before.chain[0].pin);
    expect(after.chain[0].subjectDer).toEqual(before.chain[0].subjectDer);
    expect(certificates.map(({ serial }) => serial)).toEqual([after.chain[0].serial]);
    expect(statSync(after.files.keyFile).mode & 0o777).toBe(0o600);
    expect(archived(directory, name)).toBe(1);
    expect(existsSync(pendingFile(directory, 'pending', name))).toBe(false);
    expect((await readMemberFile(directory))?.from).toEqual(['nats://localhost']);
    expect(await verifyDirectory(directory)).toEqual([]);
    await renew(directory, name, { from: undefined as never });
  });

  it('writes the new key with mode 0600 before it asks', async () => {
    const { directory, name } = await copiedMember();
    let seen = 0;
    const arrives = async (what: string) => {
      if (what === 'request') seen = statSync(pendingFile(directory, 'pending', name)).mode & 0o777;
    };
    await renew(directory, name, { links: () => [directLink(fleet, { arrives })] });
    expect(seen).toBe(0o600);
  });

  it('asks again with the same key when the answer was lost, and gets the same certificate', async () => {
    const { directory, name } = await copiedMember();
    const arrives = async (what: string) => {
      if (what === 'answer') throw unreachable('here', 'the connection was lost');
    };
    await expect(renew(directory, name, { links: () => [directLink(fleet, { arrives })] })).rejects.toThrow();
    const issued = fleet.authority.index.newest.get(name)?.serial;
    // Also when the next run is asked to keep the key.
    const { certificates } = await renew(directory, name, { keepKey: true });
    expect(certificates[0]?.serial).toBe(issued);
  });

  it('gets the certificate whose answer was lost also when the old authority was dropped meanwhile', async () => {
    const own = await testFleet(scratch, []);
    const { directory, name } = await copiedMember(own);
    await startRollover({ directory: own.directory });
    await own.authority.refresh();
    await (await open(directory, {}, own)).refreshTrust(signal);
    const arrives = async (what: string) => {
      if (what === 'answer') throw unreachable('here', 'the connection was lost');
    };
    const lossy = { links: () => [directLink(own, { arrives })] };
    await expect(renew(directory, name, lossy, own)).rejects.toThrow('the connection was lost');
    const issued = own.authority.index.newest.get(name)?.serial;
    await rotateLeaves({ directory: own.directory });
    await finishRollover({ directory: own.directory });
    const { certificates } = await renew(directory, name, {}, own);
    expect(certificates[0]?.serial).toBe(issued);
    expect(await verifyDirectory(directory)).toEqual([]);
  });

  it('never asks with two keys: one that was kept stays the one of the next attempt', async () => {
    const { directory, name } = await copiedMember();
    const arrives = async (what: string) => {
      if (what === 'answer') throw unreachable('here', 'the connection was lost');
    };
    const lossy = { keepKey: true, links: () => [directLink(fleet, { arrives })] };
    await expect(renew(directory, name, lossy)).rejects.toThrow();
    const { pin } = leafOf(directory, name);
    const { certificates } = await renew(directory, name);
    expect(certificates[0]?.pin).toBe(pin);
    expect((await renew(directory, name)).certificates[0]?.pin).not.toBe(pin);
  });

  it('keeps the key when it is told to', async () => {
    const { directory, name } = await copiedMember();
    const before = leafOf(directory, name);
    await renew(directory, name, { keepKey: true });
    const after = leafOf(directory, name);
    expect({ pin: after.pin, isNew: after.serial !== before.serial }).toEqual({
      pin: before.pin,
      isNew: true,
    });
  });

  it('leaves one certificate when two processes renew the same name at once', async () => {
    const { directory, name } = await copiedMember();
    let waiting = 0;
    let go = () => {};
    const all = new Promise<void>((resolve) => {
      go = resolve;
    });
    const arrives = async (what: string) => {
      if (what === 'request' && ++waiting === 2) go();
      await all;
    };
    const links = () => [directLink(fleet, { arrives })];
    const both = await Promise.all([renew(directory, name, { links }), renew(directory, name, { links })]);
    const serials = new Set(both.flatMap(({ certificates }) => certificates.map(({ serial }) => serial)));
    expect([...serials]).toEqual([leafOf(directory, name).serial]);
    expect(archived(directory, name)).toBe(1);
  });

  it('takes the next way to the authority when one does not answer, and names both when neither does', async () => {
    const { directory, name } = await copiedMember();
    const away: AuthorityLink = {
      name: 'away',
      renew: async () => Promise.reject(unreachable('away', 'no answer')),
      statement: async () => Promise.reject(unreachable('away', 'no answer')),
    };
    await expect(renew(directory, name, { links: () => [away, away] })).rejects.toMatchObject({
      code: 'unreachable',
      lines: [expect.stringContaining('away'), expect.stringContaining('away')],
    });
    await renew(directory, name, { links: () => [away, directLink(fleet)] });
  });

  it('says how a member is let in again whose key was copied', async () => {
    const { directory, name } = await copiedMember();
    const thief = memberFolder(scratch);
    mkdirSync(thief.path, { recursive: true });
    for (const file of readdirSync(directory.path)) {
      writeFileSync(join(thief.path, file), readFileSync(join(directory.path, file)), { mode: 0o600 });
    }
    await renew(thief, name);
    const before = leafOf(directory, name);
    const refused = await renew(directory, name).catch((error: AuthorityRefused) => error);
    expect(refused).toBeInstanceOf(AuthorityRefused);
    expect(refused).toMatchObject({ code: 'refused-by-authority' });
    expect((refused as AuthorityRefused).hint).toContain('natspki invite --again');
    expect(leafOf(directory, name).serial).toBe(before.serial);
  });

  it('renews the others when one name is refused', async () => {
    const { directory, name } = await copiedMember();
    const other = await copiedMember();
    for (const file of ['certificateFile', 'keyFile'] as const) {
      writeFileSync(directory.pair(other.name)[file], readFileSync(other.directory.pair(other.name)[file]), {
        mode: 0o600,
      });
    }
    await renew(other.directory, other.name);
    const done = await (await open(directory)).renew([other.name, name], signal);
    expect(done.certificates.map((each) => each.name)).toEqual([name]);
    expect(done.failures.map((each) => each.name)).toEqual([other.name]);
  });
});

describe('an answer', () => {
  /** Answers with what `change` makes of the answer of the authority. */
  const between = (
    change: (reply: { certificates: readonly ReturnType<typeof leafOf>[]; statement?: string }) => Promise<{
      certificates: readonly ReturnType<typeof leafOf>[];
      statement?: string;
    }>,
    by = fleet,
  ): AuthorityLink => {
    const real = directLink(by);
    return {
      ...real,
      renew: (ask, accept, given) => real.renew(ask, async (reply) => accept(await change(reply)), given),
    };
  };

  it('is refused when its certificate is for another key, or of an authority that is not trusted', async () => {
    const { directory, name } = await copiedMember();
    const before = leafOf(directory, name);
    const other = between(async () => ({ certificates: [leafOf(fleet.directory, 'client')] }));
    await expect(renew(directory, name, { links: () => [other] })).rejects.toMatchObject({
      code: 'untrusted-answer',
    });
    const foreign = await testFleet(scratch, []);
    const stranger: AuthorityLink = {
      ...directLink(fleet),
      async renew({ request }, accept) {
        const file = join(directory.path, 'stolen.csr');
        writeFileSync(file, request);
        const source = { bytes: request, file };
        const made = await issueCertificates({
          ...{ directory: foreign.directory, profile: 'client', names: [name], request: source },
        });
        const chain = readFileSync(made.certificates[0]?.certificateFile as string);
        return accept({ certificates: readCertificates(chain, 'answer') });
      },
    };
    await expect(renew(directory, name, { links: () => [stranger] })).rejects.toMatchObject({
      code: 'untrusted-answer',
    });
    expect(leafOf(directory, name).der).toEqual(before.der);
  });

  it('brings new roots only in a statement that a trusted root stands behind, and the certificate without', async () => {
    const { directory, name } = await copiedMember();
    const bundle = readFileSync(directory.authorityFile);
    const foreign = await testFleet(scratch, []);
    const { current, roots } = await foreign.directory.readAuthority();
    const forgedBy = async (key = current.key, chain = [current.certificate]) =>
      signTrustStatement(
        { roots: [...roots] as never, counter: 8e12, crlNumber: 0, time: new Date() },
        { key, chain },
      );
    const own = await fleet.directory.readBundle();
    for (const statement of [await forgedBy(), await forgedBy(current.key, [...own]), '{}', '']) {
      const link = between(async (reply) => ({ ...reply, statement }));
      const { notices, rootsChanged } = await renew(directory, name, { links: () => [link] });
      expect(notices.join()).toMatch(/ca\.pem stays as it is: the trust statement /);
      expect(rootsChanged).toBe(false);
    }
    expect(readFileSync(directory.authorityFile)).toEqual(bundle);
    expect((await readMemberFile(directory))?.counter).toBe(0);
  });

  it('takes no statement that is older than the last one', async () => {
    const replaced = await testFleet(scratch, []);
    const { directory, name } = await copiedMember(replaced);
    const old = await replaced.statements.sign();
    await startRollover({ directory: replaced.directory });
    await renew(directory, name, {}, replaced);
    expect(await directory.readBundle()).toHaveLength(2);
    const link = between(async (reply) => ({ ...reply, statement: old }), replaced);
    const { notices } = await renew(directory, name, { links: () => [link] }, replaced);
    expect(notices.join()).toContain('expected more than');
    expect(await directory.readBundle()).toHaveLength(2);
  });
});

describe('a new authority', () => {
  it('reaches the members before the old one is dropped, and leaves with it', async () => {
    const replaced = await testFleet(scratch, []);
    const { directory, name } = await copiedMember(replaced);
    await startRollover({ directory: replaced.directory });
    const { rootsChanged } = await renew(directory, name, {}, replaced);
    expect(rootsChanged).toBe(true);
    const bundle = await directory.readBundle();
    expect(bundle).toHaveLength(2);
    expect(leafOf(directory, name).isSignedBy(bundle[0])).toBe(true);
    // The cross-signed certificate follows, for peers that know only the old root.
    expect(await directory.readChain(name)).toHaveLength(2);
    expect(await verifyDirectory(directory)).toEqual([]);
    await finishRollover({ directory: replaced.directory, force: true });
    // The authority signs what it knew a second ago.
    const statements = new Statements(replaced.authority);
    const member = await open(directory, {}, { ...replaced, statements });
    await member.refreshTrust(signal);
    expect(await directory.readBundle()).toHaveLength(1);
    expect((await member.renew([], signal)).rootsChanged).toBe(true);
    expect((await member.renew([], signal)).rootsChanged).toBe(false);
  });

  it('is in ca.pem before the pair below it is written', async () => {
    const replaced = await testFleet(scratch, []);
    const { directory, name } = await copiedMember(replaced);
    await startRollover({ directory: replaced.directory });
    const before = leafOf(directory, name).serial;
    const member = await open(directory, {}, replaced);
    await member.refreshTrust(signal);
    expect(await directory.readBundle()).toHaveLength(2);
    expect(leafOf(directory, name).serial).toBe(before);
  });
});

describe('the servers of a member', () => {
  it('are told once by --exec, with the names', async () => {
    const { directory, name } = await copiedMember();
    const file = join(directory.path, 'told');
    const exec = `echo "$NATSPKI_RENEWED" >> "${file}"`;
    await renew(directory, name, { exec });
    const member = await open(directory, { exec });
    await member.renew([], signal);
    expect(readFileSync(file, 'utf8')).toBe(`${name}\n`);
  });

  it('are told by the next run when the command failed, or the process was killed before', async () => {
    const { directory, name } = await copiedMember();
    await expect(renew(directory, name, { exec: 'exit 3' })).rejects.toMatchObject({
      code: 'exec-failed',
      message: 'the command of --exec ended with code 3',
    });
    const serial = leafOf(directory, name).serial;
    const file = join(directory.path, 'told');
    await (await open(directory, { exec: `echo "$NATSPKI_RENEWED" > "${file}"` })).renew([], signal);
    expect(readFileSync(file, 'utf8')).toBe(`${name}\n`);
    expect(leafOf(directory, name).serial).toBe(serial);
    expect(await readPendingKey(directory, 'pending', name)).toBeUndefined();
  });
});

describe('the folder of a member', () => {
  it('is not that of an authority', async () => {
    await expect(open(fleet.directory)).rejects.toMatchObject({ code: 'authority-exists' });
  });

  it('needs to know where the authority is', async () => {
    const { directory } = await copiedMember();
    await expect(Member.open({ directory })).rejects.toMatchObject({ code: 'no-member' });
    writeFileSync(directory.path.concat('/ca.pem'), readFileSync(directory.authorityFile));
    const write = memberWrite(directory, { from: ['nats://localhost'], counter: 3 });
    await directory.exclusive(() => directory.write({ others: [write] }, new Date()));
    expect((await Member.open({ directory })).links).toHaveLength(1);
    for (const text of ['', '{}', '{"version":2}', '{"version":1,"from":["ftp://x"],"counter":0}']) {
      writeFileSync(directory.memberFile, text);
      await expect(Member.open({ directory }), text).rejects.toMatchObject({ code: 'damaged-member' });
    }
  });
});
