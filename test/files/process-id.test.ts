// Process ids, by their number or by the file that holds them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readProcessId } from '../../src/files/process-id.ts';
import { testFolder } from '../support/folder.ts';

const folder = testFolder('process-id');

describe('readProcessId', () => {
  it.each([
    ['1', 1],
    ['4194304', 4_194_304],
    ['0', undefined],
    ['007', undefined],
    ['12345678901', undefined],
  ])('reads the number %s as %s', (text, expected) => {
    expect(readProcessId(text)).toBe(expected);
  });

  it.each([
    ['4242\n', 4242],
    ['', undefined],
    ['-1\n', undefined],
    ['1 2\n', undefined],
    ['0x10', undefined],
  ])('reads a file with %j as %s', (content, expected) => {
    const path = join(folder, 'server.pid');
    writeFileSync(path, content);
    expect(readProcessId(path)).toBe(expected);
  });

  it('names a file that does not exist', () => {
    const path = join(folder, 'none.pid');
    expect(() => readProcessId(path)).toThrow(expect.objectContaining({ code: 'file-missing' }));
  });
});
