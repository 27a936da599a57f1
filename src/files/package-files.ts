// Where the files are that the package carries beside its code.
import { existsSync } from 'node:fs';

/** Returns the URL of a file of the package, by its path from the package's root. */
export function packageFile(path: string): URL {
  // The code runs from src, from dist/src, and from any folder of the bundle.
  let folder = new URL('.', import.meta.url);
  while (!existsSync(new URL('package.json', folder))) folder = new URL('..', folder);
  return new URL(path, folder);
}
