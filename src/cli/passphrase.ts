// Gets the passphrase of the authority's key, from a file or from the user.
import { join } from 'node:path';
import { NatspkiError } from '../errors.ts';
import { exists, readFile } from '../files/files.ts';
import { encryptedAuthorityKeys } from '../pki/issue/issue.ts';
import type { PkiDirectory } from '../pki/store/directory.ts';
import { askSecret, mayAsk } from './prompts.ts';

/**
 * Returns the passphrase from --passphrase-file, or asks on a terminal if a key is encrypted. Returns undefined otherwise:
 * opening an encrypted key then throws `passphrase-needed`.
 * @param root whether the root's key is needed too, to sign an authority
 */
export async function authorityPassphrase(
  directory: PkiDirectory,
  flags: { readonly 'passphrase-file'?: string | undefined; readonly json?: boolean; readonly yes?: boolean },
  { root = false } = {},
): Promise<string | undefined> {
  const file = flags['passphrase-file'];
  if (file !== undefined) return readPassphrase(file);
  if (!mayAsk(flags)) return undefined;
  const encrypted = await encryptedAuthorityKeys(directory, root);
  if (encrypted.length === 0) return undefined;
  const names = encrypted.map((file) => file.name).join(' and ');
  return askSecret(
    `Passphrase for ${names}`,
    '--passphrase-file',
    (text) => encrypted.every(({ opens }) => opens(text)) || 'wrong passphrase, try again',
  );
}

/** Returns the file of a credential that systemd provides (systemd.exec, LoadCredential=); undefined where there is none. */
export function systemdCredential(name: string): string | undefined {
  const folder = process.env.CREDENTIALS_DIRECTORY;
  if (folder === undefined || folder === '') return undefined;
  const file = join(folder, name);
  return exists(file) ? file : undefined;
}

/** Asks twice for a new passphrase; undefined if the user enters none. */
export async function askNewPassphrase(): Promise<string | undefined> {
  const first = await askSecret(
    "Passphrase for the authority's key (leave empty for none)",
    '--passphrase-file',
  );
  if (first === '') return undefined;
  await askSecret(
    'Repeat the passphrase',
    '--passphrase-file',
    (again) => again === first || 'the passphrases differ, try again',
  );
  return first;
}

/** Returns the password for an export from --password-file, or asks twice on a terminal; throws `password-needed`. */
export async function exportPassword(flags: {
  readonly 'password-file'?: string | undefined;
  readonly json?: boolean;
  readonly yes?: boolean;
}): Promise<string> {
  const file = flags['password-file'];
  if (file !== undefined) return readPassphrase(file);
  if (!mayAsk(flags)) {
    throw new NatspkiError('password-needed', 'PKCS#12 needs a password, found none', {
      hint: 'pass --password-file FILE',
    });
  }
  const first = await askSecret(
    'Password of the PKCS#12 file',
    '--password-file',
    (text) => text !== '' || 'the password is empty',
  );
  await askSecret(
    'Repeat the password',
    '--password-file',
    (again) => again === first || 'the passwords differ, try again',
  );
  return first;
}

/** Reads the first line of a file; throws `passphrase` if it is empty, not UTF-8, or has control characters. */
export async function readPassphrase(file: string): Promise<string> {
  const invalid = (what: string) =>
    new NatspkiError('passphrase', `the first line of "${file}" ${what}, expected a passphrase`);
  const bytes = await readFile(file);
  const end = bytes.indexOf('\n');
  let line: string;
  try {
    line = new TextDecoder('utf-8', { fatal: true }).decode(end === -1 ? bytes : bytes.subarray(0, end));
  } catch {
    throw invalid('is not UTF-8');
  }
  line = line.replace(/\r$/, '');
  if (line === '') throw invalid('is empty');
  if (/\p{Cc}/u.test(line)) throw invalid('has a control character');
  return line;
}
