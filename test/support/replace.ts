// The ways in which files get replaced by those who rotate certificates.
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** New contents by path; all in one folder. */
export type Contents = Readonly<Record<string, string>>;

/** Puts the contents in the place of those files. */
export type Replace = (contents: Contents) => void;

/** As atomic writers do: a new file beside, renamed over the old one. */
export const renameOver: Replace = (contents) => {
  for (const [path, text] of Object.entries(contents)) writeFileSync(`${path}.new`, text);
  for (const path of Object.keys(contents)) renameSync(`${path}.new`, path);
};

/** As `cat >` does: the same file, emptied and written. */
export const rewriteInPlace: Replace = (contents) => {
  for (const [path, text] of Object.entries(contents)) writeFileSync(path, text);
};

export const deleteAndCreate: Replace = (contents) => {
  for (const path of Object.keys(contents)) rmSync(path);
  for (const [path, text] of Object.entries(contents)) writeFileSync(path, text);
};

/**
 * As kubernetes mounts secrets: the files are links through `..data`, itself a link to a folder, and that link is what
 * is exchanged.
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
