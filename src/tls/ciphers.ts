// The names Go and nats-server use for TLS versions, cipher suites and curves, and what OpenSSL calls them.

import type { TLSSocket } from 'node:tls';

/** Names the version and suite of a connection as nats-server's connz does: "1.3", "TLS_AES_128_GCM_SHA256". */
export function describeConnection(_socket: TLSSocket): { tls_version: string; tls_cipher_suite: string } {
  throw new Error('not yet');
}
