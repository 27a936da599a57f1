// The only writer of files: atomic, durable, with the final mode from the first byte. Knows nothing of what it writes.

/** Reads a whole file; throws a NatspkiError that names the file (and its mode) when it is missing, closed to us or a folder. */
export async function readFile(_path: string): Promise<Buffer> {
  throw new Error('not yet');
}

/** Reads like readFile, without waiting. */
export function readFileSync(_path: string): Buffer {
  throw new Error('not yet');
}

/**
 * Replaces a file in one step: a crash leaves the old content or the new. Follows a symbolic link.
 * @param options.mode of a file that is new; one that exists keeps its mode unless `mode` is given. Default 0o644.
 */
export async function writeFileAtomic(
  _path: string,
  _data: string | Uint8Array,
  _options: { mode?: number } = {},
): Promise<void> {
  throw new Error('not yet');
}

/** Makes a folder and those above it, mode 0700 unless given; one that exists stays as it is. */
export async function makeDirectory(_path: string, _mode = 0o700): Promise<void> {
  throw new Error('not yet');
}

/** One file of several that are written together. */
export interface FileWrite {
  readonly path: string;
  readonly data: string | Uint8Array;
  readonly mode: number;
}
