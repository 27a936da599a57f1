// Snapshots of the files below a folder, for comparing what a command changed.
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Lists everything below a folder, hidden files included, as `0600 certs/ca-key.pem`, sorted by path. */
export function tree(folder: string): string[] {
  return paths(folder).map((path) => {
    const { mode } = lstatSync(join(folder, path));
    return `${(mode & 0o7777).toString(8).padStart(4, '0')} ${path}`;
  });
}

/** Reads every file below a folder; keys are paths. */
export function contents(folder: string): Record<string, string> {
  const files = paths(folder).filter((path) => lstatSync(join(folder, path)).isFile());
  return Object.fromEntries(files.map((path) => [path, readFileSync(join(folder, path), 'latin1')]));
}

function paths(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).sort();
}
