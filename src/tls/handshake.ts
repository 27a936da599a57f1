// The only place where server-side TLS is made: an accepted socket becomes a TLS connection whose peer is verified.
// No tls.Server takes part: it has no way to a connection before its handshake, where it is told what to trust.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { formatGoDuration } from '../duration.ts';
import { HandshakeBudget, HandshakeCounter, HandshakeTurns, placeOf, RefusedAddresses } from './admission.ts';
import type { TlsContextSource } from './context-source.ts';
import type { Contexts } from './contexts.ts';
import {
  explainFailure,
  explainPin,
  explainVerdict,
  HandshakeError,
  type HandshakeFailure,
} from './handshake-error.ts';
import type { TlsMaterial } from './material.ts';

/** How many milliseconds apart handshakes begin from addresses that somebody was refused from lately. */
const refusedPauseMs = 2;

/**
 * How many milliseconds apart somebody is told that he is not let in, and how long it is delayed at the most. Those who
 * wait for that begin no other handshakes, which leaves a part of these to others.
 */
const refusalPauseMs = 5;
const longestRefusalMs = 4000;

/** How many milliseconds NATS clients give a connection to be made, unless they are told otherwise. */
const usualPatienceMs = 2000;

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
  readonly #turns = new HandshakeTurns(setImmediate, () => this.#patienceMs);
  readonly #refused = new RefusedAddresses();
  /** For the addresses that somebody was refused from lately, all together. */
  readonly #slowTurns = new HandshakeTurns(pauseOf(refusedPauseMs), () => this.#patienceMs);
  readonly #refusals = new HandshakeTurns(pauseOf(refusalPauseMs));
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
    // Who hangs up in the middle of a handshake need not be told anything more.
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
   * Tells that somebody was not let in. For ten seconds the handshakes from his address are among the 500 a second that
   * all such addresses have: guessing costs as much as a handshake, which others are not to pay for.
   */
  refused({ remoteAddress }: Socket): void {
    this.#refused.add(placeOf(remoteAddress ?? ''));
  }

  /**
   * Calls `tell` when somebody may be told that he is not let in: at once where those are no more than 200 a second, and
   * after four seconds at the latest where they are. So who guesses waits where it is known what he is. Before his next
   * handshake everybody else from his address would wait behind him.
   */
  delayRefusal({ remoteAddress }: Socket, tell: () => void): void {
    let isTold = false;
    const once = () => {
      clearTimeout(timer);
      isTold = true;
      tell();
    };
    let timer: NodeJS.Timeout | undefined;
    const giveUp = this.#refusals.wait(placeOf(remoteAddress ?? ''), once);
    if (isTold) return;
    timer = setTimeout(() => {
      giveUp();
      once();
    }, longestRefusalMs).unref();
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

  /** How long a client may wait for its turn and still have patience for the rest, whatever this side has. */
  get #patienceMs(): number {
    return Math.min(this.#material.block.timeoutMs, usualPatienceMs) / 2;
  }

  /** Has it wait for its turn, no longer than the handshake itself may take then. */
  #queue(socket: Socket, attempt: Attempt): void {
    const address = placeOf(socket.remoteAddress ?? '');
    const isSlow = this.#refused.has(address);
    let isWaiting = true;
    let timer: NodeJS.Timeout | undefined;
    const giveUp = (isSlow ? this.#slowTurns : this.#turns).wait(address, () => {
      isWaiting = false;
      clearTimeout(timer);
      this.#start(socket, attempt);
    });
    if (!isWaiting) return;
    const { timeoutMs } = this.#material.block;
    timer = setTimeout(() => this.#end(socket, waitedError(timeoutMs, isSlow)), timeoutMs);
    attempt.atEnd.push(giveUp, () => clearTimeout(timer));
  }

  /** Begins as soon as rate_limit lets it; the time runs from here. */
  #start(socket: Socket, { atEnd }: Attempt): void {
    // Its 'close' is on the way.
    if (socket.destroyed) return;
    this.#follow();
    const material = this.#material;
    const budget = this.#budget;
    const { timeoutMs } = material.block;
    let isWaiting = budget !== undefined;
    const timer = setTimeout(() => {
      this.#end(socket, timeoutError(timeoutMs, isWaiting, socket.bytesRead));
    }, timeoutMs);
    atEnd.push(() => clearTimeout(timer));
    if (budget === undefined) {
      this.#begin(socket, material);
      return;
    }
    const giveUp = budget.wait((pay) => {
      isWaiting = false;
      atEnd.push(() => pay(socket.bytesRead + socket.bytesWritten));
      this.#begin(socket, material);
    });
    atEnd.push(giveUp);
  }

  /** Has Node handshake; a material that is swapped meanwhile makes no difference to it. */
  #begin(raw: Socket, material: TlsMaterial): void {
    const { block, contexts } = material;
    const verifies = block.verify && this.#asksForCertificates;
    const secure = new TLSSocket(raw, {
      isServer: true,
      secureContext: contexts.atFirst,
      requestCert: verifies,
      // OpenSSL would send an alert and nothing that explains it. The verdict is the same, and #judge acts on it before
      // anybody else gets the connection.
      rejectUnauthorized: false,
    });
    // Without a certificate no handshake gets as far as to trust somebody.
    if (contexts.dependOnHost) chooseByHost(secure as Handshaking, contexts);
    else if (material.certificates.length > 0) secure.setKeyCert(contexts.byDefault);
    const fail = (error: Error) => this.#end(raw, explainFailure(error, material, raw.bytesRead));
    raw.once('error', fail);
    // And later, until the owner of the connection listens: what came behind the handshake may break it at once.
    secure.on('error', ignore).once('error', fail);
    secure.once('secure', () => {
      // They would keep the material as long as the connection.
      raw.off('error', fail);
      secure.off('error', fail);
      this.#judge(raw, secure, material, verifies);
    });
  }

  /**
   * Hands over a connection whose peer passes, and nobody else's. Pins count as they are by now: one that was taken out
   * is revoked, for handshakes under way too.
   */
  #judge(raw: Socket, secure: TLSSocket, material: TlsMaterial, verifies: boolean): void {
    // Errors were for the handshake until now, and are for the owner of the connection from here on.
    (secure as Handshaking)._releaseControl();
    const refusal =
      (verifies ? explainUnverified(secure as Handshaking, material) : undefined) ??
      (this.#asksForCertificates ? explainPin(secure, this.#source.block.pinnedCerts) : undefined);
    const attempt = this.#attempts.get(raw);
    // Nobody waits for it any more after a timeout.
    if (attempt === undefined) {
      secure.destroy();
    } else if (refusal === undefined) {
      this.#end(raw, secure);
    } else {
      this.refused(raw);
      // What has been decided is told, whatever becomes of the connection meanwhile.
      letGo(attempt);
      this.delayRefusal(raw, () => this.#end(raw, refusal));
    }
  }

  #count(outcome: HandshakeOutcome): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
  }

  #end(socket: Socket, outcome: TLSSocket | HandshakeError): void {
    const attempt = this.#attempts.get(socket);
    if (attempt === undefined) return;
    this.#attempts.delete(socket);
    letGo(attempt);
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
 * Has the certificates set when it is known which host the client names. An SNICallback would not do: it is not asked for
 * a client that names none, and what it chooses would leave the certificates of other types of key in their places.
 */
function chooseByHost(secure: Handshaking, contexts: Contexts): void {
  const { ssl } = secure;
  ssl.oncertcb = ({ servername }) => {
    // What a client names is anything, and to throw in here would end the process.
    try {
      for (const context of contexts.forHost(servername || undefined)) secure.setKeyCert(context);
      ssl.certCbDone();
    } catch (error) {
      secure.destroy(error as Error);
    }
  };
  ssl.enableCertCb();
}

/**
 * Why a client is not let in by OpenSSL's verdict on its certificate; undefined only where there is one, and nothing wrong
 * with it. Of a resumed session without a certificate the verdict would be good too, and none is to be resumed.
 */
function explainUnverified(secure: Handshaking, material: TlsMaterial): HandshakeError | undefined {
  const verdict = secure.ssl.verifyError();
  const isVerified = verdict === null && !secure.isSessionReused();
  return isVerified
    ? undefined
    : explainVerdict(secure, verdict ?? { message: 'there is no verdict' }, material);
}

/** A handshake that waits or is under way. */
interface Attempt {
  readonly resolve: (socket: TLSSocket) => void;
  readonly reject: (error: HandshakeError) => void;
  /** Lets go of timers, listeners and places in a queue. */
  readonly atEnd: (() => void)[];
}

function letGo({ atEnd }: Attempt): void {
  for (const each of atEnd.splice(0)) each();
}

function pauseOf(milliseconds: number): (next: () => void) => void {
  return (next) => void setTimeout(next, milliseconds);
}

function waitedError(timeoutMs: number, isSlow: boolean): HandshakeError {
  const others = isSlow ? 'others from addresses that somebody was refused from' : 'others';
  const time = formatGoDuration(timeoutMs);
  return new HandshakeError('handshake-timeout', `handshake waited ${time} behind ${others}`);
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
  /** The verdict on the certificate of the peer: null where nothing is wrong. */
  readonly ssl: {
    verifyError(): NodeJS.ErrnoException | null | undefined;
    /** Has `oncertcb` called when the client has said what it wants; the handshake waits for certCbDone. */
    enableCertCb(): void;
    oncertcb: (hello: { servername?: string | false }) => void;
    certCbDone(): void;
  };
  /** Has later errors emitted; they would be lost. */
  _releaseControl(): void;
}

/** What Node has no error for: the peer closed in good order. */
class ConnectionClosed extends Error {
  readonly code = 'ECONNRESET';
}

function ignore(): void {
  // Whoever waits for the connection is told otherwise; without a listener an error would end the process.
}
