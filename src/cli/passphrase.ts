// The passphrase of the authority's key: from a file, or asked for.
import { NatspkiError } from '../errors.ts';
import { readFile } from '../files.ts';
import type { PkiDirectory } from '../pki/directory.ts';
import { authorityNeedsPassphrase } from '../pki/issue.ts';
import { askSecret, mayAsk } from './prompts.ts';

/**
 * Returns the passphrase of a key that may have one: from --passphrase-file, else asked for on a terminal where it is
 * needed, else undefined (and whoever opens the key says so).
 * @param root whether it is for the making of an authority, which the root signs
 */
export async function authorityPassphrase(
  directory: PkiDirectory,
  flags: { readonly 'passphrase-file'?: string | undefined; readonly json?: boolean; readonly yes?: boolean },
  { root = false } = {},
): Promise<string | undefined> {
  const file = flags['passphrase-file'];
  if (file !== undefined) return readPassphrase(file);
  if (!mayAsk(flags) || !(await authorityNeedsPassphrase(directory, root))) return undefined;
  return askSecret(`Passphrase of ${directory.issuerPair.keyFile}`);
}

/** Asks for a new passphrase, twice; undefined for none. */
export async function askNewPassphrase(): Promise<string | undefined> {
  const first = await askSecret("Passphrase for the authority's key (empty: none)");
  if (first === '') return undefined;
  await askSecret('The same again', (again) => again === first || 'not the same, try again');
  return first;
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
