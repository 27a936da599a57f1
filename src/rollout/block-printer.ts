// Prints a tls block that a current nats-server accepts; the inverse of block.ts.

import { type Fields, printBlock } from '../conf/printer.ts';
import { formatGoDuration } from '../duration.ts';
import { automaticFallbackMs, type TlsBlock, type TlsContext } from '../tls/block.ts';

/** The requested options; nats-server's defaults apply to the rest. Only options that nats-server supports. */
export type TlsBlockOptions = Partial<
  Omit<TlsBlock, 'rateLimit' | 'minVersion' | 'verifyOptional' | 'ocspPeer'>
> & {
  readonly minVersion?: '1.2' | '1.3' | undefined;
  /** `ocsp_peer: true`, whose defaults suit a responder that is reachable. */
  readonly ocspPeer?: boolean;
};

/** Prints `tls { ... }`, one option per line, without a newline at the end. */
export function printTlsBlock(options: TlsBlockOptions, context: TlsContext): string {
  const { pairs = [], verifyAndMap, handshakeFirst, pinnedCerts, timeoutMs } = options;
  const [pair] = pairs;
  // Printed explicitly, although nats-server always verifies in these contexts.
  const verify = options.verify || context === 'cluster' || context === 'gateway';
  const fields: Fields = {
    ...(pairs.length === 1 ? { cert_file: pair?.certFile, key_file: pair?.keyFile } : {}),
    certificates:
      pairs.length > 1
        ? pairs.map(({ certFile, keyFile }) => ({ cert_file: certFile, key_file: keyFile }))
        : undefined,
    ca_file: options.caFile,
    verify: verify && !verifyAndMap ? true : undefined,
    verify_and_map: verifyAndMap || undefined,
    verify_cert_and_check_known_urls: options.verifyKnownUrls || undefined,
    ocsp_peer: options.ocspPeer || undefined,
    pinned_certs: pinnedCerts === undefined ? undefined : [...pinnedCerts],
    insecure: options.insecure || undefined,
    min_version: options.minVersion,
    allow_insecure_cipher_suites: options.allowInsecureCipherSuites || undefined,
    cipher_suites: options.cipherSuites,
    curve_preferences: options.curvePreferences,
    timeout: timeoutMs === undefined ? undefined : timeoutMs / 1000,
    handshake_first: handshakeFirst === undefined ? undefined : printFallback(handshakeFirst.fallbackMs),
    connection_rate_limit: options.connectionRateLimit,
  };
  return printBlock('tls', fields);
}

function printFallback(fallbackMs: number | undefined): string | true {
  if (fallbackMs === undefined) return true;
  return fallbackMs === automaticFallbackMs ? 'auto' : formatGoDuration(fallbackMs);
}
