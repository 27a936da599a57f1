// Several files are written as one: a crash at any moment leaves all the old files or all the new ones.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { finishStaged, unfinishedWork, writeTogether } from '../../src/files/transaction.ts';
import { builtModule } from '../support/built.ts';
import { testFolder } from '../support/folder.ts';
import { killedAt } from '../support/killed.ts';
import { contents } from '../support/tree.ts';

const scratch = testFolder('staging');

/** Creates a folder with a pair, a file to be removed, and a folder for the journal. */
function pairFolder(): { folder: string; journal: string } {
  const folder = mkdtempSync(join(scratch, 'pair-'));
  const journal = join(folder, '.state');
  mkdirSync(journal);
  writeFileSync(join(folder, 'cert'), 'old certificate');
  writeFileSync(join(folder, 'key'), 'old key', { mode: 0o600 });
  writeFileSync(join(folder, 'gone'), 'to be removed');
  return { folder, journal };
}

const before = { cert: 'old certificate', key: 'old key', gone: 'to be removed' };
const after = { cert: 'new certificate', key: 'new key', 'sub/copy': 'old key' };

const change = `
const { writeTogether } = await import(${JSON.stringify(builtModule('src/files/transaction.js'))});
await writeTogether('.state', [
  { path: 'sub/copy', data: 'old key', mode: 0o600 },
  { path: 'cert', data: 'new certificate', mode: 0o644 },
  { path: 'key', data: 'new key', mode: 0o600 },
], ['gone']);
`;

describe('writing files together', () => {
  it('writes and removes all files, with their modes, and leaves no other file behind', async () => {
    const { folder, journal } = pairFolder();
    const at = (name: string) => join(folder, name);
    await writeTogether(
      journal,
      [
        { path: at('sub/copy'), data: 'old key', mode: 0o600 },
        { path: at('cert'), data: 'new certificate', mode: 0o644 },
        { path: at('key'), data: 'new key', mode: 0o600 },
      ],
      [at('gone')],
    );
    expect(contents(folder)).toEqual(after);
    expect(statSync(at('key')).mode & 0o777).toBe(0o600);
    expect(statSync(at('sub')).mode & 0o777).toBe(0o700);
  });

  it('changes nothing when one of the files cannot be written', async () => {
    const { folder, journal } = pairFolder();
    mkdirSync(join(folder, 'taken'));
    const writes = [
      { path: join(folder, 'cert'), data: 'new certificate', mode: 0o644 },
      { path: join(folder, 'taken'), data: 'new key', mode: 0o600 },
    ];
    await expect(writeTogether(journal, writes)).rejects.toMatchObject({ code: 'not-a-file' });
    expect(contents(folder)).toEqual(before);
  });

  it.runIf(process.getuid?.() === 0)('keeps the owner of a file that it replaces', async () => {
    const { folder, journal } = pairFolder();
    chownSync(join(folder, 'key'), 65534, 65534);
    await writeTogether(journal, [{ path: join(folder, 'key'), data: 'new key', mode: 0o600 }]);
    expect(statSync(join(folder, 'key'))).toMatchObject({ uid: 65534, gid: 65534 });
  });

  it('rejects two writes to the same file under any names, and a write to a file that it also removes', async () => {
    const { folder, journal } = pairFolder();
    const write = (name: string) => ({ path: `${folder}/${name}`, data: 'new', mode: 0o600 });
    await expect(writeTogether(journal, [write('fresh'), write('./sub/../fresh')])).rejects.toMatchObject({
      code: 'same-file',
      message: `"${folder}/./sub/../fresh" and "${folder}/fresh" are the same file`,
    });
    await expect(writeTogether(journal, [write('key')], [join(folder, 'sub/../key')])).rejects.toMatchObject({
      code: 'same-file',
    });
    expect(contents(folder)).toEqual(before);
  });

  it('rejects a link in the folder, to a file or to a folder, for writing and for removing', async () => {
    const { folder, journal } = pairFolder();
    symlinkSync('key', join(folder, 'link'));
    symlinkSync('.', join(folder, 'again'));
    for (const path of [join(folder, 'link'), join(folder, 'again/fresh')]) {
      const write = { path, data: 'new', mode: 0o600 };
      await expect(writeTogether(journal, [write]), path).rejects.toMatchObject({ code: 'linked-file' });
      await expect(writeTogether(journal, [], [path]), path).rejects.toMatchObject({ code: 'linked-file' });
    }
    expect(contents(folder)).toMatchObject(before);
  });

  it('follows a link that an operator made on purpose, and replaces the file behind it', async () => {
    const { folder, journal } = pairFolder();
    const elsewhere = join(mkdtempSync(join(scratch, 'elsewhere-')), 'nats.conf');
    writeFileSync(elsewhere, 'old', { mode: 0o600 });
    symlinkSync(elsewhere, join(folder, 'nats.conf'));
    const write = { path: join(folder, 'nats.conf'), data: 'new', mode: 0o600, followLinks: true };
    await writeTogether(journal, [write]);
    expect(readFileSync(elsewhere, 'utf8')).toBe('new');
    expect(lstatSync(join(folder, 'nats.conf')).isSymbolicLink()).toBe(true);
  });

  it('lets a group read a file that it could read before', async () => {
    const { folder, journal } = pairFolder();
    chmodSync(join(folder, 'key'), 0o640);
    await writeTogether(journal, [{ path: join(folder, 'key'), data: 'new key', mode: 0o600 }]);
    expect(statSync(join(folder, 'key')).mode & 0o777).toBe(0o640);
  });

  it('also removes a file outside of the folder', async () => {
    const { folder, journal } = pairFolder();
    const outside = join(mkdtempSync(join(scratch, 'outside-')), 'key');
    writeFileSync(outside, 'old key');
    await writeTogether(journal, [], [outside]);
    expect(existsSync(outside)).toBe(false);
    expect(contents(folder)).toEqual(before);
  });

  it('leaves all old or all new files, and no others, when the process is killed at any operation', async () => {
    const endings: string[] = [];
    for (let n = 1; endings.at(-1) !== 'done'; n++) {
      const { folder, journal } = pairFolder();
      endings.push(await killedAt(n, change, folder));
      const work = unfinishedWork(journal);
      const recovery = await finishStaged(journal);
      expect(recovery, `after operation ${n}`).toEqual({
        completed: work === 'decided' ? 3 : 0,
        undone: work === 'staged',
      });
      const now = contents(folder);
      expect([before, after], `after operation ${n}`).toContainEqual(now);
      expect(await finishStaged(journal)).toEqual({ completed: 0, undone: false });
    }
    expect(endings.length).toBeGreaterThan(25);
  });

  it('syncs to disk before each step that depends on the previous one', async () => {
    const { folder } = pairFolder();
    const hook = `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { openSync, fsync, renameSync, unlinkSync } = fs;
const paths = new Map();
const seen = [];
fs.openSync = (path, ...rest) => {
  const file = openSync(path, ...rest);
  paths.set(file, fs.realpathSync(path));
  if (rest[0] === 'wx') seen.push(['create', paths.get(file)]);
  return file;
};
fs.fsync = (file, done) => fsync(file, (error) => (seen.push(['sync', paths.get(file)]), done(error)));
fs.renameSync = (from, to) => (seen.push(['rename', fs.realpathSync(from)]), renameSync(from, to));
fs.unlinkSync = (path) => (seen.push(['unlink', fs.realpathSync(path)]), unlinkSync(path));
syncBuiltinESMExports();
`;
    const script = `${change}\nprocess.stdout.write(JSON.stringify(seen));`;
    const program = `${hook}\n${script}`;
    const args = ['--input-type=module', '--eval', program];
    const seen = JSON.parse(execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })) as [
      string,
      string,
    ][];
    const relativeTo = realpathSync(folder);
    const steps = seen.map(([what, path]) => [
      what,
      path.slice(relativeTo.length + 1).replace(/\.[0-9a-f]{12}\.tmp$/, '.tmp'),
    ]);
    const inAnyOrder = (from: number, count: number) =>
      steps
        .slice(from, from + count)
        .map(String)
        .sort();
    expect(steps.slice(0, 4).map(String)).toEqual([
      'sync,', // for the name of the folder "sub"
      'create,.state/staged.json',
      'sync,.state/staged.json',
      'sync,.state',
    ]);
    expect(inAnyOrder(4, 6)).toEqual([
      'create,.cert.tmp',
      'create,.key.tmp',
      'create,sub/.copy.tmp',
      'sync,.cert.tmp',
      'sync,.key.tmp',
      'sync,sub/.copy.tmp',
    ]);
    expect(inAnyOrder(10, 2)).toEqual(['sync,', 'sync,sub']);
    expect(steps.slice(12, 14).map(String)).toEqual(['rename,.state/staged.json', 'sync,.state']);
    expect(inAnyOrder(14, 3)).toEqual(['rename,.cert.tmp', 'rename,.key.tmp', 'rename,sub/.copy.tmp']);
    expect(inAnyOrder(17, 1)).toEqual(['unlink,gone']);
    expect(inAnyOrder(18, 2)).toEqual(['sync,', 'sync,sub']);
    expect(steps.slice(20).map(String)).toEqual(['unlink,.state/journal.json', 'sync,.state']);
  });

  it('completes a committed change even when the process is killed while completing it', async () => {
    const finish = `
const { finishStaged } = await import(${JSON.stringify(builtModule('src/files/transaction.js'))});
await finishStaged('.state');
`;
    // Kills the process at the first operation after the change is committed.
    const decided = async (folder: string, journal: string) => {
      for (let n = 1; unfinishedWork(journal) !== 'decided'; n++) {
        await finishStaged(journal);
        expect(await killedAt(n, change, folder)).toBe('killed');
      }
    };
    const first = pairFolder();
    await decided(first.folder, first.journal);
    for (let n = 1; (await killedAt(n, finish, first.folder)) === 'killed'; n++) {
      expect(unfinishedWork(first.journal)).toBeOneOf(['decided', undefined]);
    }
    expect(contents(first.folder)).toEqual(after);
  });
});

describe('a journal in a folder of another user', () => {
  it('removes nothing behind a link that it would put into place first', async () => {
    const { folder, journal } = pairFolder();
    const victim = mkdtempSync(join(scratch, 'victim-'));
    writeFileSync(join(victim, 'precious'), 'kept');
    const temporary = '.d.0123456789ab.tmp';
    symlinkSync(victim, join(folder, temporary));
    const plan = { renames: [{ from: temporary, to: 'd' }], removals: ['d/precious'] };
    for (const name of ['journal.json', 'staged.json']) {
      writeFileSync(join(journal, name), JSON.stringify(plan));
      await expect(finishStaged(journal), name).rejects.toMatchObject({ code: 'damaged-journal' });
      rmSync(join(journal, name));
    }
    expect(contents(victim)).toEqual({ precious: 'kept' });
  });
});

describe('a journal that natspki did not write', () => {
  const outside = join(mkdtempSync(join(scratch, 'outside-')), 'x');
  const temporary = '.x.0123456789ab.tmp';

  it.each([
    'null',
    '{}',
    '[]',
    'torn',
    '{"renames":[],"removals":[1]}',
    '{"renames":[{"from":"cert"}],"removals":[]}',
    JSON.stringify({ renames: [], removals: [outside] }),
    JSON.stringify({ renames: [], removals: ['../x'] }),
    JSON.stringify({ renames: [], removals: ['away/x'] }),
    JSON.stringify({ renames: [{ from: 'cert', to: 'key' }], removals: [] }),
    JSON.stringify({ renames: [{ from: temporary, to: 'key' }], removals: [] }),
    JSON.stringify({ renames: [{ from: temporary, to: 'away/x' }], removals: [] }),
  ])('moves and removes no file for the foreign journal %s', async (text) => {
    const { folder, journal } = pairFolder();
    symlinkSync(join(outside, '..'), join(folder, 'away'));
    writeFileSync(outside, 'precious');
    writeFileSync(join(folder, temporary), 'foreign');
    for (const name of ['journal.json', 'staged.json']) {
      if (name === 'staged.json' && text === 'torn') continue;
      writeFileSync(join(journal, name), text);
      await expect(finishStaged(journal), name).rejects.toMatchObject({
        code: 'damaged-journal',
        message: `"${join(journal, name)}" was not written by natspki`,
      });
    }
    expect(contents(join(outside, '..'))).toEqual({ x: 'precious' });
    expect(contents(folder)).toMatchObject(before);
  });
});
