import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkName, checkNames, PkiDirectory } from '../../../src/pki/store/directory.ts';
import { testFolder } from '../../support/folder.ts';
import { madeDirectory, newDirectory } from '../../support/pki.ts';
import { contents, tree } from '../../support/tree.ts';

const scratch = testFolder('directory');
const now = new Date('2026-06-01T12:00:00Z');

function pairWrite(directory: PkiDirectory, name: string, text: string, withKey = true) {
  return {
    ...directory.pair(name),
    certificate: `${text} certificate`,
    key: withKey ? `${text} key` : undefined,
  };
}

describe('a name', () => {
  it.each(['n1', 'n1.example.com', 'alice@example.com', 'my_server', 'A-1', 'a'.repeat(64)])(
    'can be %s',
    (name) => {
      expect(() => checkName(name)).not.toThrow();
    },
  );

  it.each([
    ['', 'cannot be that of a file'],
    ['../n1', 'cannot be that of a file'],
    ['a/b', 'cannot be that of a file'],
    ['a\\b', 'cannot be that of a file'],
    ['.hidden', 'cannot be that of a file'],
    ['-n1', 'cannot be that of a file'],
    ['n 1', 'cannot be that of a file'],
    ['n1\n', 'cannot be that of a file'],
    ['n\u00001', 'cannot be that of a file'],
    ['*.example.com', 'cannot be that of a file'],
    ['bücher', 'cannot be that of a file'],
    ['ca', "is the authority's own"],
    ['CA', "is the authority's own"],
    ['a'.repeat(65), 'has 65 characters'],
  ])('cannot be %j', (name, why) => {
    expect(() => checkName(name)).toThrow(
      expect.objectContaining({ code: 'usage', exitCode: 2, message: expect.stringContaining(why) }),
    );
  });

  it('can occur once in a call, regardless of case', () => {
    expect(() => checkNames(['a', 'b', 'a'])).toThrow('name "a" is given twice');
    expect(() => checkNames(['a', 'b', 'A'])).toThrow('"a" and "A" differ only in case');
    expect(() => checkNames(['a', 'b'])).not.toThrow();
  });
});

describe('writing pairs', () => {
  it('makes keys and the folder inaccessible to other users', async () => {
    const directory = newDirectory(scratch);
    await directory.exclusive(() => directory.write({ pairs: [pairWrite(directory, 'n1', 'new')] }, now));
    expect(tree(join(directory.path, '..'))).toEqual([
      '0700 certs',
      '0700 certs/.natspki',
      '0644 certs/n1-cert.pem',
      '0600 certs/n1-key.pem',
    ]);
  });

  it('moves the replaced pair to the archive, readable only by the owner', async () => {
    const directory = newDirectory(scratch);
    const write = (text: string, at: Date) =>
      directory.exclusive(() => directory.write({ pairs: [pairWrite(directory, 'n1', text)] }, at));
    await write('first', now);
    await write('second', now);
    await write('third', new Date(now.getTime() + 1000));
    const archive = join(directory.path, '.natspki/archive/n1');
    const versions = readdirSync(archive).sort();
    expect(versions).toHaveLength(2);
    expect(versions[0]).toMatch(/^20260601T120000.*Z-unreadable$/);
    expect(Object.values(contents(archive))).toEqual([
      'first certificate',
      'first key',
      'second certificate',
      'second key',
    ]);
    const modes = tree(archive).filter((line) => line.endsWith('.pem'));
    expect(modes.every((line) => line.startsWith('0600 '))).toBe(true);
    expect(readFileSync(directory.keyFile('n1'), 'utf8')).toBe('third key');
  });

  it('moves the old key to the archive when the new certificate has its key elsewhere', async () => {
    const directory = newDirectory(scratch);
    await directory.exclusive(() => directory.write({ pairs: [pairWrite(directory, 'n1', 'old')] }, now));
    await directory.exclusive(() =>
      directory.write({ pairs: [pairWrite(directory, 'n1', 'new', false)] }, now),
    );
    expect(await directory.contents()).toEqual({ certificates: ['n1'], keys: [], leftovers: [] });
    expect(Object.values(contents(join(directory.path, '.natspki/archive')))).toEqual([
      'old certificate',
      'old key',
    ]);
  });

  it('writes other files in the same step, or nothing at all', async () => {
    const directory = newDirectory(scratch);
    const elsewhere = mkdtempSync(join(scratch, 'elsewhere-'));
    const write = (path: string) =>
      directory.exclusive(() =>
        directory.write(
          { pairs: [pairWrite(directory, 'n1', 'new')], others: [{ path, data: 'text', mode: 0o644 }] },
          now,
        ),
      );
    mkdirSync(join(elsewhere, 'taken'));
    await expect(write(join(elsewhere, 'taken'))).rejects.toMatchObject({ code: 'not-a-file' });
    expect(await directory.contents()).toEqual({ certificates: [], keys: [], leftovers: [] });
    await write(join(elsewhere, 'nats.conf'));
    expect(readFileSync(join(elsewhere, 'nats.conf'), 'utf8')).toBe('text');
    expect((await directory.contents()).keys).toEqual(['n1']);
  });
});

describe('a link in place of a file', () => {
  const write = (directory: PkiDirectory) =>
    directory.exclusive(() => directory.write({ pairs: [pairWrite(directory, 'twin', 'new')] }, now));

  it.each([
    ['a file elsewhere', () => join(mkdtempSync(join(scratch, 'elsewhere-')), 'key')],
    ['the key of another pair', () => 'server-key.pem'],
    ['nothing', () => 'nowhere'],
  ])('to %s is rejected, and nothing changes', async (_what, target) => {
    const directory = await madeDirectory(scratch);
    const elsewhere = target();
    if (elsewhere.startsWith('/')) writeFileSync(elsewhere, 'old key', { mode: 0o600 });
    symlinkSync(elsewhere, directory.keyFile('twin'));
    const before = contents(directory.path);
    await expect(write(directory)).rejects.toMatchObject({
      code: 'linked-file',
      message: `"${directory.keyFile('twin')}" is a link, expected a file or folder that natspki made`,
      hint: `natspki did not make it: ls -la "${directory.keyFile('twin')}"`,
    });
    expect(contents(directory.path)).toEqual(before);
    if (elsewhere.startsWith('/')) expect(readFileSync(elsewhere, 'utf8')).toBe('old key');
  });

  it.each(['.natspki', '.natspki/archive', '.natspki/archive/server', '.natspki/ledger', 'ca.pem'])(
    'that replaces a file of natspki is rejected: %s',
    async (path) => {
      const directory = await madeDirectory(scratch);
      await directory.exclusive(() =>
        directory.write({ pairs: [pairWrite(directory, 'server', 'new')] }, now),
      );
      const file = join(directory.path, path);
      const elsewhere = join(mkdtempSync(join(scratch, 'elsewhere-')), 'moved');
      renameSync(file, elsewhere);
      symlinkSync(elsewhere, file);
      const work = () =>
        directory.exclusive(async () => {
          await directory.readBundle();
          await directory.write({ pairs: [pairWrite(directory, 'server', 'newer')], entries: [] }, now);
          await directory.ledger.read();
        });
      await expect(work()).rejects.toMatchObject({ code: 'linked-file' });
    },
  );
});

describe('the contents of a folder', () => {
  it('make refuseExistingPairs throw with the first name and the number of others, also for half a pair', async () => {
    const directory = await madeDirectory(scratch);
    const refusal = (...names: string[]) =>
      directory.refuseExistingPairs(names.map((name) => directory.pair(name)));
    await refusal('n1', 'n2');
    await expect(refusal('n1', 'server', 'client')).rejects.toMatchObject({
      code: 'certificate-exists',
      message: `certificate "server" and 1 more already exists in "${directory.path}"`,
      hint: 'renew it with `natspki rotate server`, or pass --force to replace it',
    });
    writeFileSync(directory.keyFile('n1'), '');
    await expect(refusal('n1')).rejects.toThrow(
      `the key of certificate "n1" already exists in "${directory.path}"`,
    );
  });

  it('are listed by name, without the files of the authority and of other programs', async () => {
    const directory = await madeDirectory(scratch);
    writeFileSync(join(directory.path, '.hidden-cert.pem'), '');
    writeFileSync(join(directory.path, 'notes.txt'), '');
    writeFileSync(join(directory.path, 'alone-key.pem'), '');
    writeFileSync(join(directory.path, '.n1-key.pem.0123456789ab.tmp'), '');
    expect(await directory.contents()).toEqual({
      certificates: ['client', 'route', 'server'],
      keys: ['alone', 'client', 'route', 'server'],
      leftovers: [join(directory.path, '.n1-key.pem.0123456789ab.tmp')],
    });
  });

  it('are empty when the folder is missing', async () => {
    const directory = newDirectory(scratch);
    expect(await directory.contents()).toEqual({ certificates: [], keys: [], leftovers: [] });
    await directory.recover();
    expect(readdirSync(join(directory.path, '..'))).toEqual([]);
    await expect(directory.readBundle()).rejects.toMatchObject({
      code: 'no-authority',
      message: `no authority in "${directory.path}"`,
      hint: 'make one with `natspki init`, or name its folder with --dir',
    });
  });
});

describe('the authority of a folder', () => {
  it('cannot be read with the key of another authority', async () => {
    const [directory, other] = await Promise.all([madeDirectory(scratch), madeDirectory(scratch)]);
    writeFileSync(directory.authorityKeyFile, readFileSync(other.authorityKeyFile));
    await expect(directory.readAuthority()).rejects.toMatchObject({ code: 'key-mismatch' });
  });

  it('cannot be read when its key file has other content', async () => {
    const directory = await madeDirectory(scratch);
    writeFileSync(directory.authorityKeyFile, readFileSync(directory.authorityFile));
    await expect(directory.readAuthority()).rejects.toMatchObject({
      code: 'wrong-material',
      message: `"${directory.authorityKeyFile}" holds a certificate, expected a private key`,
    });
  });

  it('cannot be read when its file is truncated', async () => {
    const directory = await madeDirectory(scratch);
    const pem = readFileSync(directory.authorityFile, 'utf8');
    writeFileSync(directory.authorityFile, pem.slice(0, pem.length / 2));
    await expect(directory.readAuthority()).rejects.toMatchObject({ code: 'truncated-pem' });
  });

  it('cannot be read without its passphrase', async () => {
    const directory = await madeDirectory(scratch, { passphrase: 'open sesame' });
    await expect(directory.readAuthority()).rejects.toMatchObject({ code: 'passphrase-needed' });
    await expect(directory.readAuthority('close sesame')).rejects.toMatchObject({
      code: 'wrong-passphrase',
      message: `wrong passphrase for "${directory.authorityKeyFile}"`,
    });
    expect((await directory.readAuthority('open sesame')).current.certificate.commonName).toBe(
      'Test authority',
    );
  });
});

describe('recovering', () => {
  it('completes the committed change of a killed command, and discards an uncommitted one', async () => {
    const directory = await madeDirectory(scratch);
    const state = join(directory.path, '.natspki');
    const at = (name: string) => join(directory.path, name);
    writeFileSync(at('.n1-cert.pem.0123456789ab.tmp'), 'decided');
    writeFileSync(at('.n2-cert.pem.0123456789ab.tmp'), 'undecided');
    const plan = (name: string) => ({
      renames: [{ from: `.${name}.0123456789ab.tmp`, to: name }],
      removals: [],
    });
    writeFileSync(join(state, 'journal.json'), JSON.stringify(plan('n1-cert.pem')));
    writeFileSync(join(state, 'staged.json'), JSON.stringify(plan('n2-cert.pem')));
    await directory.recover();
    expect((await directory.contents()).certificates).toEqual(['client', 'n1', 'route', 'server']);
    expect((await directory.contents()).leftovers).toEqual([]);
    expect(readdirSync(state).sort()).toEqual(['ledger']);
  });

  it('does not interfere with a running command', async () => {
    const directory = await madeDirectory(scratch);
    const staged = join(directory.path, '.natspki/staged.json');
    await directory.exclusive(async () => {
      writeFileSync(staged, JSON.stringify({ renames: [], removals: [] }));
      await new PkiDirectory(directory.path).recover();
      expect(readdirSync(join(directory.path, '.natspki'))).toContain('staged.json');
    });
  });
});
