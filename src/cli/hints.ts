// Default hints by error code, for errors that are thrown where the command is not known.
import type { NatspkiError } from '../errors.ts';

const newRequest =
  'openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=NAME -keyout NAME-key.pem -out NAME.csr';
const otherPath = '`ls -la FOLDER` shows what is there';
const copyAgain = 'copy the whole file again, byte for byte';

const hints: Readonly<Record<string, string>> = {
  'authority-expired': 'use the authority that replaced it, or create one with `natspki init`',
  'bad-request-signature': newRequest,
  cancelled: 'pass --yes to accept the defaults; --help lists a flag for each question',
  'damaged-certificate': copyAgain,
  'damaged-private-key': copyAgain,
  'damaged-public-key': copyAgain,
  'damaged-der': copyAgain,
  'damaged-request': copyAgain,
  'damaged-revocation-list': copyAgain,
  'disk-full': '`df -h` shows which disk is full',
  'empty-file': copyAgain,
  'file-too-large': 'name the file of the certificate, key or configuration itself',
  input: 'pipe in a single certificate, request or key',
  'invalid-configuration': '`natspki check FILE` shows all that is wrong with it',
  'key-mismatch': '`natspki verify` shows which files belong together',
  'nats-server-refuses': 'correct the configuration, or leave out --check',
  'no-authority': 'name the folder that has the certificate and the key of the authority',
  'no-folders': 'choose a folder in another place',
  'no-material': 'name a file of PEM or DER, such as certs/server-cert.pem',
  'no-server-certificate': 'name a port that speaks TLS, such as tls://localhost:4222',
  'not-a-file': otherPath,
  'not-a-folder': otherPath,
  'not-an-authority': 'put the certificate of the authority first in the file',
  output: 'redirect the output to a disk with free space: natspki COMMAND > FILE',
  passphrase: 'write the passphrase alone on the first line of a file that only you can read',
  'path-too-long': 'let the root sign: leave out --intermediate',
  'read-only': 'choose a folder on another file system',
  'same-file': 'choose a different file for each',
  signal: 'check that the server is running, and as your user',
  template: 'install natspki again',
  'tls-refused': '`natspki broker --help_tls` lists the cipher suites and curves',
  unreachable: 'check that the server is running; `natspki broker -c nats.conf` starts one',
  'weak-key': newRequest,
  'wrong-key-type': '`natspki init --key-type p256 --dir FOLDER` creates an authority that can sign',
  'wrong-material': '`natspki inspect FILE` shows what a file holds',
  'wrong-passphrase': 'pass --passphrase-file FILE with the right passphrase',
};

/** Returns the hint of an error: its own, the default for its code, or the help page of the command. */
export function hintOf({ hint, code }: NatspkiError, command: string | undefined): string {
  return hint ?? hints[code] ?? (command === undefined ? 'natspki --help' : `natspki ${command} --help`);
}
