// The compiled sources, for tests that run a piece of them in a process of its own.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

/** Gives the URL of a compiled module, to be imported by a script: `builtModule('src/lock.js')`. */
export function builtModule(path: string): string {
  return pathToFileURL(join(dist, path)).href;
}
