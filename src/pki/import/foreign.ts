// Finds certificates, keys and revocation lists that other tools made, whatever the files are called and however deep
// they are. It only reads; import.ts decides what to do with them.
import type { KeyObject } from 'node:crypto';
import { promises } from 'node:fs';
import { join, parse } from 'node:path';
import { NatspkiError } from '../../errors.ts';
import { fileError, readFile } from '../../files/files.ts';
import { Certificate } from '../../x509/certificate.ts';
import { type Material, readMaterial, wrapDerErrors } from '../../x509/decode.ts';
import { openPrivateKey } from '../../x509/key.ts';
import { looksLikePem } from '../../x509/pem.ts';
import { readRevocationList } from '../../x509/revocation-list.ts';

export interface ForeignCertificate {
  readonly certificate: Certificate;
  readonly file: string;
}

export interface Foreign {
  /** Each certificate once, sorted by the path of its file. */
  readonly certificates: readonly ForeignCertificate[];
  readonly keys: readonly { readonly key: KeyObject; readonly file: string }[];
  /** Serial numbers in revocation lists, whose signatures are not checked. */
  readonly revoked: ReadonlySet<string>;
  /** One line for each block that could not be read. */
  readonly problems: readonly string[];
}

const maximumDepth = 8;
const maximumFiles = 20_000;
/** In bytes; larger files are skipped. */
const maximumFileSize = 1024 * 1024;

/** Reads all files in the folders and below them; throws for a file or folder that cannot be opened. */
export async function readForeign(folders: readonly string[], passphrase?: string): Promise<Foreign> {
  const certificates = new Map<string, ForeignCertificate>();
  const keys: { key: KeyObject; file: string }[] = [];
  const revoked = new Set<string>();
  const problems: string[] = [];
  const take = (material: Material, file: string) => {
    const { kind, der } = material;
    if (kind === 'certificate') {
      const certificate = wrapDerErrors('certificate', file, () => new Certificate(der));
      const seen = certificates.get(certificate.fingerprint);
      // easy-rsa keeps copies that are named after their serial numbers; prefer the other file, for its name.
      if (seen === undefined || parse(seen.file).name.toLowerCase() === certificate.serial)
        certificates.set(certificate.fingerprint, { certificate, file });
    } else if (kind === 'private-key') {
      keys.push({ key: openPrivateKey(material, file, passphrase), file });
    } else if (kind === 'revocation-list') {
      for (const { serial } of readRevocationList(der, file).revoked) revoked.add(serial);
    }
  };
  for (const file of await filesBelow(folders)) {
    const bytes = await readFile(file, maximumFileSize);
    if (bytes.length === 0) continue;
    for (const material of materialsOf(bytes, file, problems)) {
      recording(problems, () => take(material, file));
    }
  }
  return { certificates: [...certificates.values()], keys, revoked, problems };
}

/** Returns what is in a file. A file that cannot be read is a problem only if it looks like PEM. */
function materialsOf(bytes: Buffer, file: string, problems: string[]): Material[] {
  const ignored: string[] = [];
  return recording(looksLikePem(bytes) ? problems : ignored, () => readMaterial(bytes, file)) ?? [];
}

function recording<T>(problems: string[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    // The file has PEM of other kinds only, such as Diffie-Hellman parameters.
    if (error.code !== 'no-material') problems.push(error.message);
    return undefined;
  }
}

async function filesBelow(folders: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  const visit = async (folder: string, depth: number) => {
    const entries = await promises.readdir(folder, { withFileTypes: true }).catch((error) => {
      throw fileError(error, 'read', folder);
    });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && depth < maximumDepth) await visit(path, depth + 1);
      const stats =
        entry.isFile() || entry.isSymbolicLink()
          ? await promises.stat(path).catch(() => undefined)
          : undefined;
      if (stats?.isFile() && stats.size <= maximumFileSize) files.push(path);
      if (files.length > maximumFiles) {
        throw new NatspkiError('too-many-files', `more than ${maximumFiles} files in "${folder}"`, {
          hint: 'name the folder of the certificates itself',
        });
      }
    }
  };
  for (const folder of folders) await visit(folder, 0);
  return files;
}
