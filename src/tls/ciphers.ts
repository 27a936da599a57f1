// Maps the names that Go and nats-server use for TLS versions, cipher suites and curves to those of OpenSSL.

import {
  type CipherNameAndProtocol,
  createSecureContext,
  type SecureVersion,
  type TLSSocket,
} from 'node:tls';

export type TlsVersion = '1.0' | '1.1' | '1.2' | '1.3';

/** A cipher suite of Go (crypto/tls, CipherSuites and InsecureCipherSuites). */
export interface CipherSuite {
  readonly name: string;
  readonly openssl: string;
  /** True for suites that nats-server accepts only with allow_insecure_cipher_suites. */
  readonly insecure: boolean;
}

/** The suites of TLS 1.3, the preferred one first. */
export const tls13Suites: readonly CipherSuite[] = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
].map((name) => ({ name, openssl: name, insecure: false }));

/** The suites of TLS 1.2 and below, the preferred one first. */
export const tls12Suites: readonly CipherSuite[] = [
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA', 'ECDHE-ECDSA-AES128-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA', 'ECDHE-RSA-AES128-SHA'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA', 'ECDHE-ECDSA-AES256-SHA'],
  ['TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA', 'ECDHE-RSA-AES256-SHA'],
  ['TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256', 'ECDHE-ECDSA-AES128-SHA256', 'insecure'],
  ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', 'ECDHE-RSA-AES128-SHA256', 'insecure'],
  ['TLS_RSA_WITH_AES_128_GCM_SHA256', 'AES128-GCM-SHA256', 'insecure'],
  ['TLS_RSA_WITH_AES_256_GCM_SHA384', 'AES256-GCM-SHA384', 'insecure'],
  ['TLS_RSA_WITH_AES_128_CBC_SHA256', 'AES128-SHA256', 'insecure'],
  ['TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA', 'insecure'],
  ['TLS_RSA_WITH_AES_256_CBC_SHA', 'AES256-SHA', 'insecure'],
  ['TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA', 'ECDHE-RSA-DES-CBC3-SHA', 'insecure'],
  ['TLS_RSA_WITH_3DES_EDE_CBC_SHA', 'DES-CBC3-SHA', 'insecure'],
  ['TLS_ECDHE_ECDSA_WITH_RC4_128_SHA', 'ECDHE-ECDSA-RC4-SHA', 'insecure'],
  ['TLS_ECDHE_RSA_WITH_RC4_128_SHA', 'ECDHE-RSA-RC4-SHA', 'insecure'],
  ['TLS_RSA_WITH_RC4_128_SHA', 'RC4-SHA', 'insecure'],
].map(([name = '', openssl = '', insecure]) => ({ name, openssl, insecure: insecure !== undefined }));

const suites = new Map([...tls13Suites, ...tls12Suites].map((suite) => [suite.name, suite]));

/** Finds a suite by Go's name, or by the short ChaCha20 names of older nats-server documentation. */
export function findCipherSuite(name: string): CipherSuite | undefined {
  return suites.get(name) ?? (name.endsWith('_CHACHA20_POLY1305') ? suites.get(`${name}_SHA256`) : undefined);
}

/** Lists the names of the suites that do not need allow_insecure_cipher_suites. */
export function secureSuiteNames(): string[] {
  return [...suites.values()].filter(({ insecure }) => !insecure).map(({ name }) => name);
}

/** Returns whether this build of OpenSSL includes a suite. */
export function isSuiteSupported(suite: CipherSuite): boolean {
  // Node passes TLS 1.3 suites to OpenSSL in a separate list; a security level alone would leave the other list empty.
  if (suite.openssl.startsWith('TLS_')) return isContextPossible({ ciphers: suite.openssl });
  // Security level 0 tests what the build includes, not what the default policy allows.
  return isContextPossible({ ciphers: `${suite.openssl}:@SECLEVEL=0` });
}

/**
 * Returns the `ciphers` of a Node context for a list of Go names; undefined stands for all secure suites.
 * As in Go, a list without a TLS 1.3 suite enables all of TLS 1.3, and one without a TLS 1.2 suite disables TLS 1.2.
 */
export function opensslCiphers(names: readonly string[] | undefined, minVersion: TlsVersion): string {
  const wanted = (names ?? secureSuiteNames()).flatMap((name) => findCipherSuite(name) ?? []);
  const all = wanted.some((suite) => tls13Suites.includes(suite)) ? wanted : [...tls13Suites, ...wanted];
  const list = all.map(({ openssl }) => openssl);
  // OpenSSL 3 signs TLS 1.0 and 1.1 handshakes, which need SHA-1, only at this security level.
  if (minVersion < '1.2') list.push('@SECLEVEL=0');
  return list.join(':');
}

/** The curves of nats-server (server/ciphersuites.go) with their OpenSSL groups. */
const curves: ReadonlyMap<string, string> = new Map([
  ['X25519MLKEM768', 'X25519MLKEM768'],
  ['SecP384r1MLKEM1024', 'SecP384r1MLKEM1024'],
  ['SecP256r1MLKEM768', 'SecP256r1MLKEM768'],
  ['X25519', 'X25519'],
  ['CurveP256', 'P-256'],
  ['CurveP384', 'P-384'],
  ['CurveP521', 'P-521'],
]);

/** Finds OpenSSL's name of a curve; undefined for a curve that nats-server does not have. */
export function findCurve(name: string): string | undefined {
  return curves.get(name);
}

/** Lists the curves that this OpenSSL supports, in nats-server's order of preference. */
export function supportedCurves(): string[] {
  return [...curves].filter(([, group]) => isContextPossible({ ecdhCurve: group })).map(([name]) => name);
}

/** Returns Node's name of a TLS version. */
export function secureVersion(version: TlsVersion): SecureVersion {
  return version === '1.0' ? 'TLSv1' : `TLSv${version}`;
}

/** Returns the version and suite of a connection as nats-server's connz prints them: "1.3", "TLS_AES_128_GCM_SHA256". */
export function describeConnection(socket: TLSSocket): { tls_version: string; tls_cipher_suite: string } {
  // Both are null for a connection that has already closed.
  const protocol = socket.getProtocol() ?? 'unknown';
  const cipher: CipherNameAndProtocol | null = socket.getCipher();
  return {
    tls_version: protocol === 'TLSv1' ? '1.0' : protocol.replace('TLSv', ''),
    tls_cipher_suite: cipher?.standardName ?? 'unknown',
  };
}

function isContextPossible(options: { ciphers?: string; ecdhCurve?: string }): boolean {
  try {
    createSecureContext(options);
    return true;
  } catch {
    return false;
  }
}
