// Logs of records: what is appended, and what a reader that comes back sees.
import { appendFileSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appendLines, readAppended } from '../../src/files/append.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('append');
const at = (name: string) => join(folder, name);

describe('appendLines', () => {
  it('creates the file for its owner only, and adds whole lines', async () => {
    await appendLines(folder, at('new'), ['one', 'two']);
    await appendLines(folder, at('new'), ['three'], { durable: false });
    expect(readFileSync(at('new'), 'utf8')).toBe('one\ntwo\nthree\n');
    expect(statSync(at('new')).mode & 0o777).toBe(0o600);
  });

  it('starts a new line after one that a crash left incomplete', async () => {
    writeFileSync(at('torn'), 'one\ntw');
    await appendLines(folder, at('torn'), ['three']);
    expect(readFileSync(at('torn'), 'utf8')).toBe('one\ntw\nthree\n');
  });

  it('follows no link', async () => {
    writeFileSync(at('target'), '');
    symlinkSync(at('target'), at('link'));
    await expect(appendLines(folder, at('link'), ['x'])).rejects.toMatchObject({ code: 'linked-file' });
    expect(readFileSync(at('target'), 'utf8')).toBe('');
  });
});

describe('readAppended', () => {
  it('returns only the lines that were added since, and leaves an incomplete one for later', () => {
    writeFileSync(at('log'), 'one\ntwo\n');
    const first = readAppended(folder, at('log'), undefined);
    expect(first).toMatchObject({ lines: ['one', 'two'], isWhole: true });
    appendFileSync(at('log'), 'three\nfou');
    const second = readAppended(folder, at('log'), first.position);
    expect(second).toMatchObject({ lines: ['three'], isWhole: false });
    appendFileSync(at('log'), 'r\n');
    expect(readAppended(folder, at('log'), second.position).lines).toEqual(['four']);
  });

  it('returns all lines after the file was replaced or shortened', () => {
    writeFileSync(at('old'), 'one\ntwo\n');
    const first = readAppended(folder, at('old'), undefined);
    writeFileSync(at('other'), 'one\ntwo\nthree\n');
    renameSync(at('other'), at('old'));
    const second = readAppended(folder, at('old'), first.position);
    expect(second).toMatchObject({ lines: ['one', 'two', 'three'], isWhole: true });
    writeFileSync(at('old'), 'one\n');
    expect(readAppended(folder, at('old'), second.position)).toMatchObject({ lines: ['one'], isWhole: true });
  });
});
