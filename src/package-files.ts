// Where the files are that the package carries beside its code.

/** Gives the URL of a file of the package, from its root; code runs in src, and built in a folder one deeper. */
export function packageFile(path: string): URL {
  return new URL(`${import.meta.url.endsWith('.ts') ? '..' : '../..'}/${path}`, import.meta.url);
}
