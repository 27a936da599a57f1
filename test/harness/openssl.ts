// Makes certificates with the openssl command, for tests that must not depend on the code under test.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The paths of a certificate and its private key, both PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface LeafOptions {
  /** The extended key usage; both by default, as a route has. */
  usage?: 'serverAuth' | 'clientAuth' | 'OCSPSigning';
  /** DNS names and IP addresses; localhost and 127.0.0.1 by default. */
  hosts?: string[];
  /**
   * Alternative names in openssl's syntax, which replace `hosts`: `email:a@example.com,URI:spiffe://a/b`; empty for
   * none.
   */
  names?: string;
  /** Days of validity from now; a negative number makes an expired certificate. */
  days?: number;
  /** The subject; by default the name is its common name. */
  subject?: string;
  /** The URL of the OCSP responder that it names. */
  ocsp?: string;
  /** Whether clients must be given an OCSP answer with it (RFC 7633). */
  mustStaple?: boolean;
}

/** Makes a self-signed authority in `NAME.pem` and `NAME.key`. */
export function makeAuthority(folder: string, name = 'ca'): Pair {
  const pair = paths(folder, name);
  openssl(
    'req',
    '-x509',
    ...newKey(pair),
    '-subj',
    `/CN=${name}`,
    '-days',
    '30',
    '-out',
    pair.cert,
    ...authority,
  );
  return pair;
}

/** Makes an intermediate authority signed by `issuer`. @param ocsp the URL of the OCSP responder that it names */
export function makeIntermediate(folder: string, name: string, issuer: Pair, ocsp?: string): Pair {
  const pair = paths(folder, name);
  const request = makeCsr(folder, name, `/CN=${name}`, ...authority, ...responderOf(ocsp));
  openssl(
    ...['x509', '-req', '-in', request, '-CA', issuer.cert, '-CAkey', issuer.key, '-days', '20'],
    ...['-copy_extensions', 'copyall', '-out', pair.cert],
  );
  return pair;
}

/** Makes a leaf certificate signed by `issuer`; self-signed without one. */
export function makeLeaf(
  folder: string,
  name: string,
  issuer: Pair | undefined,
  options: LeafOptions = {},
): Pair {
  const { usage, hosts = ['localhost', '127.0.0.1'], days = 30, subject = `/CN=${name}` } = options;
  const pair = paths(folder, name);
  const names =
    options.names ?? hosts.map((host) => `${/^[\d.]+$|:/.test(host) ? 'IP' : 'DNS'}:${host}`).join(',');
  const request = makeCsr(
    ...([folder, name, subject, '-utf8'] as const),
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-addext', `extendedKeyUsage=${usage ?? 'serverAuth,clientAuth'}`],
    ...(names === '' ? [] : ['-addext', `subjectAltName=${names}`]),
    ...responderOf(options.ocsp),
    ...(options.mustStaple ? ['-addext', 'tlsfeature=status_request'] : []),
  );
  const signer = issuer ? ['-CA', issuer.cert, '-CAkey', issuer.key] : ['-signkey', pair.key];
  openssl(
    ...['x509', '-req', '-in', request, ...signer, '-copy_extensions', 'copyall'],
    ...['-days', String(days), '-out', pair.cert],
  );
  return pair;
}

/**
 * Makes a P-256 key in `NAME.key` and a certificate request with it in `NAME.csr`, PEM; returns the path of the request.
 * @param options more of `openssl req`, such as `-outform DER`
 */
export function makeCsr(folder: string, name: string, subject: string, ...options: string[]): string {
  const request = join(folder, `${name}.csr`);
  const key = newKey(paths(folder, name));
  openssl('req', '-new', ...key, '-subj', subject, '-out', request, ...options);
  return request;
}

function responderOf(url: string | undefined): string[] {
  return url === undefined ? [] : ['-addext', `authorityInfoAccess=OCSP;URI:${url}`];
}

const authority = [
  ...['-addext', 'basicConstraints=critical,CA:TRUE'],
  ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
];

function paths(folder: string, name: string): Pair {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}

function newKey(pair: Pair): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', pair.key];
}

/** Runs the openssl command and returns its output as text; throws with its stderr. */
export function openssl(...arguments_: string[]): string {
  return opensslBytes(...arguments_).toString();
}

/** Runs the openssl command and returns its output as bytes; throws with its stderr. */
export function opensslBytes(...arguments_: string[]): Buffer {
  return execFileSync('openssl', arguments_, { stdio: ['ignore', 'pipe', 'pipe'] });
}
