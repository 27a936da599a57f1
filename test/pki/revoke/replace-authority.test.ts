// The replacement of an authority whose key was stolen: what is trusted afterwards, what is issued, what is recorded.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { issueCertificates } from '../../../src/pki/issue/issue.ts';
import {
  planReplacement,
  type ReplaceOptions,
  replaceAuthority,
} from '../../../src/pki/revoke/replace-authority.ts';
import { startRollover } from '../../../src/pki/rotate/ca-rollover.ts';
import { undoRotation } from '../../../src/pki/rotate/undo.ts';
import { PkiDirectory } from '../../../src/pki/store/directory.ts';
import { verifyDirectory } from '../../../src/pki/verify/verification.ts';
import { parseConstraint } from '../../../src/x509/name-constraints.ts';
import { openssl } from '../../harness/openssl.ts';
import { freshCopy, testFolder } from '../../support/folder.ts';
import { leafOf, madeDirectory } from '../../support/pki.ts';

const scratch = testFolder('replace-authority');
let made: PkiDirectory;

beforeAll(async () => {
  made = await madeDirectory(scratch, {
    subject: { O: 'Example' },
    hosts: ['n1.internal'],
    clients: ['alice'],
    addresses: { ocsp: ['http://pki.internal/ocsp'], crl: [] },
    permitted: [parseConstraint('dns:.internal')],
  });
});

const fresh = () => new PkiDirectory(freshCopy(made.path));
const replace = (directory: PkiDirectory, options: Partial<ReplaceOptions> = {}) =>
  replaceAuthority({ directory, ...options });

describe('the replacement of an authority', () => {
  it('leaves nothing of the old one: bundle, leaves, keys, and every certificate is revoked', async () => {
    const directory = fresh();
    const [old] = await directory.readBundle();
    const before = ['server', 'route', 'alice'].map((name) => leafOf(directory, name));
    const { plan, certificates, notices } = await replace(directory);
    expect(plan).toMatchObject({
      distrusted: ['Test authority'],
      authority: 'Test authority 2',
      elsewhere: [],
    });
    expect(notices.filter((line) => !line.includes('verify_and_map'))).toEqual([]);
    expect(certificates.map(({ name }) => name)).toEqual(['ca', 'alice', 'route', 'server']);
    const [root, ...others] = await directory.readBundle();
    expect(others).toEqual([]);
    expect(root.commonName).toBe('Test authority 2');
    expect(root.pin).not.toBe(old.pin);
    for (const leaf of before) {
      const [now, ...behind] = await directory.readChain(leaf.commonName);
      expect(behind).toEqual([]);
      expect(now.isSignedBy(root)).toBe(true);
      expect(now.pin).not.toBe(leaf.pin);
      expect([now.sans, now.extendedKeyUsage, now.addresses]).toEqual([
        ...[leaf.sans, leaf.extendedKeyUsage, leaf.addresses],
      ]);
      const file = directory.certificateFile(leaf.commonName);
      expect(openssl('verify', '-x509_strict', '-CAfile', directory.authorityFile, file)).toContain('OK');
    }
    expect(root.nameConstraints).toEqual(old.nameConstraints);
    expect(root.subject.filter(({ type }) => type !== 'CN')).toEqual([{ type: 'O', value: 'Example' }]);
    const { revocations } = await directory.ledger.read();
    expect([...revocations.keys()].sort()).toEqual([old, ...before].map(({ serial }) => serial).sort());
    expect(new Set([...revocations.values()].map(({ reason }) => reason))).toEqual(new Set(['cACompromise']));
    expect(await verifyDirectory(directory)).toEqual([]);
    await expect(undoRotation({ directory, name: 'server' })).rejects.toMatchObject({ code: 'revoked' });
  });

  it('is done once: a second run returns what the first has made, unless forced', async () => {
    const directory = fresh();
    const first = await replace(directory);
    const bundle = await directory.readBundle();
    const again = await replace(new PkiDirectory(directory.path));
    expect(again.plan.replacedAt).toBeInstanceOf(Date);
    expect(again.certificates.map(({ serial }) => serial)).toEqual(
      first.certificates.map(({ serial }) => serial),
    );
    expect(await directory.readBundle()).toEqual(bundle);
    const forced = await replace(directory, { force: true });
    expect(forced.plan).toMatchObject({ distrusted: ['Test authority 2'], authority: 'Test authority 3' });
  });

  it('names the certificates that are not in the folder, in both runs, until they are issued again', async () => {
    const directory = fresh();
    const outDirectory = `${directory.path}-elsewhere`;
    const issue = (force = false) =>
      issueCertificates({
        directory: new PkiDirectory(directory.path, outDirectory),
        profile: 'client',
        names: ['bob'],
        force,
      });
    await issue();
    expect((await planReplacement({ directory })).elsewhere).toEqual(['bob']);
    expect((await replace(directory)).plan.elsewhere).toEqual(['bob']);
    expect((await replace(directory)).plan.elsewhere).toEqual(['bob']);
    await issue(true);
    expect((await replace(directory)).plan.elsewhere).toEqual([]);
  });

  it('replaces an intermediate with it, also when the key of the root is elsewhere and encrypted', async () => {
    const directory = await madeDirectory(scratch, { intermediate: { days: 900 }, passphrase: 'one two' });
    rmSync(directory.authorityKeyFile);
    await expect(replace(directory)).rejects.toMatchObject({ code: 'passphrase-needed' });
    const { plan } = await replace(directory, { passphrase: 'one two' });
    expect(plan.intermediate).toBe('Test authority intermediate 2');
    const { roots, current } = await directory.readAuthority('one two');
    expect(readFileSync(directory.authorityKeyFile, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    expect(roots).toHaveLength(1);
    expect(current.certificate.isSignedBy(roots[0])).toBe(true);
    expect(await verifyDirectory(directory)).toEqual([]);
  }, 90_000);

  it('ends a rollover that is under way: neither root stays, and no cross-signed certificate', async () => {
    const directory = fresh();
    await startRollover({ directory });
    const { plan } = await replace(directory);
    expect(plan.distrusted).toEqual(['Test authority 2', 'Test authority']);
    expect(plan.authority).toBe('Test authority 3');
    expect((await directory.readBundle()).map(({ commonName }) => commonName)).toEqual(['Test authority 3']);
    expect(existsSync(directory.chainFile)).toBe(false);
    expect((await directory.readChain('server')).length).toBe(1);
  });

  it('changes no certificate when the pins cannot be announced, and announces the keys that change', async () => {
    const directory = fresh();
    const serial = leafOf(directory, 'server').serial;
    const announced: string[] = [];
    const beforeReplace = async (changes: readonly { name: string }[]) => {
      announced.push(...changes.map(({ name }) => name));
      throw new Error('no');
    };
    await expect(replace(directory, { beforeReplace })).rejects.toThrow('no');
    expect(announced).toEqual(['alice', 'route', 'server']);
    expect(leafOf(directory, 'server').serial).toBe(serial);
    expect((await directory.readBundle())[0].commonName).toBe('Test authority');
    expect((await replace(directory)).plan.authority).toBe('Test authority 2');
  });
});
