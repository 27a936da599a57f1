// Everything that can be wrong with an authority's folder, found in one go and never fixed here.
import type { PkiDirectory } from './directory.ts';

export interface Finding {
  /** Stable: `expired`, `key-mismatch`, `key-mode`, `untrusted`, `wrong-usage`, `no-san`, `orphan-key`, ... */
  readonly code: string;
  readonly file: string;
  readonly message: string;
  readonly hint?: string;
}

/** Checks chain, keys, usages, names, expiry, file modes and orphans of the whole folder; returns all findings. */
export async function verifyDirectory(
  _directory: PkiDirectory,
  _options: { now?: () => Date } = {},
): Promise<Finding[]> {
  throw new Error('not yet');
}
