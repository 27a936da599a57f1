// Replaces files in each of the ways that certificate rotation tools do.
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** New contents by path; all paths are in one folder. */
export type Contents = Readonly<Record<string, string>>;

/** Replaces the contents of the given files. */
export type Replace = (contents: Contents) => void;

/** Atomic writers: writes a new file next to the old one and renames it over. */
export const renameOver: Replace = (contents) => {
  for (const [path, text] of Object.entries(contents)) writeFileSync(`${path}.new`, text);
  for (const path of Object.keys(contents)) renameSync(`${path}.new`, path);
};

/** `cat >`: truncates and rewrites the same file. */
export const rewriteInPlace: Replace = (contents) => {
  for (const [path, text] of Object.entries(contents)) writeFileSync(path, text);
};

export const deleteAndCreate: Replace = (contents) => {
  for (const path of Object.keys(contents)) rmSync(path);
  for (const [path, text] of Object.entries(contents)) writeFileSync(path, text);
};

/**
 * Kubernetes secret mounts: the files are links through `..data`, itself a link to a folder. The update exchanges
 * that link.
 */
export const swapDataLink: Replace = (contents) => {
  const folder = dirname(Object.keys(contents)[0] as string);
  const version = mkdtempSync(join(folder, '..version-'));
  for (const [path, text] of Object.entries(contents)) writeFileSync(join(version, basename(path)), text);
  symlinkSync(basename(version), join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
};

/** Makes a folder in which swapDataLink works on the files of these contents. */
export function makeMountedFolder(folder: string, contents: Contents): void {
  mkdirSync(folder, { recursive: true });
  swapDataLink(contents);
  for (const path of Object.keys(contents)) symlinkSync(join('..data', basename(path)), path);
}
