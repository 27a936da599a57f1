// Folders of authorities for tests.
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PkiDirectory } from '../../src/pki/directory.ts';
import { type InitOptions, initialize } from '../../src/pki/init.ts';
import { type Certificate, readCertificates } from '../../src/x509/certificate.ts';

/** Names a folder for an authority below `scratch`, not made yet. */
export function newDirectory(scratch: string): PkiDirectory {
  return new PkiDirectory(join(mkdtempSync(join(scratch, 'pki-')), 'certs'));
}

/** What `natspki init --yes` asks for. */
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

/** Reads the certificate of a name. */
export function leafOf(directory: PkiDirectory, name: string): Certificate {
  const file = directory.certificateFile(name);
  return readCertificates(readFileSync(file), file)[0];
}
