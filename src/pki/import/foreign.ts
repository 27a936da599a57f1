// Finds certificates, keys and revocation lists that other tools made, whatever the files are called and however deep
// they are. It only reads; import.ts decides what to do with them.
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { promises } from 'node:fs';
import { join, parse } from 'node:path';
import { NatspkiError } from '../../errors.ts';
import { fileError, readFile } from '../../files/files.ts';
import { Certificate } from '../../x509/certificate.ts';
import { type Material, readMaterial, wrapDerErrors } from '../../x509/decode.ts';
import { isPkcs12 } from '../../x509/foreign-format.ts';
import { openPrivateKey } from '../../x509/key.ts';
import { looksLikePem } from '../../x509/pem.ts';
import { pinOfSpki } from '../../x509/pin.ts';
import type { FoundInPkcs12 } from '../../x509/pkcs12.ts';
import { readRevocationList } from '../../x509/revocation-list.ts';

export interface ForeignCertificate {
  readonly certificate: Certificate;
  readonly file: string;
  /** PKCS#12: one file with the certificates and keys of any number of pairs. */
  readonly isKeyStore: boolean;
}

export interface Foreign {
  /** Each certificate once, sorted by the path of its file. */
  readonly certificates: readonly ForeignCertificate[];
  readonly keys: readonly { readonly key: KeyObject; readonly file: string }[];
  /** Serial numbers in revocation lists, whose signatures are not checked. */
  readonly revoked: ReadonlySet<string>;
  /** One line for each block that could not be read. */
  readonly problems: readonly string[];
  /** One line for each reason why a file was not used, with all files it applies to. */
  readonly skipped: readonly string[];
}

const maximumDepth = 8;
const maximumFiles = 20_000;
/** In one line. */
const maximumNamed = 50;
/** In bytes; larger files are skipped. */
const maximumFileSize = 1024 * 1024;

/** Reads all files in the folders and below them; throws for a file or folder that cannot be opened. */
export async function readForeign(folders: readonly string[], passphrase?: string): Promise<Foreign> {
  const certificates = new Map<string, ForeignCertificate>();
  const keys: { key: KeyObject; file: string }[] = [];
  const revoked = new Set<string>();
  const problems: string[] = [];
  const takeCertificate = (certificate: Certificate, file: string, isKeyStore = false) => {
    const seen = certificates.get(certificate.fingerprint);
    // easy-rsa keeps copies that are named after their serial numbers; prefer the other file, for its name.
    if (seen === undefined || parse(seen.file).name.toLowerCase() === certificate.serial)
      certificates.set(certificate.fingerprint, { certificate, file, isKeyStore });
  };
  const take = (material: Material, file: string) => {
    const { kind, der } = material;
    if (kind === 'certificate') {
      takeCertificate(
        wrapDerErrors('certificate', file, () => new Certificate(der)),
        file,
      );
    } else if (kind === 'private-key') {
      if (material.encryption !== 'pem') keys.push({ key: openPrivateKey(material, file, passphrase), file });
    } else if (kind === 'revocation-list') {
      for (const { serial } of readRevocationList(der, file).revoked) revoked.add(serial);
    }
  };
  const skipped = new SkippedFiles();
  for (const file of await filesBelow(folders, skipped)) {
    const bytes = await readFile(file, maximumFileSize);
    if (isPkcs12(bytes)) {
      const found = await openPkcs12(bytes, file, passphrase, problems);
      for (const { certificate } of found?.certificates ?? []) takeCertificate(certificate, file, true);
      for (const { key } of found?.keys ?? []) keys.push({ key, file });
      continue;
    }
    const materials = materialsOf(bytes, file, problems, skipped);
    for (const material of materials) await recording(problems, () => take(material, file));
    await recording(problems, () => {
      for (const key of openLegacyKeys(bytes, file, passphrase)) keys.push({ key, file });
    });
    const kinds = new Set(materials.map(({ kind }) => kind));
    if (kinds.size === 1 && kinds.has('request'))
      skipped.add(file, 'a certificate request, which is not imported');
    if (kinds.size === 1 && kinds.has('public-key')) skipped.add(file, 'a public key, which is not imported');
  }
  const pins = new Set([...certificates.values()].map(({ certificate }) => certificate.pin));
  for (const { key, file } of keys) {
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
    if (!pins.has(pinOfSpki(spki))) skipped.add(file, 'a private key without its certificate');
  }
  return { certificates: [...certificates.values()], keys, revoked, problems, skipped: skipped.lines };
}

/** Opens a file with the passphrase, or the empty password; undefined, with a reason, when that fails. */
async function openPkcs12(
  bytes: Buffer,
  file: string,
  passphrase: string | undefined,
  problems: string[],
): Promise<FoundInPkcs12 | undefined> {
  const { readPkcs12 } = await import('../../x509/pkcs12.ts');
  try {
    return await readPkcs12(bytes, passphrase ?? '', file);
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    const isClosed = passphrase === undefined && error.code === 'wrong-passphrase';
    problems.push(isClosed ? `"${file}" has a password, pass it with --passphrase-file FILE` : error.message);
    return undefined;
  }
}

/** The files that are not imported, by reason: a folder may hold thousands. */
class SkippedFiles {
  readonly #byReason = new Map<string, string[]>();

  add(file: string, reason: string): void {
    const files = this.#byReason.get(reason) ?? [];
    this.#byReason.set(reason, [...files, file]);
  }

  get lines(): string[] {
    return [...this.#byReason].map(([reason, files]) => {
      const named = files.slice(0, maximumNamed).map((file) => `"${file}"`);
      const more = files.length - named.length;
      return `skipped ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}: ${reason}`;
    });
  }
}

/** Returns what is in a file. A file that cannot be read is a problem only if it looks like PEM. */
function materialsOf(bytes: Buffer, file: string, problems: string[], skipped: SkippedFiles): Material[] {
  try {
    return readMaterial(bytes, file);
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    if (error.code === 'foreign-format') {
      skipped.add(file, `${error.message.slice(error.message.indexOf('" is ') + 5)} (${error.hint})`);
    } else if (error.code !== 'no-material' && looksLikePem(bytes)) {
      problems.push(error.message);
    } else {
      skipped.add(file, 'no certificate, key or revocation list');
    }
    return [];
  }
}

/**
 * Opens keys that are encrypted in the form of RFC 1421, which older openssl and step write. Throws `passphrase-needed` and
 * `wrong-passphrase`.
 */
function openLegacyKeys(bytes: Buffer, file: string, passphrase: string | undefined): KeyObject[] {
  const blocks = bytes
    .toString('latin1')
    .matchAll(
      /-----BEGIN ([A-Z ]*PRIVATE KEY)-----\r?\nProc-Type: 4,ENCRYPTED[^-]*(?:-[^-]+)*?-----END \1-----/g,
    );
  return [...blocks].map(([key]) => {
    if (passphrase === undefined) throw passphraseNeeded(`the key in "${file}"`);
    try {
      return createPrivateKey({ key, format: 'pem', passphrase });
    } catch (cause) {
      throw new NatspkiError('wrong-passphrase', `wrong passphrase for "${file}"`, { cause });
    }
  });
}

function passphraseNeeded(what: string): NatspkiError {
  return new NatspkiError(
    'passphrase-needed',
    `${what} is encrypted, give its passphrase with --passphrase-file`,
  );
}

async function recording(problems: string[], read: () => void | Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof NatspkiError)) throw error;
    problems.push(error.message);
  }
}

async function filesBelow(folders: readonly string[], skipped: SkippedFiles): Promise<string[]> {
  const files: string[] = [];
  const visit = async (folder: string, depth: number) => {
    const entries = await promises.readdir(folder, { withFileTypes: true }).catch((error) => {
      throw fileError(error, 'read', folder);
    });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (depth < maximumDepth) await visit(path, depth + 1);
        else skipped.add(path, `more than ${maximumDepth} folders deep`);
        continue;
      }
      const isFile = entry.isFile() || entry.isSymbolicLink();
      const stats = isFile ? await promises.stat(path).catch(() => undefined) : undefined;
      if (!stats?.isFile()) skipped.add(path, 'not a file, or a link to none');
      else if (stats.size > maximumFileSize) skipped.add(path, `more than ${maximumFileSize} bytes`);
      else files.push(path);
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
