// The certificates of a server and a client that trust one authority, made by openssl, and what each side does with them.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { makeAuthority, makeLeaf, type Pair } from './openssl.ts';

/** The files of one authority, and of a server and a client certificate that it signed. */
export interface CertificateSet {
  readonly ca: Pair;
  readonly server: Pair;
  readonly client: Pair;
}

/** Makes a set in a folder. */
export function makeCertificateSet(folder: string): CertificateSet {
  const ca = makeAuthority(folder);
  return {
    ca,
    server: makeLeaf(folder, 'server', ca, { usage: 'serverAuth' }),
    client: makeLeaf(folder, 'client', ca, { usage: 'clientAuth' }),
  };
}

/** Returns a tls block that verifies clients. */
export function verifyingTls({ ca, server }: CertificateSet, more = ''): string {
  return `tls { cert_file: "${server.cert}", key_file: "${server.key}", ca_file: "${ca.cert}", verify: true, ${more} }\n`;
}

/** Returns the options of a client that trusts the set and shows its certificate, or this one. */
export function clientTls({ ca, client }: CertificateSet, pair = client): ConnectionOptions {
  return {
    ca: readFileSync(ca.cert),
    cert: readFileSync(pair.cert),
    key: readFileSync(pair.key),
    host: '127.0.0.1',
  };
}
