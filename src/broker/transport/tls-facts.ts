// What monitoring shows about the TLS of one connection.
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../log.ts';
import { describeConnection } from '../../tls/ciphers.ts';

/** In nats-server's field names. */
export interface TlsFacts {
  readonly tls_version: string;
  readonly tls_cipher_suite: string;
  /** Whether the handshake preceded INFO. */
  readonly isFirst: boolean;
}

/** Reads and logs them after the handshake. @param log undefined where the handshake precedes the session */
export function readTlsFacts(socket: TLSSocket, isFirst: boolean, log?: Logger): TlsFacts {
  const { tls_version, tls_cipher_suite } = describeConnection(socket);
  log?.debug('TLS handshake complete');
  log?.debug(`TLS version ${tls_version}, cipher suite ${tls_cipher_suite}`);
  return { tls_version, tls_cipher_suite, isFirst };
}
