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
} from '../../src/files/files.ts';
import { builtModule } from '../support/built.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('files');
const at = (name: string) => join(folder, name);
const mode = (path: string) => statSync(path).mode & 0o777;

let umask = 0;
beforeAll(() => {
  umask = process.umask(0o022);
  // An unprivileged user must be able to reach the files that it may not read.
  chmodSync(folder, 0o755);
});
afterAll(() => {
  process.umask(umask);
});

/** Runs a statement with the compiled src/files/files.js as an unprivileged user; returns the error it throws. */
async function asNobody(statement: string): Promise<{ code: string; message: string }> {
  const script = `
process.setuid(65534);
const files = await import(${JSON.stringify(builtModule('src/files/files.js'))});
try { ${statement} } catch ({ code, message }) { console.log(JSON.stringify({ code, message })); }`;
  const child = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  return JSON.parse((await child).stdout);
}
const root = process.getuid?.() === 0;

describe('reading a file', () => {
  it('returns the bytes of a file, both synchronously and asynchronously', async () => {
    writeFileSync(at('plain'), 'text');
    expect((await readFile(at('plain'))).toString()).toBe('text');
    expect(readNow(at('plain')).toString()).toBe('text');
  });

  it.runIf(existsSync('/dev/zero'))('stops reading an endless device at the size limit', async () => {
    await expect(readFile('/dev/zero', 100_000)).rejects.toMatchObject({
      code: 'file-too-large',
      message: expect.stringMatching(/^"\/dev\/zero" has \d+ bytes, expected at most 100000$/),
    });
    await expect(readRegularFile('/dev/zero')).rejects.toMatchObject({
      code: 'not-a-file',
      message: '"/dev/zero" is a device or a pipe, expected a file',
    });
  });

  it('does not wait for the writer of a pipe where only a regular file makes sense', async () => {
    execFileSync('mkfifo', [at('silent')]);
    const error = {
      code: 'not-a-file',
      message: `"${at('silent')}" is a device or a pipe, expected a file`,
    };
    await expect(readRegularFile(at('silent'))).rejects.toMatchObject(error);
    expect(() => readNow(at('silent'))).toThrow(expect.objectContaining(error));
  });

  it('does not follow a link where the caller forbids it', async () => {
    writeFileSync(at('behind'), 'text');
    symlinkSync('behind', at('before'));
    expect((await readRegularFile(at('before'))).toString()).toBe('text');
    await expect(readRegularFile(at('before'), { followLinks: false })).rejects.toMatchObject({
      code: 'linked-file',
    });
  });

  it('gives up when the file system does not answer within the time limit', async () => {
    writeFileSync(at('late'), 'x'.repeat(5_000_000));
    await expect(readRegularFile(at('late'), { timeoutMs: 0 })).rejects.toMatchObject({
      code: 'slow-file',
      message: `"${at('late')}" could not be read within 0 s`,
    });
  });

  it('reads a pipe to its end', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const text = 'x'.repeat(200_000);
    const writer = writeFile(at('pipe'), text);
    expect((await readFile(at('pipe'))).toString()).toBe(text);
    await writer;
  });

  it.runIf(root)('names the parent folder that denies access, however deep the file is', async () => {
    mkdirSync(at('shut/inner'), { recursive: true });
    chmodSync(at('shut'), 0o700);
    expect(await asNobody(`await files.readFile(${JSON.stringify(at('shut/inner/file'))})`)).toEqual({
      code: 'permission-denied',
      message: `permission denied to read "${at('shut/inner/file')}" (folder "${at('shut')}" has mode 0700, owner 0)`,
    });
  });

  it('names a missing file, and hints at its nearest existing folder', async () => {
    const hint = `ls -la "${folder}"`;
    const error = { code: 'file-missing', message: `"${at('none')}" does not exist`, hint };
    await expect(readFile(at('none'))).rejects.toMatchObject(error);
    await expect(readFile(at('none/deep/file'))).rejects.toMatchObject({ hint });
    expect(() => readNow(at('none'))).toThrow(error.message);
  });

  it('reports a folder where a file is expected', async () => {
    await expect(readFile(folder)).rejects.toMatchObject({
      code: 'not-a-file',
      message: `"${folder}" is a folder, expected a file`,
    });
  });

  it('rejects a file above the size limit', async () => {
    writeFileSync(at('large'), 'x'.repeat(100));
    await expect(readFile(at('large'), 99)).rejects.toMatchObject({ code: 'file-too-large' });
  });

  // Only root can switch to an unprivileged user.
  it.runIf(root)('names the mode and the owner of a file that it may not read', async () => {
    writeFileSync(at('secret'), 'x', { mode: 0o600 });
    expect(await asNobody(`await files.readFile(${JSON.stringify(at('secret'))})`)).toEqual({
      code: 'permission-denied',
      message: `permission denied to read "${at('secret')}" (mode 0600, owner 0)`,
    });
  });

  it.runIf(root)('names the folder that denies access to a file in it', async () => {
    mkdirSync(at('closed'), { mode: 0o700 });
    writeFileSync(at('closed/file'), 'x');
    expect(await asNobody(`files.readFileSync(${JSON.stringify(at('closed/file'))})`)).toEqual({
      code: 'permission-denied',
      message: `permission denied to read "${at('closed/file')}" (folder "${at('closed')}" has mode 0700, owner 0)`,
    });
  });
});

describe('writing a file', () => {
  it('replaces a file in one step, so that a reader sees the old content or the new', async () => {
    writeFileSync(at('replaced'), 'old');
    const inode = statSync(at('replaced')).ino;
    await writeFileAtomic(at('replaced'), 'new');
    expect(readFileSync(at('replaced'), 'utf8')).toBe('new');
    expect(statSync(at('replaced')).ino).not.toBe(inode);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('creates a new file with the requested mode, reduced by the umask', async () => {
    await writeFileAtomic(at('open'), 'x', { mode: 0o666 });
    await writeFileAtomic(at('default'), 'x');
    await writeFileAtomic(at('key'), 'x', { mode: 0o600 });
    expect([at('open'), at('default'), at('key')].map(mode)).toEqual([0o644, 0o644, 0o600]);
  });

  it('gives the copy of a secret file its mode from the first byte', async () => {
    writeFileSync(at('secret'), 'old', { mode: 0o600 });
    const script = `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { openSync } = fs;
fs.openSync = (path, flags, mode) => {
  if (String(path).endsWith('.tmp')) console.log((mode & 0o777).toString(8));
  return openSync(path, flags, mode);
};
syncBuiltinESMExports();
const { writeFileAtomic } = await import(${JSON.stringify(builtModule('src/files/files.js'))});
await writeFileAtomic(${JSON.stringify(at('secret'))}, 'new');`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    expect(stdout).toBe('600\n');
    expect([readFileSync(at('secret'), 'utf8'), mode(at('secret'))]).toEqual(['new', 0o600]);
  });

  it('keeps the mode of an existing file unless another mode is requested', async () => {
    writeFileSync(at('kept'), 'old', { mode: 0o640 });
    await writeFileAtomic(at('kept'), 'new');
    expect(mode(at('kept'))).toBe(0o640);
    await writeFileAtomic(at('kept'), 'new', { mode: 0o600 });
    expect(mode(at('kept'))).toBe(0o600);
  });

  it('writes to the target of a symbolic link and keeps the link', async () => {
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

  it('removes only old temporary files that a killed writer of the same file left behind', async () => {
    mkdirSync(at('stale'));
    const left = ['.f.0123456789ab.tmp', '.f.0123456789ac.tmp', '.g.0123456789ab.tmp', '.f.x.tmp'];
    for (const name of left) writeFileSync(at(`stale/${name}`), '');
    for (const name of ['.f.0123456789ab.tmp', '.g.0123456789ab.tmp', '.f.x.tmp']) {
      utimesSync(at(`stale/${name}`), 0, 0);
    }
    await writeFileAtomic(at('stale/f'), 'x');
    expect(readdirSync(at('stale')).sort()).toEqual([...left.slice(1), 'f'].sort());
  });

  it('names the folder that is missing', async () => {
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

  it.runIf(root)('names the mode of a folder that it may not write to', async () => {
    mkdirSync(at('readonly'), { mode: 0o755 });
    expect(await asNobody(`await files.writeFileAtomic(${JSON.stringify(at('readonly/f'))}, '')`)).toEqual({
      code: 'permission-denied',
      message: `permission denied to write "${at('readonly/f')}" (folder "${at('readonly')}" has mode 0755, owner 0)`,
    });
  });

  it.runIf(root)('keeps the owner of a file when root replaces it', async () => {
    writeFileSync(at('owned'), 'old');
    chownSync(at('owned'), 65534, 65534);
    await writeFileAtomic(at('owned'), 'new');
    expect(statSync(at('owned')).uid).toBe(65534);
  });
});

describe('creating a folder', () => {
  it('creates a folder and its missing parents with mode 0700', async () => {
    await makeDirectory(at('a/b/c'));
    expect([at('a'), at('a/b'), at('a/b/c')].map(mode)).toEqual([0o700, 0o700, 0o700]);
  });

  it('does not change an existing folder', async () => {
    mkdirSync(at('there'), { mode: 0o755 });
    await makeDirectory(at('there'));
    expect(mode(at('there'))).toBe(0o755);
  });

  it('fails when the folder or one of its parents is a file', async () => {
    writeFileSync(at('file'), '');
    await expect(makeDirectory(at('file'))).rejects.toMatchObject({ code: 'not-a-folder' });
    await expect(makeDirectory(at('file/below'))).rejects.toMatchObject({
      code: 'not-a-folder',
      message: `"${at('file')}" is a file, expected a folder`,
    });
  });

  it('creates a folder once when several callers request it at the same time', async () => {
    expect(await Promise.allSettled([1, 2, 3].map(() => makeDirectory(at('raced/a'))))).toMatchObject(
      [1, 2, 3].map(() => ({ status: 'fulfilled' })),
    );
  });

  it.runIf(process.platform === 'linux')(
    'fails where the file system does not accept new folders',
    async () => {
      await expect(makeDirectory('/proc/natspki/certs')).rejects.toMatchObject({
        code: 'no-folders',
        message: 'cannot create folder "/proc/natspki": "/proc" does not accept new folders',
      });
    },
  );

  it('finds existing folders and dangling links, and nothing else', () => {
    symlinkSync('nowhere', at('dangling'));
    expect([folder, at('dangling'), at('nowhere')].map(exists)).toEqual([true, true, false]);
    expect(existsSync(at('dangling'))).toBe(false);
  });
});
