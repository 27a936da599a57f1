// Finds and reads what a command is pointed at: a file, stdin for `-`, a server, the configurations of this folder.
import { readdirSync } from 'node:fs';
import { NatspkiError, UsageError } from '../errors.ts';
import { readFile } from '../files.ts';

/** Far above any bundle of certificates. */
const stdinLimit = 16 * 1024 * 1024;

/** Names an input in messages. */
export function inputName(source: string): string {
  return source === '-' ? 'stdin' : source;
}

/** Reads a file, all of stdin for `-`, or of the URL of a server the certificate that it shows. */
export async function readSource(source: string): Promise<Buffer> {
  if (!/^[a-z]+:\/\//i.test(source)) return readInput(source);
  const { fetchServerCertificate } = await import('../tls/server-certificate.ts');
  return fetchServerCertificate(source);
}

/** Reads a file, or all of stdin for `-`; throws a NatspkiError that names it. */
export async function readInput(source: string): Promise<Buffer> {
  return source === '-' ? readStdin() : readFile(source);
}

/** Lists what `init` has written here: the configuration of a server, or of each node of a cluster. */
export function configurationsHere(): string[] {
  const files = readdirSync('.', { withFileTypes: true }).filter((entry) => !entry.isDirectory());
  const names = files.map(({ name }) => name).filter((name) => /^nats(-.+)?\.conf$/.test(name));
  return names.sort().map((name) => `./${name}`);
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
