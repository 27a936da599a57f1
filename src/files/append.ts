// Appends lines to logs of records, and reads what was appended since. A crash leaves whole lines, and at most one
// incomplete line at the end, which the next append separates from its own.
import { closeSync, constants, fdatasync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import { fileError } from './files.ts';
import { refuseForeign } from './own-files.ts';

const reachDisk = promisify(fdatasync);
const newline = 0x0a;

/**
 * Appends lines, in one write, to a file that natspki made at or below `folder`; creates it with mode 0600. Throws as
 * readOwnFile does.
 * @param options.durable waits until the lines are on disk; default true
 */
export async function appendLines(
  folder: string,
  path: string,
  lines: readonly string[],
  { durable = true } = {},
): Promise<void> {
  refuseForeign(folder, path);
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
  try {
    const file = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      const start = endsInLine(file) ? '' : '\n';
      const bytes = Buffer.from(start + lines.map((line) => `${line}\n`).join(''));
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      if (durable) await reachDisk(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(error, 'write', path);
  }
}

/** Where a reader stopped in a file that is appended to. */
export interface ReadPosition {
  readonly device: number;
  readonly inode: number;
  /** The number of bytes that were read: whole lines only. */
  readonly bytes: number;
}

export interface Appended {
  readonly lines: readonly string[];
  readonly position: ReadPosition;
  /** Whether `lines` starts at the beginning: at the first read, and after the file was replaced. */
  readonly isWhole: boolean;
}

/**
 * Reads the whole lines that were appended after a position; all lines when the file was replaced or has become shorter.
 * Throws as readOwnFile does.
 */
export function readAppended(folder: string, path: string, last: ReadPosition | undefined): Appended {
  refuseForeign(folder, path);
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    try {
      const { dev: device, ino: inode, size } = fstatSync(file);
      const continues = last?.device === device && last.inode === inode && last.bytes <= size;
      const start = continues ? last.bytes : 0;
      const bytes = Buffer.alloc(size - start);
      let length = 0;
      for (let read = 1; read > 0 && length < bytes.length; length += read) {
        read = readSync(file, bytes, length, bytes.length - length, start + length);
      }
      const whole = bytes.subarray(0, length).lastIndexOf(newline) + 1;
      const lines = bytes.subarray(0, whole).toString().split('\n').slice(0, -1);
      return { lines, position: { device, inode, bytes: start + whole }, isWhole: !continues };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(error, 'read', path);
  }
}

function endsInLine(file: number): boolean {
  const { size } = fstatSync(file);
  if (size === 0) return true;
  const last = Buffer.alloc(1);
  readSync(file, last, 0, 1, size - 1);
  return last[0] === newline;
}
