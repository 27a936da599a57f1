// The only place where server-side TLS is made: an accepted socket becomes a TLS connection whose peer is verified.
// No tls.Server takes part: it has no way to a connection before its handshake, where it is told what to trust.

import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { formatGoDuration } from '../duration.ts';
import { HandshakeBudget, HandshakeCounter } from './admission.ts';
import type { TlsContextSource } from './context-source.ts';
import {
  explainFailure,
  explainPin,
  explainVerdict,
  HandshakeError,
  type HandshakeFailure,
} from './handshake-error.ts';
import type { TlsMaterial } from './material.ts';

/** How an attempt can end; `throttled` is one that connection_rate_limit forbade. */
export type HandshakeOutcome = 'ok' | 'throttled' | HandshakeFailure;

/** Makes TLS connections out of accepted sockets, each with the material in use at that moment. */
export class Handshaker {
  /** How many ended how, since this was made; those who connect can bring about any of these. */
  readonly outcomes: Partial<Record<HandshakeOutcome, number>> = {
    ok: 0,
    throttled: 0,
    'handshake-timeout': 0,
    'not-tls': 0,
    'no-client-certificate': 0,
    'client-certificate-expired': 0,
    'client-certificate-not-yet-valid': 0,
    'client-certificate-untrusted': 0,
    'client-certificate-usage': 0,
    'client-certificate-not-pinned': 0,
    'client-certificate-invalid': 0,
    'nothing-in-common': 0,
    'refused-by-client': 0,
    'connection-lost': 0,
    closed: 0,
    'handshake-failed': 0,
  };
  readonly #source: TlsContextSource;
  readonly #asksForCertificates: boolean;
  readonly #attempts = new Map<Socket, Attempt>();
  #material: TlsMaterial;
  #counter: HandshakeCounter | undefined;
  #budget: HandshakeBudget | undefined;
  #isClosed = false;

  /**
   * @param options.requestCertificate false for a listener that never asks for a client certificate and has no pins
   *   (monitoring); otherwise the block decides
   */
  constructor(source: TlsContextSource, options: { requestCertificate?: boolean } = {}) {
    this.#source = source;
    this.#asksForCertificates = options.requestCertificate ?? true;
    this.#material = source.material;
    this.#limit();
  }

  /** False when connection_rate_limit forbids another handshake now; ask before `accept`, answer with nats-server's -ERR. */
  admit(): boolean {
    this.#follow();
    const isAdmitted = this.#counter?.take() ?? true;
    if (!isAdmitted) this.#count('throttled');
    return isAdmitted;
  }

  /**
   * Handshakes on a socket that nobody else reads any more; bytes that were read must be unshifted first.
   * Resolves with a connection whose peer passed every check of the block, pins included, and of which nothing was read.
   * Rejects with a HandshakeError, and then the socket is destroyed.
   */
  accept(socket: Socket): Promise<TLSSocket> {
    // Until there is a TLS connection to carry them.
    socket.on('error', ignore);
    if (this.#isClosed || socket.destroyed) {
      socket.destroy();
      this.#count('closed');
      return Promise.reject(new HandshakeError('closed', 'the listener was closed', { isProbe: true }));
    }
    this.#follow();
    const material = this.#material;
    const { timeoutMs } = material.block;
    // Who hangs up in the middle of a handshake need not be told anything more.
    const { allowHalfOpen } = socket;
    socket.allowHalfOpen = false;
    return new Promise((resolve, reject) => {
      let stopWaiting: (() => void) | undefined;
      let pay: ((bytes: number) => void) | undefined;
      const onTimeout = () => {
        const isWaiting = this.#budget !== undefined && pay === undefined;
        this.#end(socket, timeoutError(timeoutMs, isWaiting, socket.bytesRead));
      };
      const onClose = () => {
        this.#end(socket, explainFailure(new ConnectionClosed(), material, socket.bytesRead));
      };
      const timer = setTimeout(onTimeout, timeoutMs);
      socket.once('close', onClose);
      this.#attempts.set(socket, {
        resolve: (secure) => {
          secure.allowHalfOpen = allowHalfOpen;
          resolve(secure);
        },
        reject,
        release: () => {
          clearTimeout(timer);
          socket.off('close', onClose);
          stopWaiting?.();
          pay?.(socket.bytesRead + socket.bytesWritten);
        },
      });
      const begin = () => this.#begin(socket, material);
      if (this.#budget === undefined) begin();
      else {
        stopWaiting = this.#budget.wait((payLater) => {
          pay = payLater;
          begin();
        });
      }
    });
  }

  /** Handshakes under way fail; connections that were handed over stay. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#attempts.keys()) {
      this.#end(socket, new HandshakeError('closed', 'the listener was closed', { isProbe: true }));
    }
    this.#budget?.close();
  }

  /** Takes the material that is in use now. */
  #follow(): void {
    const { material } = this.#source;
    if (material === this.#material) return;
    const isOtherBlock = material.block !== this.#material.block;
    this.#material = material;
    if (isOtherBlock) this.#limit();
  }

  #limit(): void {
    const { connectionRateLimit, rateLimit } = this.#material.block;
    this.#counter = connectionRateLimit === undefined ? undefined : new HandshakeCounter(connectionRateLimit);
    this.#budget = rateLimit === undefined ? undefined : new HandshakeBudget(rateLimit);
  }

  /** Has Node handshake; a material that is swapped meanwhile makes no difference to it. */
  #begin(raw: Socket, material: TlsMaterial): void {
    const { block, contexts } = material;
    const verifies = block.verify && this.#asksForCertificates;
    const secure = new TLSSocket(raw, {
      isServer: true,
      secureContext: contexts.withoutTrust,
      ...(contexts.dependOnHost
        ? { SNICallback: (host: string, choose: ChooseContext) => choose(null, contexts.forHost(host)) }
        : {}),
      requestCert: verifies,
      // OpenSSL would send an alert and nothing that explains it. The verdict is the same, and #judge acts on it before
      // anybody else gets the connection.
      rejectUnauthorized: false,
    });
    // Without a certificate no handshake gets as far as to trust somebody.
    if (material.certificates.length > 0) secure.setKeyCert(contexts.byDefault);
    secure.once('secure', () => this.#judge(raw, secure, material, verifies));
    const fail = (error: Error) => this.#end(raw, explainFailure(error, material, raw.bytesRead));
    raw.once('error', fail);
    secure.once('error', fail);
  }

  /**
   * Hands over a connection whose peer passes, and nobody else's. Pins count as they are by now: one that was taken out
   * is revoked, for handshakes under way too.
   */
  #judge(raw: Socket, secure: TLSSocket, material: TlsMaterial, verifies: boolean): void {
    // Errors were for the handshake until now, and are for the owner of the connection from here on.
    (secure as Handshaking)._releaseControl();
    const verdict = verifies ? (secure as Handshaking).ssl.verifyError() : null;
    const refusal =
      verdict === null || verdict === undefined
        ? this.#asksForCertificates
          ? explainPin(secure, this.#source.block.pinnedCerts)
          : undefined
        : explainVerdict(secure, verdict.code, material);
    // Nobody waits for it any more after a timeout.
    if (refusal !== undefined || !this.#attempts.has(raw)) secure.destroy();
    this.#end(raw, refusal ?? secure);
  }

  #count(outcome: HandshakeOutcome): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
  }

  #end(socket: Socket, outcome: TLSSocket | HandshakeError): void {
    const attempt = this.#attempts.get(socket);
    if (attempt === undefined) return;
    this.#attempts.delete(socket);
    attempt.release();
    this.#count(outcome instanceof HandshakeError ? outcome.code : 'ok');
    if (outcome instanceof HandshakeError) {
      socket.destroy();
      attempt.reject(outcome);
    } else {
      attempt.resolve(outcome);
    }
  }
}

type ChooseContext = (error: Error | null, context?: SecureContext) => void;

/** A handshake that waits or is under way. */
interface Attempt {
  readonly resolve: (socket: TLSSocket) => void;
  readonly reject: (error: HandshakeError) => void;
  /** Lets go of timers and listeners. */
  readonly release: () => void;
}

function timeoutError(timeoutMs: number, isWaiting: boolean, receivedBytes: number): HandshakeError {
  const time = formatGoDuration(timeoutMs);
  if (isWaiting)
    return new HandshakeError('handshake-timeout', `handshake waited ${time} for rate_limit to let it begin`);
  return new HandshakeError(
    'handshake-timeout',
    receivedBytes === 0
      ? `client sent nothing for ${time}, expected a TLS handshake`
      : `client did not finish the TLS handshake within ${time}`,
    { hint: 'raise timeout in the tls block if clients are that slow' },
  );
}

/** What Node has no types for: tls.Server, whose work this is, calls the same (lib/_tls_wrap.js, onServerSocketSecure). */
interface Handshaking extends TLSSocket {
  /** The verdict on the certificate of the peer. */
  readonly ssl: { verifyError(): NodeJS.ErrnoException | null | undefined };
  /** Has later errors emitted; they would be lost. */
  _releaseControl(): void;
}

/** What Node has no error for: the peer closed in good order. */
class ConnectionClosed extends Error {
  readonly code = 'ECONNRESET';
}

function ignore(): void {
  // The 'close' that follows tells it.
}
