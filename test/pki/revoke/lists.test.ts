// The revocation lists of an authority: what is on them, who signs them, and what openssl makes of them.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renewRevocationLists, writeRevocationLists } from '../../../src/pki/revoke/lists.ts';
import { revokeCertificates } from '../../../src/pki/revoke/revocation.ts';
import { startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { replaceIntermediate } from '../../../src/pki/rotate/intermediate-rollover.ts';
import type { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { readRevocationLists } from '../../../src/x509/revocation-list.ts';
import { openssl } from '../../harness/openssl.ts';
import { testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('lists');
const start = new Date();
const daysLater = (days: number) => () => new Date(start.getTime() + days * 86_400_000);
const now = daysLater(0);
const made = (options = {}) =>
  madeDirectory(scratch, { clients: ['alice', 'bob'], days: 90, now, ...options });

async function revoke(directory: PkiDirectory, name: string, time = now) {
  const reason = 'keyCompromise' as const;
  await revokeCertificates({ directory, names: [name], reason, lockOut: async () => undefined, now: time });
}

async function listsOf(directory: PkiDirectory) {
  const file = directory.revocationListFile;
  return readRevocationLists(await directory.read(file), file);
}

/** Returns what openssl says of a certificate, with the check of revocation lists. */
function opensslVerdict(directory: PkiDirectory, chain: string, ...flags: string[]): string {
  const trust = [
    '-CAfile',
    directory.authorityFile,
    '-untrusted',
    chain,
    '-CRLfile',
    directory.revocationListFile,
  ];
  try {
    return openssl('verify', ...trust, ...(flags.length === 0 ? ['-crl_check'] : flags), chain).trim();
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr ?? error);
  }
}

describe('a revocation list', () => {
  it('has the revoked certificate with time and reason, and openssl rejects this certificate alone', async () => {
    const directory = await made();
    const bob = leafOf(directory, 'bob');
    const file = join(directory.path, 'bob.pem');
    writeFileSync(file, bob.toPem());
    await revoke(directory, 'bob');
    const { lists, notices } = await writeRevocationLists({ directory, now });
    expect(notices).toEqual([]);
    const [list, ...rest] = await listsOf(directory);
    expect(rest).toEqual([]);
    const revokedAt = new Date(Math.floor(start.getTime() / 1000) * 1000);
    expect(list?.revoked).toEqual([{ serial: bob.serial, revokedAt, reason: 'keyCompromise' }]);
    expect(list?.unknownCritical).toEqual([]);
    expect(lists).toEqual([
      {
        issuer: 'Test authority',
        number: String(list?.number),
        thisUpdate: list?.thisUpdate,
        nextUpdate: list?.nextUpdate,
        revoked: 1,
      },
    ]);
    expect(list?.nextUpdate?.getTime()).toBe(revokedAt.getTime() + 7 * 86_400_000);
    expect(opensslVerdict(directory, file)).toContain('certificate revoked');
    expect(opensslVerdict(directory, directory.certificateFile('alice'))).toContain(': OK');
    expect(await verifyDirectory(directory, { now })).toEqual([]);
  });

  it('is valid for as long as the previous one, and has a greater number, also after its file was lost', async () => {
    const directory = await made();
    await writeRevocationLists({ directory, days: 30, now });
    const [first] = await listsOf(directory);
    await writeRevocationLists({ directory, now });
    const [second] = await listsOf(directory);
    expect(second?.nextUpdate).toEqual(first?.nextUpdate);
    expect(second?.number).toBeGreaterThan(first?.number ?? 0n);
    rmSync(directory.revocationListFile);
    await writeRevocationLists({ directory, now: daysLater(1) });
    const [third] = await listsOf(directory);
    expect(third?.number).toBeGreaterThan(second?.number ?? 0n);
    expect(third?.nextUpdate?.getTime()).toBe((third?.thisUpdate.getTime() ?? 0) + 7 * 86_400_000);
  });

  it('no longer has a certificate that expired longer ago than a list is valid', async () => {
    const directory = await made();
    await revoke(directory, 'bob');
    const revokedAfter = async (days: number) => {
      await writeRevocationLists({ directory, now: daysLater(days) });
      return (await listsOf(directory))[0]?.revoked.length;
    };
    expect(await revokedAfter(91)).toBe(1);
    expect(await revokedAfter(98)).toBe(0);
  });

  it('exists for each issuer: the intermediate, the root, and an intermediate that was replaced', async () => {
    const directory = await made({ intermediate: { days: 900 } });
    await revoke(directory, 'bob');
    await replaceIntermediate({ directory, now });
    await writeRevocationLists({ directory, now });
    const revoked = (await listsOf(directory)).map((list) => [list.issuer[0]?.value, list.revoked.length]);
    expect(revoked).toEqual([
      ['Test authority intermediate 2', 0],
      ['Test authority', 0],
      ['Test authority intermediate', 1],
    ]);
    const verdict = opensslVerdict(directory, directory.certificateFile('alice'), '-crl_check_all');
    expect(verdict).toContain(': OK');
  });

  it('of a root whose key is elsewhere stays as it is, with a notice', async () => {
    const directory = await made({ intermediate: { days: 900 } });
    await writeRevocationLists({ directory, now });
    const [, root] = await listsOf(directory);
    rmSync(directory.authorityKeyFile);
    const { lists, notices } = await writeRevocationLists({ directory, now: daysLater(1) });
    expect(lists.map(({ issuer }) => issuer)).toEqual(['Test authority intermediate']);
    const until = root?.nextUpdate?.toISOString();
    expect(notices).toEqual([
      `the key of "Test authority" is not in the folder: its list is valid until ${until}`,
    ]);
    expect((await listsOf(directory))[1]).toEqual(root);
  });

  it('is also made for a root that is being replaced, with the certificates that it signed', async () => {
    const directory = await made();
    await startRollover({ directory, now });
    await revoke(directory, 'bob');
    await writeRevocationLists({ directory, now });
    const revoked = (await listsOf(directory)).map((list) => [list.issuer[0]?.value, list.revoked.length]);
    expect(revoked).toEqual([
      ['Test authority 2', 0],
      ['Test authority', 1],
    ]);
  });

  it.each(['rsa2048', 'p384', 'ed25519'] as const)(
    'is signed by an authority of type %s',
    async (keyType) => {
      const directory = await made({ keyType });
      await writeRevocationLists({ directory, now });
      expect(opensslVerdict(directory, directory.certificateFile('alice'))).toContain(': OK');
    },
  );
});

describe('the renewal of revocation lists', () => {
  it('does nothing without a file', async () => {
    const directory = await made();
    await revoke(directory, 'bob');
    expect(await renewRevocationLists({ directory, now })).toEqual({ next: undefined });
  });

  it('happens at half of their life, and when a revocation is not on them', async () => {
    const directory = await made();
    await writeRevocationLists({ directory, days: 10, now });
    const early = await renewRevocationLists({ directory, now: daysLater(4) });
    expect(early.written).toBeUndefined();
    const half = Math.floor(start.getTime() / 1000) * 1000 + 5 * 86_400_000;
    expect(early.next?.getTime()).toBe(half);
    await revoke(directory, 'bob', daysLater(4));
    expect((await renewRevocationLists({ directory, now: daysLater(4) })).written?.lists).toMatchObject([
      { revoked: 1 },
    ]);
    const late = await renewRevocationLists({ directory, now: daysLater(9.1) });
    expect(late.written?.lists).toHaveLength(1);
    expect(late.next?.getTime()).toBeGreaterThan(daysLater(14)().getTime());
  });
});
