// What a tls {} block says, as a value: reading it from a configuration, with every mistake placed. Opens no file.

import type { ConfProblem } from '../conf/error.ts';
import type { MapValue } from '../conf/value.ts';
import type { Pin } from '../x509/pin.ts';

/** The block that a tls {} stands in; `client` is the top level of the file. */
export type TlsContext = 'client' | 'cluster' | 'gateway' | 'leafnodes' | 'websocket' | 'mqtt' | 'monitor';

export type TlsVersion = '1.0' | '1.1' | '1.2' | '1.3';

/** A certificate file (leaf first, then intermediates) and the file of its private key. */
export interface CertificatePair {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Every option of a tls block, defaults filled in. Names are nats-server's (server/opts.go, parseTLS). */
export interface TlsBlock {
  /** cert_file with key_file, or every entry of `certificates`; empty for a block that names none. */
  readonly pairs: readonly CertificatePair[];
  readonly caFile: string | undefined;
  /** True as well with verify_and_map, verify_cert_and_check_known_urls, and always in a cluster or gateway block. */
  readonly verify: boolean;
  readonly verifyAndMap: boolean;
  readonly verifyCertAndCheckKnownUrls: boolean;
  /** Skips the verification of servers that are connected to; never of those who connect. */
  readonly insecure: boolean;
  readonly allowInsecureCipherSuites: boolean;
  /** Go names; undefined for the defaults. */
  readonly cipherSuites: readonly string[] | undefined;
  /** Go names, in order of preference; undefined for the defaults. */
  readonly curvePreferences: readonly string[] | undefined;
  readonly minVersion: TlsVersion;
  /** Milliseconds that a handshake may take. */
  readonly timeoutMs: number;
  /** Handshakes that may start in a second; undefined for no limit. */
  readonly connectionRateLimit: number | undefined;
  /** Handshake bytes a second (the option rate_limit); undefined for no limit. */
  readonly rateLimit: number | undefined;
  /** Undefined: INFO first. Else TLS first, and INFO after `fallbackMs` of silence (undefined: never). */
  readonly handshakeFirst: { readonly fallbackMs: number | undefined } | undefined;
  /** Undefined: no pinning. */
  readonly pinnedCerts: ReadonlySet<Pin> | undefined;
}

/**
 * Reads a tls block; what is wrong is added to `problems`, with its position, and the rest is read all the same.
 * @param baseDirectory what relative file names start from; the working directory (as in nats-server) when absent
 */
export function readTlsBlock(
  _map: MapValue,
  _problems: ConfProblem[],
  _context: TlsContext,
  _baseDirectory?: string,
): TlsBlock {
  throw new Error('not yet');
}
