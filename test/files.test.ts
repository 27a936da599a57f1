import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  exists,
  makeDirectory,
  readFile,
  readFileSync as readNow,
  readRegularFile,
  writeFileAtomic,
} from '../src/files.ts';
import { builtModule } from './support/built.ts';
import { testFolder } from './support/folder.ts';

const folder = testFolder('files');
const at = (name: string) => join(folder, name);
const mode = (path: string) => statSync(path).mode & 0o777;

let umask = 0;
beforeAll(() => {
  umask = process.umask(0o022);
  // Others must be able to reach what they are then refused.
  chmodSync(folder, 0o755);
});
afterAll(() => {
  process.umask(umask);
});

/** Runs a statement over the compiled src/files.js as a user without rights; gives what it throws. */
async function asNobody(statement: string): Promise<{ code: string; message: string }> {
  const script = `
process.setuid(65534);
const files = await import(${JSON.stringify(builtModule('src/files.js'))});
try { ${statement} } catch ({ code, message }) { console.log(JSON.stringify({ code, message })); }`;
  const child = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  return JSON.parse((await child).stdout);
}
const root = process.getuid?.() === 0;

describe('reading a file', () => {
  it('gives its bytes, now or later', async () => {
    writeFileSync(at('plain'), 'text');
    expect((await readFile(at('plain'))).toString()).toBe('text');
    expect(readNow(at('plain')).toString()).toBe('text');
  });

  it.runIf(existsSync('/dev/zero'))('ends at the limit where there is no end', async () => {
    await expect(readFile('/dev/zero', 100_000)).rejects.toMatchObject({
      code: 'file-too-large',
      message: expect.stringMatching(/^"\/dev\/zero" has \d+ bytes, expected at most 100000$/),
    });
    await expect(readRegularFile('/dev/zero')).rejects.toMatchObject({
      code: 'not-a-file',
      message: '"/dev/zero" is a device or a pipe, expected a file',
    });
  });

  it('reads a pipe to its end', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const text = 'x'.repeat(200_000);
    const writer = writeFile(at('pipe'), text);
    expect((await readFile(at('pipe'))).toString()).toBe(text);
    await writer;
  });

  it.runIf(root)('names the folder above that keeps us out', async () => {
    mkdirSync(at('shut/inner'), { recursive: true });
    chmodSync(at('shut'), 0o700);
    expect(await asNobody(`await files.readFile(${JSON.stringify(at('shut/inner/file'))})`)).toEqual({
      code: 'permission-denied',
      message: `permission denied to read "${at('shut/inner/file')}" (folder "${at('shut')}" has mode 0700, owner 0)`,
    });
  });

  it('names a file that does not exist', async () => {
    const hint = `ls -la "${folder}"`;
    const error = { code: 'file-missing', message: `"${at('none')}" does not exist`, hint };
    await expect(readFile(at('none'))).rejects.toMatchObject(error);
    await expect(readFile(at('none/deep/file'))).rejects.toMatchObject({ hint });
    expect(() => readNow(at('none'))).toThrow(error.message);
  });

  it('says that a folder is not a file', async () => {
    await expect(readFile(folder)).rejects.toMatchObject({
      code: 'not-a-file',
      message: `"${folder}" is a folder, expected a file`,
    });
  });

  it('refuses a file that is too large to be meant', async () => {
    writeFileSync(at('large'), 'x'.repeat(100));
    await expect(readFile(at('large'), 99)).rejects.toMatchObject({ code: 'file-too-large' });
  });

  // Only root can become somebody who may not.
  it.runIf(root)('names the mode and the owner of a file that is closed to us', async () => {
    writeFileSync(at('secret'), 'x', { mode: 0o600 });
    expect(await asNobody(`await files.readFile(${JSON.stringify(at('secret'))})`)).toEqual({
      code: 'permission-denied',
      message: `permission denied to read "${at('secret')}" (mode 0600, owner 0)`,
    });
  });

  it.runIf(root)('names the folder that is closed to us', async () => {
    mkdirSync(at('closed'), { mode: 0o700 });
    writeFileSync(at('closed/file'), 'x');
    expect(await asNobody(`files.readFileSync(${JSON.stringify(at('closed/file'))})`)).toEqual({
      code: 'permission-denied',
      message: `permission denied to read "${at('closed/file')}" (folder "${at('closed')}" has mode 0700, owner 0)`,
    });
  });
});

describe('writing a file', () => {
  it('replaces it in one step: a reader has the old file or the new', async () => {
    writeFileSync(at('replaced'), 'old');
    const inode = statSync(at('replaced')).ino;
    await writeFileAtomic(at('replaced'), 'new');
    expect(readFileSync(at('replaced'), 'utf8')).toBe('new');
    expect(statSync(at('replaced')).ino).not.toBe(inode);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('gives a new file the mode asked for, less what the umask takes', async () => {
    await writeFileAtomic(at('open'), 'x', { mode: 0o666 });
    await writeFileAtomic(at('default'), 'x');
    await writeFileAtomic(at('key'), 'x', { mode: 0o600 });
    expect([at('open'), at('default'), at('key')].map(mode)).toEqual([0o644, 0o644, 0o600]);
  });

  it('keeps the mode of a file that is there, unless another is asked for', async () => {
    writeFileSync(at('kept'), 'old', { mode: 0o640 });
    await writeFileAtomic(at('kept'), 'new');
    expect(mode(at('kept'))).toBe(0o640);
    await writeFileAtomic(at('kept'), 'new', { mode: 0o600 });
    expect(mode(at('kept'))).toBe(0o600);
  });

  it('writes through a symbolic link and leaves the link', async () => {
    writeFileSync(at('target'), 'old');
    symlinkSync('target', at('link'));
    await writeFileAtomic(at('link'), 'new');
    expect(readFileSync(at('target'), 'utf8')).toBe('new');
    expect(
      readdirSync(folder, { withFileTypes: true })
        .find(({ name }) => name === 'link')
        ?.isSymbolicLink(),
    ).toBe(true);
  });

  it('removes what a killed writer of the same file left long ago, and nothing else', async () => {
    mkdirSync(at('stale'));
    const left = ['.f.0123456789ab.tmp', '.f.0123456789ac.tmp', '.g.0123456789ab.tmp', '.f.x.tmp'];
    for (const name of left) writeFileSync(at(`stale/${name}`), '');
    for (const name of ['.f.0123456789ab.tmp', '.g.0123456789ab.tmp', '.f.x.tmp']) {
      utimesSync(at(`stale/${name}`), 0, 0);
    }
    await writeFileAtomic(at('stale/f'), 'x');
    expect(readdirSync(at('stale')).sort()).toEqual([...left.slice(1), 'f'].sort());
  });

  it('says which folder is missing', async () => {
    await expect(writeFileAtomic(at('none/file'), 'x')).rejects.toMatchObject({
      code: 'folder-missing',
      message: `cannot write "${at('none/file')}": folder "${at('none')}" does not exist`,
      hint: `mkdir -p "${at('none')}"`,
    });
  });

  it('leaves no temporary file when the target is a folder', async () => {
    mkdirSync(at('occupied/file'), { recursive: true });
    await expect(writeFileAtomic(at('occupied/file'), 'x')).rejects.toMatchObject({ code: 'not-a-file' });
    expect(readdirSync(at('occupied'))).toEqual(['file']);
  });

  it.runIf(root)('names the mode of a folder that we may not write to', async () => {
    mkdirSync(at('readonly'), { mode: 0o755 });
    expect(await asNobody(`await files.writeFileAtomic(${JSON.stringify(at('readonly/f'))}, '')`)).toEqual({
      code: 'permission-denied',
      message: `permission denied to write "${at('readonly/f')}" (folder "${at('readonly')}" has mode 0755, owner 0)`,
    });
  });

  it.runIf(root)('keeps the owner of a file that root edits', async () => {
    writeFileSync(at('owned'), 'old');
    chownSync(at('owned'), 65534, 65534);
    await writeFileAtomic(at('owned'), 'new');
    expect(statSync(at('owned')).uid).toBe(65534);
  });
});

describe('folders', () => {
  it('are made with those above them, closed to others', async () => {
    await makeDirectory(at('a/b/c'));
    expect([at('a'), at('a/b'), at('a/b/c')].map(mode)).toEqual([0o700, 0o700, 0o700]);
  });

  it('stay as they are when they exist', async () => {
    mkdirSync(at('there'), { mode: 0o755 });
    await makeDirectory(at('there'));
    expect(mode(at('there'))).toBe(0o755);
  });

  it('cannot be where a file is', async () => {
    writeFileSync(at('file'), '');
    await expect(makeDirectory(at('file'))).rejects.toMatchObject({ code: 'not-a-folder' });
    await expect(makeDirectory(at('file/below'))).rejects.toMatchObject({
      code: 'not-a-folder',
      message: `"${at('file')}" is a file, expected a folder`,
    });
  });

  it('are made once when several want them', async () => {
    expect(await Promise.allSettled([1, 2, 3].map(() => makeDirectory(at('raced/a'))))).toMatchObject(
      [1, 2, 3].map(() => ({ status: 'fulfilled' })),
    );
  });

  it.runIf(process.platform === 'linux')('cannot be where the system takes none', async () => {
    await expect(makeDirectory('/proc/natspki/certs')).rejects.toMatchObject({
      code: 'no-folders',
      message: 'cannot make folder "/proc/natspki": "/proc" takes none',
    });
  });

  it('are found, and so is a link to nothing', () => {
    symlinkSync('nowhere', at('dangling'));
    expect([folder, at('dangling'), at('nowhere')].map(exists)).toEqual([true, true, false]);
    expect(existsSync(at('dangling'))).toBe(false);
  });
});
