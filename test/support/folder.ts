// A temporary folder for the tests of one file, gone after them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** Makes a folder for this test file; call it at the top of the file or of a describe block. */
export function testFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `natspki-${name}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
