// nats-server's configuration language, from text to typed values.

import type { MapValue } from './value.ts';

/** Where a configuration comes from and what surrounds it. */
export interface ParseOptions {
  /** The file's name as people should see it; includes are read relative to its folder. */
  readonly file: string;
  /** Reads an included file; the default reads from the disk. */
  readonly readFile?: (path: string) => string;
  /** Where `$NAME` is looked up when no block in scope has it; the default is `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Parses a configuration with its includes and variables; throws ConfErrors with every error found. */
export function parseConf(_text: string, _options: ParseOptions): MapValue {
  throw new Error('not built yet');
}

/** Reads and parses a configuration file; `files` lists it and everything it includes, for a watcher. */
export function loadConf(_path: string): { root: MapValue; files: string[] } {
  throw new Error('not built yet');
}
