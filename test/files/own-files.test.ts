// Which files in a folder natspki treats as its own, and which it rejects.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readOwnFile, refuseForeign } from '../../src/files/own-files.ts';
import { testFolder } from '../support/folder.ts';

const scratch = testFolder('own-files');
const root = process.getuid?.() === 0;

/** Makes a folder with `inner/file`, and returns the paths. */
function folderWith(): { folder: string; inner: string; file: string } {
  const folder = mkdtempSync(join(scratch, 'folder-'));
  const inner = join(folder, 'inner');
  mkdirSync(inner);
  const file = join(inner, 'file');
  writeFileSync(file, 'text');
  return { folder, inner, file };
}

describe('a file of natspki', () => {
  it('is read, also when the folder itself is behind a link', async () => {
    const { folder, file } = folderWith();
    expect((await readOwnFile(folder, file)).toString()).toBe('text');
    const link = `${folder}-link`;
    symlinkSync(folder, link);
    expect((await readOwnFile(link, join(link, 'inner/file'))).toString()).toBe('text');
  });

  it('can be missing, and can be outside of the folder', () => {
    const { folder, inner } = folderWith();
    expect(() => refuseForeign(folder, join(inner, 'none'))).not.toThrow();
    expect(() => refuseForeign(folder, join(folder, 'none/deep'))).not.toThrow();
    expect(() => refuseForeign(join(folder, 'none'), join(folder, 'none/x'))).not.toThrow();
    expect(() => refuseForeign(inner, '/dev/null')).not.toThrow();
  });

  it.each<[what: string, code: string, make: (inner: string) => void]>([
    ['a link to a file', 'linked-file', (inner) => symlinkSync('file', join(inner, 'x'))],
    ['a link that leads nowhere', 'linked-file', (inner) => symlinkSync('nowhere', join(inner, 'x'))],
    ['a folder', 'not-a-file', (inner) => mkdirSync(join(inner, 'x'))],
    ['a pipe', 'not-a-file', (inner) => execFileSync('mkfifo', [join(inner, 'x')])],
  ])('cannot be %s', async (_what, code, make) => {
    const { folder, inner } = folderWith();
    make(inner);
    await expect(readOwnFile(folder, join(inner, 'x'))).rejects.toMatchObject({ code });
  });

  it('cannot be behind a link or below a file', () => {
    const { folder } = folderWith();
    symlinkSync('inner', join(folder, 'away'));
    const refused = (path: string, code: string) =>
      expect(() => refuseForeign(folder, join(folder, path))).toThrow(expect.objectContaining({ code }));
    refused('away/file', 'linked-file');
    refused('inner/file/deeper', 'not-a-folder');
  });

  it.runIf(root)('must belong to the user or to root in a folder that other users can write to', () => {
    const { folder, inner, file } = folderWith();
    const refused = () =>
      expect(() => refuseForeign(folder, file)).toThrow(
        expect.objectContaining({
          code: 'foreign-owner',
          message: `"${file}" belongs to user 65534, in a folder that other users can write to`,
          hint: `natspki did not make it: ls -la "${file}"`,
        }),
      );
    chownSync(file, 65534, 65534);
    expect(() => refuseForeign(folder, file)).not.toThrow();
    chmodSync(inner, 0o777);
    refused();
    chmodSync(inner, 0o775);
    refused();
  });

  it.runIf(root)('can belong to the owner of the folder when root reads it', () => {
    const { folder, inner, file } = folderWith();
    for (const path of [folder, inner, file]) chownSync(path, 65534, 65534);
    expect(() => refuseForeign(folder, file)).not.toThrow();
  });

  it('cannot have hard links in a folder that other users can write to', () => {
    const { folder, inner, file } = folderWith();
    linkSync(file, join(inner, 'x'));
    expect(() => refuseForeign(folder, file)).not.toThrow();
    chmodSync(inner, 0o777);
    expect(() => refuseForeign(folder, file)).toThrow(
      `"${file}" has 2 names, in a folder that other users can write to`,
    );
  });
});
