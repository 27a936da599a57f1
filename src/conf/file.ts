// Reads a configuration file as text, up to a maximum size.

import { statSync } from 'node:fs';
import { NatspkiError } from '../errors.ts';
import { readFileSync } from '../files/files.ts';

/** The largest configuration file, in bytes. */
export const MAX_FILE_SIZE = 4 * 1024 * 1024;

/** Reads a configuration; keeps a byte order mark, turns bytes that are not UTF-8 into U+FFFD. Throws NatspkiError. */
export function readConfFile(path: string): string {
  return decode(readBytes(path));
}

/** Reads a configuration for editing; throws NatspkiError when its text would not encode to the same bytes again. */
export function readConfFileToEdit(path: string): string {
  const bytes = readBytes(path);
  const text = decode(bytes);
  if (Buffer.from(text).equals(bytes)) return text;
  throw new NatspkiError('not-utf8', `${path} is not UTF-8, so it cannot be edited without loss`, {
    hint: `iconv -f latin1 -t utf-8 ${path}`,
  });
}

function readBytes(path: string): Buffer {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  const bytes = size > MAX_FILE_SIZE ? undefined : readFileSync(path);
  if (bytes !== undefined && bytes.length <= MAX_FILE_SIZE) return bytes;
  throw new NatspkiError('file-too-large', `${path} is larger than ${MAX_FILE_SIZE} bytes`);
}

function decode(bytes: Buffer): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}
