// Temporary folders for the tests of one file, removed after them.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';

/** Makes a folder for this test file; call it at the top of the file or of a describe block. */
export function testFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `natspki-${name}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Copies a folder next to itself, for a test that modifies what other tests start from. */
export function freshCopy(folder: string): string {
  const copy = mkdtempSync(join(dirname(folder), 'x-'));
  cpSync(folder, copy, { recursive: true });
  return copy;
}
