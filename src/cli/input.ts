// Reads the inputs of a command: files, stdin for `-`, certificates of servers; and finds the configurations to edit.
import { readdirSync } from 'node:fs';
import { NatspkiError, UsageError } from '../errors.ts';
import { exists, readFile } from '../files/files.ts';
import { looksLikePem } from '../x509/pem.ts';

/** In bytes; far above the size of any certificate bundle. */
const stdinLimit = 16 * 1024 * 1024;

/** Returns the name of an input for messages. */
export function inputName(source: string): string {
  return source === '-' ? 'stdin' : source;
}

/** Reads as readInput does, or returns the certificates that the server at a URL presents, its own first. */
export async function readSource(source: string): Promise<Buffer> {
  if (!/^[a-z]+:\/\//i.test(source)) {
    refuseHostAndPort(source);
    return readInput(source);
  }
  const { fetchServerCertificates } = await import('../rollout/server-certificate.ts');
  return fetchServerCertificates(source, { identity: await probeIdentity(source) });
}

/** The folder whose client certificate a probe of a NATS server presents. */
const usualFolder = './certs';

async function probeIdentity(url: string) {
  if (!/^(nats|tls):/i.test(url) || !exists(usualFolder)) return undefined;
  const [{ clientIdentity }, { PkiDirectory }] = await Promise.all([
    import('../pki/store/identity.ts'),
    import('../pki/store/directory.ts'),
  ]);
  return clientIdentity(new PkiDirectory(usualFolder));
}

/** Throws a UsageError for `localhost:4222`, unless there is such a file. */
function refuseHostAndPort(source: string): void {
  if (!/^(\[[\da-f:]+\]|[\w.-]+):\d{1,5}$/i.test(source) || exists(source)) return;
  throw new UsageError(`"${source}" is neither a file nor the URL of a server`, `tls://${source}`);
}

/** Reads a file, or all of stdin for `-`; throws a NatspkiError that names it. */
export async function readInput(source: string): Promise<Buffer> {
  return source === '-' ? readStdin() : readFile(source);
}

/** A token as an argument; the shortest one is far longer than any file name that looks like it. */
const tokenWord = /^[A-Za-z0-9_-]{100,}$/;

/** Reads a token: the argument itself, the file that it names, or stdin for `-`. */
export async function readToken(argument: string): Promise<string> {
  if (tokenWord.test(argument)) return argument;
  return (await readInput(argument)).toString('latin1');
}

/** Returns whether a file holds PEM, in the place of a configuration; false when it cannot be read. */
export async function holdsPem(file: string): Promise<boolean> {
  try {
    return looksLikePem(await readFile(file));
  } catch (error) {
    if (error instanceof NatspkiError) return false;
    throw error;
  }
}

/** Lists the configurations in the current folder that have the names `init` gives them: one server, or cluster nodes. */
export function configurationsHere(): string[] {
  const files = readdirSync('.', { withFileTypes: true }).filter((entry) => !entry.isDirectory());
  const names = files.map(({ name }) => name).filter((name) => /^nats(-.+)?\.conf$/.test(name));
  return names.sort().map((name) => `./${name}`);
}

async function readStdin(): Promise<Buffer> {
  if (process.stdin.isTTY)
    throw new UsageError('stdin is a terminal, expected a pipe', 'name a file, or pipe one in');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    size += chunk.length;
    if (size > stdinLimit) throw new NatspkiError('input', `stdin has more than ${stdinLimit} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) {
    throw new NatspkiError('input', 'stdin is empty, expected a certificate, request or key', {
      hint: 'name a file, such as certs/server-cert.pem',
    });
  }
  return Buffer.concat(chunks);
}
