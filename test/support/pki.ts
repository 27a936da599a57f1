// Creates authorities in temporary folders for tests.
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type InitOptions, initialize } from '../../src/pki/issue/init.ts';
import { PkiDirectory } from '../../src/pki/store/directory.ts';
import { type Certificate, readCertificates } from '../../src/x509/certificate.ts';

/** Chooses a folder below `scratch` for an authority, without creating it. */
export function newDirectory(scratch: string): PkiDirectory {
  return new PkiDirectory(join(mkdtempSync(join(scratch, 'pki-')), 'certs'));
}

/** The options that `natspki init --yes` uses. */
export const initDefaults: Omit<InitOptions, 'directory'> = {
  hosts: ['localhost', '127.0.0.1', '::1'],
  clients: ['client'],
  authorityName: 'Test authority',
  authorityDays: 3650,
  days: 365,
  keyType: 'p256',
};

/** Makes an authority with server, route and client certificates below `scratch`. */
export async function madeDirectory(
  scratch: string,
  options: Partial<InitOptions> = {},
): Promise<PkiDirectory> {
  const directory = newDirectory(scratch);
  await initialize({ directory, ...initDefaults, ...options });
  return directory;
}

/** Reads the leaf certificate stored under a name. */
export function leafOf(directory: PkiDirectory, name: string): Certificate {
  const file = directory.certificateFile(name);
  return readCertificates(readFileSync(file), file)[0];
}
