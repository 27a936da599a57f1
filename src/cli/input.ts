// Reads what a command is pointed at: a file, stdin for `-`, a passphrase.
import { NatspkiError, UsageError } from '../errors.ts';
import { readFile } from '../files.ts';
import { askSecret, mayAsk } from './prompts.ts';

/** Far above any bundle of certificates. */
const stdinLimit = 16 * 1024 * 1024;

/** Names an input in messages. */
export function inputName(source: string): string {
  return source === '-' ? 'stdin' : source;
}

/** Tells the URL of a server from the path of a file. */
export function isUrl(source: string): boolean {
  return /^[a-z]+:\/\//i.test(source);
}

/** Reads a file, or all of stdin for `-`; throws a NatspkiError that names it. */
export async function readInput(source: string): Promise<Buffer> {
  return source === '-' ? readStdin() : readFile(source);
}

/**
 * Returns the passphrase of a key that may have one: from --passphrase-file, else asked for on a terminal where it is
 * needed, else undefined (and whoever opens the key says so).
 */
export async function authorityPassphrase(
  keyFile: string,
  flags: { readonly 'passphrase-file'?: string | undefined; readonly json?: boolean; readonly yes?: boolean },
  isNeeded: () => Promise<boolean>,
): Promise<string | undefined> {
  const file = flags['passphrase-file'];
  if (file !== undefined) return readPassphrase(file);
  return mayAsk(flags) && (await isNeeded()) ? askSecret(`Passphrase of ${keyFile}`) : undefined;
}

/** Reads the first line of a file as a passphrase; throws when it is empty, not UTF-8 or not text. */
export async function readPassphrase(file: string): Promise<string> {
  const refuse = (what: string) =>
    new NatspkiError('passphrase', `the first line of "${file}" ${what}, expected a passphrase`);
  const bytes = await readFile(file);
  const end = bytes.indexOf('\n');
  let line: string;
  try {
    line = new TextDecoder('utf-8', { fatal: true }).decode(end === -1 ? bytes : bytes.subarray(0, end));
  } catch {
    throw refuse('is not UTF-8');
  }
  line = line.replace(/\r$/, '');
  if (line === '') throw refuse('is empty');
  if (/\p{Cc}/u.test(line)) throw refuse('has a control character');
  return line;
}

async function readStdin(): Promise<Buffer> {
  if (process.stdin.isTTY)
    throw new UsageError('stdin is a terminal, expected a pipe', 'name a file instead, or pipe one in');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    size += chunk.length;
    if (size > stdinLimit) throw new NatspkiError('input', `stdin has more than ${stdinLimit} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) {
    throw new NatspkiError('input', 'nothing came on stdin, expected a certificate, request or key', {
      hint: 'name a file, such as certs/server-cert.pem',
    });
  }
  return Buffer.concat(chunks);
}
