// Locates compiled modules, for tests that run part of the sources in a separate process.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

/** Returns the URL of a compiled module, for a script to import: `builtModule('src/files/lock.js')`. */
export function builtModule(path: string): string {
  return pathToFileURL(join(dist, path)).href;
}
