// The only place where server-side TLS is made: an accepted socket becomes a TLS connection whose peer is verified.

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { NatspkiError } from '../errors.ts';
import type { TlsContextSource } from './context-source.ts';

/** Why a handshake failed; the code of a HandshakeError. */
export type HandshakeFailure =
  | 'handshake-timeout'
  | 'not-tls'
  | 'no-client-certificate'
  | 'client-certificate-expired'
  | 'client-certificate-not-yet-valid'
  | 'client-certificate-untrusted'
  | 'client-certificate-usage'
  | 'client-certificate-not-pinned'
  | 'client-certificate-invalid'
  | 'no-shared-parameters'
  | 'refused-by-client'
  | 'connection-lost'
  | 'closed'
  | 'handshake-failed';

/** A handshake that failed; the message names the cause and goes behind `TLS handshake error: ` in the log. */
export class HandshakeError extends NatspkiError {
  override readonly name = 'HandshakeError';
  declare readonly code: HandshakeFailure;
  /** True for what health checks and port scans do (silence, plain bytes, hanging up): nats-server logs it at debug. */
  readonly isProbe: boolean;

  constructor(
    code: HandshakeFailure,
    message: string,
    options: { hint?: string; cause?: unknown; isProbe?: boolean } = {},
  ) {
    super(code, message, options);
    this.isProbe = options.isProbe ?? false;
  }
}

/** Makes TLS connections out of accepted sockets, each with the material in use at that moment. */
export class Handshaker {
  /**
   * @param options.requestCertificate false for listeners that never ask for a client certificate (monitoring);
   *   default: what the block says
   */
  constructor(_source: TlsContextSource, _options: { requestCertificate?: boolean } = {}) {
    throw new Error('not yet');
  }

  /** False when connection_rate_limit forbids another handshake now; ask before `accept` and answer with nats-server's -ERR. */
  admit(): boolean {
    throw new Error('not yet');
  }

  /**
   * Handshakes on a socket that nobody else reads or writes any more (bytes already read must be unshifted first).
   * Resolves with a connection whose peer passed every check of the block, pins included; nothing was read from it yet.
   * Rejects with a HandshakeError, and then the socket is destroyed. Its 'error' events are the caller's after that.
   */
  accept(_socket: Socket): Promise<TLSSocket> {
    throw new Error('not yet');
  }

  /** Handshakes under way fail; connections that were handed over stay. */
  close(): void {
    throw new Error('not yet');
  }
}
