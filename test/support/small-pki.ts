// A folder as `natspki init` makes it, small: an authority, a server, a route and a client, at a time of the test's
// choice.
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PkiDirectory } from '../../src/pki/directory.ts';
import { type InitOptions, initialize } from '../../src/pki/init.ts';
import { type Certificate, readCertificates } from '../../src/x509/certificate.ts';

/** Makes the folder below another; client certificates are `client` alone unless told otherwise. */
export async function smallPki(
  parent: string,
  options: Partial<Omit<InitOptions, 'directory'>> = {},
): Promise<PkiDirectory> {
  const directory = new PkiDirectory(join(mkdtempSync(join(parent, 'pki-')), 'certs'));
  await initialize({
    ...{ directory, hosts: ['localhost', '127.0.0.1'], clients: ['client'], authorityName: 'Test CA' },
    ...{ authorityDays: 3650, days: 365, keyType: 'p256' },
    ...options,
  });
  return directory;
}

/** Reads the certificate of a name. */
export function leafOf(directory: PkiDirectory, name: string): Certificate {
  const file = directory.certificateFile(name);
  return readCertificates(readFileSync(file), file)[0];
}
