// Hands a pair of the folder over in another form: encodes it and writes it with mode 0600, all or nothing.
import { join } from 'node:path';
import { NatspkiError, UsageError } from '../../errors.ts';
import { exists, type FileWrite, makeDirectory, statsOf, writeFileAtomic } from '../../files/files.ts';
import { given } from '../../given.ts';
import { toPem } from '../../x509/certificate.ts';
import { encodePrivateKey } from '../../x509/key.ts';
import type { PkiDirectory } from '../store/directory.ts';
import {
  contextFile,
  contextOf,
  type ExportedPair,
  type ExportFormat,
  pemOf,
  readExported,
  secretOf,
} from './exported.ts';
import { sealWith } from './seal.ts';

export interface ExportOptions {
  readonly directory: PkiDirectory;
  readonly name: string;
  readonly format: ExportFormat;
  /** A file; a folder for `pem` when it exists or ends with a slash. By default a file in the current folder. */
  readonly out?: string;
  /** For `pkcs12`. */
  readonly password?: string;
  readonly legacy?: boolean;
  /** For `kubernetes`: the name of the Secret, by default that of the pair, and its namespace. */
  readonly secret?: string;
  readonly namespace?: string;
  /** For `kubernetes`: a command of the shell that turns the Secret into what is written. */
  readonly sealedBy?: string;
  /** For `nats-context`: the URL of the server. */
  readonly url?: string;
  /** Replaces existing files. */
  readonly force?: boolean;
}

const usualUrl = 'nats://localhost:4222';

/** Returns the content of an export to a single file. Throws as readExported does. */
export async function exportedContent(options: ExportOptions): Promise<string | Buffer> {
  return contentOf(await readExported(options.directory, options.name), options);
}

/**
 * Writes an export and returns the paths of its files. Throws `file-exists` when one of them exists, unless `force` is
 * given; nothing is written then.
 */
export async function exportPair(options: ExportOptions): Promise<string[]> {
  const { directory, name, format, force = false } = options;
  const folder = format === 'pem' ? folderOf(options.out) : undefined;
  const target = options.out ?? usualFile(name, format);
  const pair = directory.pair(name, folder);
  const paths =
    folder === undefined ? [target] : [pair.keyFile, pair.certificateFile, join(folder, 'ca.pem')];
  if (!force) refuseExisting(paths);
  const exported = await readExported(directory, name);
  if (folder !== undefined) {
    if (directory.isAt(folder)) throw new UsageError(`"${folder}" is the folder that the pair is in`);
    const [key, certificate, authorities] = paths as [string, string, string];
    const others: FileWrite[] = [
      { path: key, data: await encodePrivateKey(exported.key), mode: 0o600 },
      { path: certificate, data: toPem(exported.chain), mode: 0o644 },
      { path: authorities, data: toPem(exported.authorities), mode: 0o644 },
    ];
    await directory.exclusive(() => directory.write({ others }, new Date()));
    return paths;
  }
  const content = await contentOf(exported, options);
  if (format === 'nats-context' && options.out === undefined) await makeDirectory(join(target, '..'));
  await writeFileAtomic(target, content, { mode: 0o600 });
  return paths;
}

async function contentOf(pair: ExportedPair, options: ExportOptions): Promise<string | Buffer> {
  const { format, legacy = false, password = '', sealedBy } = options;
  switch (format) {
    case 'pkcs12': {
      if (password === '') throw new NatspkiError('password-needed', 'PKCS#12 needs a password, found none');
      const { writePkcs12 } = await import('../../x509/pkcs12.ts');
      return writePkcs12(pair, password, { legacy });
    }
    case 'kubernetes': {
      const { secret = pair.name, namespace } = options;
      const text = await secretOf(pair, { name: secret, ...given({ namespace }) });
      return sealedBy === undefined ? text : sealWith(sealedBy, text);
    }
    case 'nats-context':
      return contextOf(pair, options.url ?? usualUrl);
    default:
      return pemOf(pair);
  }
}

function usualFile(name: string, format: ExportFormat): string {
  if (format === 'nats-context') return contextFile(name);
  return `${name}${{ pkcs12: '.p12', kubernetes: '-secret.yaml', pem: '.pem' }[format]}`;
}

/** Returns the folder that --out names; undefined for a file. */
function folderOf(out: string | undefined): string | undefined {
  if (out === undefined) return undefined;
  return out.endsWith('/') || statsOf(out)?.isDirectory() === true ? out : undefined;
}

function refuseExisting(paths: readonly string[]): void {
  const there = paths.find(exists);
  if (there === undefined) return;
  throw new NatspkiError('file-exists', `"${there}" already exists`, {
    hint: 'choose another place with --out, or pass --force to replace it',
  });
}
