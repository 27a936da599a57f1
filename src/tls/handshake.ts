// The only module that makes server-side TLS connections: it turns an accepted socket into one with a verified peer.
// It uses no tls.Server, which gives no access to a connection before the handshake, when the trust must be set.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { onClientVerified } from './alert.ts';
import { requestsCertificates } from './block.ts';
import type { CertificateSource } from './certificate-source.ts';
import { explainUnverified } from './client-verdict.ts';
import type { Contexts } from './contexts.ts';
import {
  alertFor,
  explainFailure,
  explainPin,
  HandshakeError,
  type HandshakeFailure,
  queueFullError,
  queueTimeoutError,
  timeoutError,
} from './handshake-error.ts';
import {
  AcceptsFirst,
  addressPrefix,
  HandshakeBudget,
  HandshakeCounter,
  HandshakeTurns,
  paceBy,
} from './handshake-limits.ts';
import type { TlsMaterial } from './material.ts';
import {
  onClientHello,
  pauseHandshake,
  releaseControl,
  resumeHandshake,
  verificationResult,
} from './node-internals.ts';
import type { PeerRevocation } from './peer-revocation.ts';
import { UnprovenAddresses } from './unproven-addresses.ts';

/**
 * Mean interval between rejections, how many may follow each other at once, and the longest delay of one in
 * milliseconds. A client that waits for its rejection starts no other handshake meanwhile, which leaves capacity to
 * other clients.
 */
const rejectionPauseMs = 5;
const rejectionBurst = 10;
const maxRejectionDelayMs = 4000;

/** Default connection timeout of NATS clients, in milliseconds. */
const clientTimeoutMs = 2000;

/**
 * What a listener wants of clients: `block`, what its tls block says; `only-with-ocsp`, no certificate unless the block has
 * ocsp_peer, and no pins apply, as for monitoring (nats-server, server.go, startMonitoring);
 * `unverified`, a certificate with any issuer, purpose and dates, or none: the handshake proves only that the client has its
 * key, and the owner of the connection checks the rest.
 */
export type ClientCertificates = 'block' | 'only-with-ocsp' | 'unverified';

/** The result of an attempt; `throttled` means rejected by connection_rate_limit. */
export type HandshakeOutcome = 'ok' | 'throttled' | HandshakeFailure;

export interface HandshakerOptions {
  /** Without it, no certificate counts as revoked. */
  readonly revocation?: PeerRevocation;
  /** Returns the OCSP answer about the certificate of a block with a single one. */
  readonly staple?: (material: TlsMaterial) => Buffer | undefined;
}

/** Turns accepted sockets into TLS connections, each with the material in use at that moment. */
export class Handshaker {
  /** Number of attempts by result, since this handshaker was created; clients can cause each of these results. */
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
    'client-certificate-revoked': 0,
    'client-certificate-status-unknown': 0,
    'client-certificate-invalid': 0,
    'nothing-in-common': 0,
    'refused-by-client': 0,
    'connection-lost': 0,
    closed: 0,
    'handshake-failed': 0,
  };
  readonly #source: CertificateSource;
  readonly #clients: ClientCertificates;
  readonly #revocation: PeerRevocation | undefined;
  readonly #staple: (material: TlsMaterial) => Buffer | undefined;
  readonly #attempts = new Map<Socket, Attempt>();
  readonly #accepts = new AcceptsFirst();
  readonly #turns = new HandshakeTurns({
    pause: this.#accepts.pause,
    pausesFirst: true,
    maxWaitMs: () => this.#maxWaitMs,
  });
  readonly #addresses = new UnprovenAddresses();
  readonly #rejections = new HandshakeTurns({ pause: paceBy(rejectionPauseMs, rejectionBurst) });
  #material: TlsMaterial;
  #counter: HandshakeCounter | undefined;
  #budget: HandshakeBudget | undefined;
  #isClosed = false;

  constructor(
    source: CertificateSource,
    clients: ClientCertificates = 'block',
    { revocation, staple = () => undefined }: HandshakerOptions = {},
  ) {
    this.#source = source;
    this.#clients = clients;
    this.#revocation = revocation;
    this.#staple = staple;
    this.#material = source.material;
    this.#limit();
  }

  /** Returns false when connection_rate_limit forbids a handshake. Call it before `accept`; answer with nats-server's -ERR. */
  admit(): boolean {
    this.#useCurrentMaterial();
    const isAdmitted = this.#counter?.take() ?? true;
    if (!isAdmitted) this.#count('throttled');
    return isAdmitted;
  }

  /** Records an accepted connection, which goes before handshakes. `accept` does so too, but may be called later. */
  accepted(): void {
    this.#accepts.accepted();
  }

  /**
   * Performs a handshake on a socket that has no other reader; bytes that were read must be unshifted first.
   * Resolves with a connection whose peer passed every check of the block, pins included, and from which nothing was read.
   * Rejects with a HandshakeError after destroying the socket.
   */
  accept(socket: Socket): Promise<TLSSocket> {
    this.accepted();
    // Errors are ignored until a TLS connection reports them.
    socket.on('error', ignore);
    if (this.#isClosed || socket.destroyed) {
      socket.destroy();
      this.#count('closed');
      return Promise.reject(new HandshakeError('closed', 'the listener was closed', { isProbe: true }));
    }
    // A client that ends the connection during the handshake needs no further answer.
    const { allowHalfOpen } = socket;
    socket.allowHalfOpen = false;
    return new Promise((resolve, reject) => {
      const onClose = () => {
        this.#end(socket, explainFailure(new ConnectionClosed(), this.#material, socket.bytesRead));
      };
      socket.once('close', onClose);
      const attempt: Attempt = {
        resolve: (secure) => {
          secure.allowHalfOpen = allowHalfOpen;
          resolve(secure);
        },
        reject,
        atEnd: [() => socket.off('close', onClose)],
      };
      this.#attempts.set(socket, attempt);
      this.#queue(socket, attempt);
    });
  }

  /**
   * Calls `reject` when a client may be told of its rejection: before this returns up to 200 rejections per second, and
   * after four seconds at the latest above that rate. The client is delayed after its rejection, so that it does not hold up other
   * clients behind its address.
   */
  delayRejection({ remoteAddress }: Socket, reject: () => void): void {
    let isDone = false;
    const once = () => {
      clearTimeout(timer);
      isDone = true;
      reject();
    };
    let timer: NodeJS.Timeout | undefined;
    const cancel = this.#rejections.wait(addressPrefix(remoteAddress ?? ''), once, once);
    if (isDone) return;
    timer = setTimeout(() => {
      cancel();
      once();
    }, maxRejectionDelayMs).unref();
  }

  /** Fails all handshakes in progress; established connections stay open. */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#attempts.keys()) {
      this.#end(socket, new HandshakeError('closed', 'the listener was closed', { isProbe: true }));
    }
    this.#budget?.close();
  }

  /** Switches to the material that is in use now. */
  #useCurrentMaterial(): void {
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

  /** How many milliseconds a client may wait for its turn and still complete the handshake before its own timeout. */
  get #maxWaitMs(): number {
    return Math.min(this.#material.block.timeoutMs, clientTimeoutMs) / 2;
  }

  /** Queues a handshake; it waits for its turn for at most the timeout that also applies to the handshake itself. */
  #queue(socket: Socket, attempt: Attempt): void {
    const address = addressPrefix(socket.remoteAddress ?? '');
    let isWaiting = true;
    let timer: NodeJS.Timeout | undefined;
    const begin = () => {
      isWaiting = false;
      clearTimeout(timer);
      this.#start(socket, attempt);
    };
    const evict = () => {
      isWaiting = false;
      clearTimeout(timer);
      this.#end(socket, queueFullError());
    };
    const cancel = this.#turns.wait(address, begin, evict);
    if (!isWaiting) return;
    const { timeoutMs } = this.#material.block;
    timer = setTimeout(() => this.#end(socket, queueTimeoutError(timeoutMs)), timeoutMs);
    attempt.atEnd.push(cancel, () => clearTimeout(timer));
  }

  /** Starts the handshake when rate_limit allows it; the timeout counts from here. */
  #start(socket: Socket, attempt: Attempt): void {
    // Its 'close' event follows.
    if (socket.destroyed) return;
    this.#useCurrentMaterial();
    const material = this.#material;
    const budget = this.#budget;
    const { timeoutMs } = material.block;
    const { atEnd } = attempt;
    let isWaiting = budget !== undefined;
    const timer = setTimeout(() => {
      const cause = attempt.asksResponder ? 'responder' : isWaiting ? 'rate-limit' : 'client';
      this.#end(socket, timeoutError(timeoutMs, cause, socket.bytesRead));
    }, timeoutMs);
    atEnd.push(() => clearTimeout(timer));
    if (budget === undefined) {
      this.#begin(socket, material);
      return;
    }
    const cancel = budget.wait((pay) => {
      isWaiting = false;
      atEnd.push(() => pay(socket.bytesRead + socket.bytesWritten));
      this.#begin(socket, material);
    });
    atEnd.push(cancel);
  }

  /** Lets Node perform the handshake, with this material even if it is replaced meanwhile. */
  #begin(raw: Socket, material: TlsMaterial): void {
    const { block, contexts } = material;
    const wantsCertificates = this.#clients === 'block' || block.ocspPeer !== undefined;
    const verifies = requestsCertificates(block) && wantsCertificates && this.#clients !== 'unverified';
    const isOptional = this.#clients === 'unverified' || block.verifyOptional;
    const secure = new TLSSocket(raw, {
      isServer: true,
      secureContext: contexts.atFirst,
      requestCert: verifies || this.#clients === 'unverified',
      // OpenSSL then rejects a client without a certificate, with the alert for that. It accepts any certificate all the
      // same, and #checkPeer judges it before the connection is handed over.
      rejectUnauthorized: !isOptional,
    });
    // Without a certificate, no handshake reaches the verification of the client.
    if (!contexts.dependOnHost && material.certificates.length > 0) secure.setKeyCert(contexts.byDefault);
    const staple = this.#staple(material);
    if (contexts.dependOnHost || verifies || staple !== undefined) {
      const choose = (host: string | undefined) => {
        if (contexts.dependOnHost) chooseByHost(secure, contexts, host);
        if (verifies) this.#awaitCertificate(raw, secure);
      };
      const forget = onClientHello(secure, choose, staple);
      this.#attempts.get(raw)?.atEnd.push(forget);
    }
    const explain = () => explainUnverified(secure, material);
    if (verifies) {
      onClientVerified(raw, secure, (send) => {
        const rejection = explain();
        if (rejection !== undefined) this.#reject(raw, rejection, () => send(alertFor(rejection)));
      });
    }
    const fail = (error: Error) => this.#end(raw, explainFailure(error, material, raw.bytesRead));
    raw.once('error', fail);
    // Also ignores errors until the owner of the connection listens: data after the handshake may break it immediately.
    secure.on('error', ignore).once('error', fail);
    secure.once('secure', () => {
      // The listeners would keep the material in memory for the life of the connection.
      raw.off('error', fail);
      secure.off('error', fail);
      this.#checkPeer(raw, secure, material, verifies ? explain : undefined);
    });
  }

  /** Lets the client send its certificate, unless too many others of its address do. */
  #awaitCertificate(raw: Socket, secure: TLSSocket): void {
    const attempt = this.#attempts.get(raw);
    if (attempt === undefined) return;
    const reading = {
      // In another turn: libuv may hold an event for this connection, and would read it in this one.
      resume: () => setImmediate(resumeHandshake, secure),
      pause: () => pauseHandshake(secure),
    };
    attempt.atEnd.push(this.#addresses.add(addressPrefix(raw.remoteAddress ?? ''), reading));
  }

  /**
   * Hands over the connection only if its peer passes all checks. The current pins apply: a pin that was removed during
   * the handshake is revoked.
   */
  #checkPeer(
    raw: Socket,
    secure: TLSSocket,
    material: TlsMaterial,
    explain: (() => HandshakeError | undefined) | undefined,
  ): void {
    // From here on, errors are reported to the owner of the connection instead of the handshake.
    releaseControl(secure);
    const rejection =
      explain?.() ??
      this.#explainPin(secure) ??
      (explain === undefined ? undefined : this.#revocation?.check(secure, material));
    if (!(rejection instanceof Promise)) {
      this.#conclude(raw, secure, rejection);
      return;
    }
    const attempt = this.#attempts.get(raw);
    if (attempt !== undefined) attempt.asksResponder = true;
    // Its certificate is verified, so that it holds up no other client of its address while it waits.
    this.#addresses.prove(addressPrefix(raw.remoteAddress ?? ''));
    rejection.then(
      // Pins and lists may have changed meanwhile.
      (found) => {
        const late = found ?? this.#explainPin(secure) ?? this.#revocation?.checkLists(secure, material);
        this.#conclude(raw, secure, late);
      },
      (error: Error) => this.#end(raw, explainFailure(error, material, raw.bytesRead)),
    );
  }

  #explainPin(secure: TLSSocket): HandshakeError | undefined {
    return this.#clients === 'block' ? explainPin(secure, this.#source.block.pinnedCerts) : undefined;
  }

  #conclude(raw: Socket, secure: TLSSocket, rejection: HandshakeError | undefined): void {
    const attempt = this.#attempts.get(raw);
    // The attempt has already ended, such as after a timeout.
    if (attempt === undefined) secure.destroy();
    else if (rejection !== undefined) this.#reject(raw, rejection);
    else {
      // Without a certificate, where it is optional, a client proves nothing.
      if (verificationResult(secure) === null) this.#addresses.prove(addressPrefix(raw.remoteAddress ?? ''));
      this.#end(raw, secure);
    }
  }

  /**
   * Rejects a client when the rate of rejections allows it. The rejection is final and is reported, whatever happens to
   * the connection meanwhile.
   * @param tell tells the client; it is not called for a delayed rejection, when the handshake has moved on
   */
  #reject(raw: Socket, rejection: HandshakeError, tell?: () => void): void {
    const attempt = this.#attempts.get(raw);
    if (attempt === undefined || attempt.rejection !== undefined) return;
    attempt.rejection = rejection;
    this.#addresses.doubt(addressPrefix(raw.remoteAddress ?? ''));
    releaseAll(attempt);
    let isDelayed = false;
    this.delayRejection(raw, () => {
      if (!isDelayed) tell?.();
      // OpenSSL may be calling, and must return before its connection is gone.
      setImmediate(() => this.#end(raw, rejection));
    });
    isDelayed = true;
  }

  #count(outcome: HandshakeOutcome): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
  }

  #end(socket: Socket, result: TLSSocket | HandshakeError): void {
    const attempt = this.#attempts.get(socket);
    if (attempt === undefined) return;
    const outcome = attempt.rejection ?? result;
    this.#attempts.delete(socket);
    releaseAll(attempt);
    this.#count(outcome instanceof HandshakeError ? outcome.code : 'ok');
    if (outcome instanceof HandshakeError) {
      socket.destroy();
      attempt.reject(outcome);
    } else {
      attempt.resolve(outcome);
    }
  }
}

/**
 * Sets the certificates for the host that a client names. An SNICallback would not do: it is not called for a client that
 * names no host, and its choice would leave certificates of other key types in place.
 */
function chooseByHost(secure: TLSSocket, contexts: Contexts, host: string | undefined): void {
  for (const context of contexts.forHost(host)) secure.setKeyCert(context);
}

/** A handshake that is queued or in progress. */
interface Attempt {
  readonly resolve: (socket: TLSSocket) => void;
  readonly reject: (error: HandshakeError) => void;
  /** Functions that release timers, listeners and queue entries. */
  readonly atEnd: (() => void)[];
  /** Set while a rejected client waits to be disconnected. */
  rejection?: HandshakeError;
  /** The client has done its part, and an OCSP responder is asked about its certificate. */
  asksResponder?: boolean;
}

function releaseAll({ atEnd }: Attempt): void {
  for (const each of atEnd.splice(0)) each();
}

/** Stands for an orderly close by the peer, which is no error in Node. */
class ConnectionClosed extends Error {
  readonly code = 'ECONNRESET';
}

function ignore(): void {
  // The promise of `accept` reports the error; without a listener it would end the process.
}
