// Authenticates one client: its nonce, the time limit for CONNECT, and the check of its credentials. Checking a hashed
// password is asynchronous; until the result is there, the broker reads nothing more from the client.
import { randomBytes } from 'node:crypto';
import type { Parser } from '../../protocol/parser.ts';
import type { PeerCertificate } from '../../tls/peer.ts';
import { authTimeoutMs, type BrokerOptions } from '../options/options.ts';
import type { Connection } from '../transport/connection.ts';
import type { AuthenticatedUser, Authenticator, Rejection } from './authenticator.ts';
import type { ConnectOptions } from './connect-options.ts';
import type { PasswordHashes } from './password-hashes.ts';

/** What authentication depends on; a reload replaces the authenticator and the options. */
export interface AuthenticationContext {
  readonly options: BrokerOptions;
  readonly authenticator: Authenticator;
  readonly passwordHashes: PasswordHashes;
}

/** The client to authenticate. */
export interface AuthenticatingClient {
  readonly connection: Connection;
  readonly parser: Parser;
  readonly peer: () => PeerCertificate | undefined;
  /** Called when the client exceeds the time limit. */
  readonly onTimeout: () => void;
  /** Runs a task that reads the client's data, so that a defect in it affects only this client. */
  readonly guard: (task: () => void) => void;
}

export class ClientAuthentication {
  readonly #context: AuthenticationContext;
  readonly #client: AuthenticatingClient;
  #nonce = '';
  #timer: NodeJS.Timeout | undefined;
  #isPending = false;

  constructor(context: AuthenticationContext, client: AuthenticatingClient) {
    this.#context = context;
    this.#client = client;
  }

  /** Creates the nonce that the client signs; empty if no user has an nkey. Its size is nats-server's (nkey.go). */
  createNonce(): string {
    if (this.#context.authenticator.needsNonce) this.#nonce = randomBytes(11).toString('base64url');
    return this.#nonce;
  }

  /** Starts the time limit, which ends with a result. */
  startTimeout(): void {
    this.#timer ??= setTimeout(this.#client.onTimeout, authTimeoutMs(this.#context.options));
  }

  /** Cancels the time limit. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Passes on the result, now or after a password check; ignores the call while an earlier check is pending. */
  authenticate(connect: ConnectOptions, then: (result: AuthenticatedUser | Rejection) => void): void {
    if (this.#isPending) return;
    const result = this.#authenticate(connect);
    if (result instanceof Promise) {
      void this.#wait(result, then);
    } else {
      this.close();
      then(result);
    }
  }

  /** Authenticates a client that has sent no CONNECT. */
  authenticateWithoutConnect(connect: ConnectOptions): AuthenticatedUser | Rejection {
    const result = this.#context.authenticator.authenticate(connect, this.#client.peer);
    return 'hash' in result ? result.conclude(false) : result;
  }

  #authenticate(
    connect: ConnectOptions,
  ): AuthenticatedUser | Rejection | Promise<AuthenticatedUser | Rejection> {
    const { authenticator, passwordHashes } = this.#context;
    const { peer, connection } = this.#client;
    const result = authenticator.authenticate(connect, peer, this.#nonce);
    if (!('hash' in result)) return result;
    const { hash, password } = result;
    if (passwordHashes.knows(hash, password)) return result.conclude(true);
    const client = { address: connection.remoteAddress, isGone: () => !connection.isOpen };
    return passwordHashes.check(hash, password, client).then((right) => {
      // A reload has replaced the rules during the check: apply the new ones.
      const isOld = authenticator !== this.#context.authenticator;
      return isOld && connection.isOpen ? this.#authenticate(connect) : result.conclude(right);
    });
  }

  async #wait(
    pending: Promise<AuthenticatedUser | Rejection>,
    then: (result: AuthenticatedUser | Rejection) => void,
  ): Promise<void> {
    const { connection, parser, guard } = this.#client;
    this.#isPending = true;
    this.startTimeout();
    parser.hold();
    connection.pauseReading();
    const result = await pending;
    this.#isPending = false;
    if (!connection.isOpen) return;
    this.close();
    guard(() => {
      then(result);
      parser.resume();
    });
    if (!this.#isPending) connection.resumeReading();
  }
}
