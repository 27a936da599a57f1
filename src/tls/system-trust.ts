// Reads the authorities that the system trusts, for a block that verifies without a ca_file, as in nats-server.

import * as tls from 'node:tls';
import { readFile } from '../files/files.ts';

/** Where systems store their bundle, in Go's order (crypto/x509, root_linux.go and root_bsd.go). */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
  '/usr/local/etc/ssl/cert.pem',
];

/** Returns the authorities as PEM: those of SSL_CERT_FILE, else of the system, else those bundled with Node. */
export async function systemTrust(environment: NodeJS.ProcessEnv = process.env): Promise<string[]> {
  const named = environment.SSL_CERT_FILE;
  if (named !== undefined && named !== '') return [(await readFile(named)).toString('latin1')];
  for (const bundle of bundles) {
    try {
      return [(await readFile(bundle)).toString('latin1')];
    } catch {
      // Try the next one.
    }
  }
  // Node 22.15 and later query the certificate stores of macOS and Windows.
  const ask = (tls as { getCACertificates?: (type: 'system') => string[] }).getCACertificates;
  const asked = ask?.('system') ?? [];
  return asked.length > 0 ? asked : [...tls.rootCertificates];
}
