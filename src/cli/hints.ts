// What to type after an error whose place in the code cannot know it, by the code of the error.
import type { NatspkiError } from '../errors.ts';

const newRequest =
  'openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=NAME -keyout NAME-key.pem -out NAME.csr';
const otherPath = '`ls -la FOLDER` shows what is there';
const copyAgain = 'copy the whole file again; `natspki inspect FILE` shows what can be read of one';

const hints: Readonly<Record<string, string>> = {
  'bad-request-signature': newRequest,
  cancelled: 'with --yes it asks nothing, --help shows the flags that answer',
  'damaged-private-key': copyAgain,
  'damaged-public-key': copyAgain,
  'damaged-der': copyAgain,
  'disk-full': '`df -h` shows which disk is full',
  'empty-file': copyAgain,
  'file-too-large': 'name the file of the certificate, key or configuration itself',
  'invalid-configuration': '`natspki check FILE` shows all that is wrong with it',
  'key-mismatch': '`natspki verify` shows which files belong together',
  'no-folders': 'name a folder elsewhere',
  'no-material': 'name a file of PEM or DER, such as certs/server-cert.pem',
  'no-server-certificate': 'name a port that speaks TLS, such as tls://localhost:4222',
  'not-a-file': otherPath,
  'not-a-folder': otherPath,
  output: 'let it go elsewhere, to a file with room: natspki COMMAND > FILE',
  passphrase: 'put it into the first line of a file that you alone can read, and nothing else',
  'read-only': 'name a folder elsewhere',
  'same-file': 'give each its own file',
  signal: 'is the server running, and as your user?',
  unreachable: 'is the server running? `natspki broker -c nats.conf` starts one',
  'weak-key': newRequest,
  'wrong-key-type': '`natspki init --key-type p256 --dir FOLDER` makes an authority that can sign',
  'wrong-material': '`natspki inspect FILE` shows what a file holds',
  'wrong-passphrase': 'pass the file of the right one with --passphrase-file FILE',
};

/** Returns the hint of an error: its own, the usual one for its code, or else where the help is. */
export function hintOf({ hint, code }: NatspkiError, command: string | undefined): string {
  return hint ?? hints[code] ?? (command === undefined ? 'natspki --help' : `natspki ${command} --help`);
}
