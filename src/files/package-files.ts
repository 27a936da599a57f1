// Where the files are that the package carries beside its code.
import { existsSync, readFileSync } from 'node:fs';

/** The root of the package, once it was looked for. */
let root: URL | undefined;

/** Returns the URL of a file of the package, by its path from the package's root. */
export function packageFile(path: string): URL {
  root ??= findRoot();
  return new URL(path, root);
}

/** Looks above the code, which runs from src, from dist/src, and from any folder of a bundle. */
function findRoot(): URL {
  let folder = new URL('.', import.meta.url);
  while (readManifest(folder).name !== 'natspki') folder = new URL('..', folder);
  return folder;
}

/** Returns the version of the package. */
export function packageVersion(): string {
  return readManifest(packageFile('.')).version ?? '';
}

/** Reads the package.json of a folder; some folders of the package have one that only names their module system. */
function readManifest(folder: URL): { name?: string; version?: string } {
  const file = new URL('package.json', folder);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}
