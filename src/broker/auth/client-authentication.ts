// Authenticates one client: its nonce, the time limit for CONNECT, and the check of its credentials. Checking a hashed
// password is asynchronous; until the result is there, the broker reads nothing more from the client.
import { randomBytes } from 'node:crypto';
import type { Parser } from '../../protocol/parser.ts';
import type { PeerCertificate } from '../../tls/peer.ts';
import { authTimeoutMs, type BrokerOptions } from '../options/options.ts';
import type { Connection } from '../transport/connection.ts';
import type { Authenticator, Identity, Refused } from './authenticator.ts';
import type { ConnectOptions } from './connect-options.ts';
import type { PasswordHashes } from './password-hashes.ts';

/** What authentication depends on; a reload replaces the authenticator and the options. */
export interface Judges {
  readonly options: BrokerOptions;
  readonly authenticator: Authenticator;
  readonly passwordHashes: PasswordHashes;
}

/** The client to authenticate. */
export interface Applicant {
  readonly connection: Connection;
  readonly parser: Parser;
  readonly peer: () => PeerCertificate | undefined;
  /** Called when the client exceeds the time limit. */
  readonly onLate: () => void;
  /** Runs a task that reads the client's data, so that a defect in it affects only this client. */
  readonly read: (task: () => void) => void;
}

export class Admission {
  readonly #judges: Judges;
  readonly #applicant: Applicant;
  #nonce = '';
  #timer: NodeJS.Timeout | undefined;
  #isPending = false;

  constructor(judges: Judges, applicant: Applicant) {
    this.#judges = judges;
    this.#applicant = applicant;
  }

  /** Creates the nonce that the client signs; empty if no user has an nkey. Its size is nats-server's (nkey.go). */
  challenge(): string {
    if (this.#judges.authenticator.needsNonce) this.#nonce = randomBytes(11).toString('base64url');
    return this.#nonce;
  }

  /** Starts the time limit, which ends with a result. */
  limitTime(): void {
    this.#timer ??= setTimeout(this.#applicant.onLate, authTimeoutMs(this.#judges.options));
  }

  /** Cancels the time limit. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Passes on the result, now or after a password check; ignores the call while an earlier check is pending. */
  judge(connect: ConnectOptions, then: (result: Identity | Refused) => void): void {
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
  judgeSilent(connect: ConnectOptions): Identity | Refused {
    const result = this.#judges.authenticator.authenticate(connect, this.#applicant.peer);
    return 'hash' in result ? result.conclude(false) : result;
  }

  #authenticate(connect: ConnectOptions): Identity | Refused | Promise<Identity | Refused> {
    const { authenticator, passwordHashes } = this.#judges;
    const { peer, connection } = this.#applicant;
    const result = authenticator.authenticate(connect, peer, this.#nonce);
    if (!('hash' in result)) return result;
    const { hash, password } = result;
    if (passwordHashes.knows(hash, password)) return result.conclude(true);
    const asker = { address: connection.remoteAddress, isGone: () => !connection.isOpen };
    return passwordHashes.check(hash, password, asker).then((right) => {
      // A reload has replaced the rules during the check: apply the new ones.
      const isOld = authenticator !== this.#judges.authenticator;
      return isOld && connection.isOpen ? this.#authenticate(connect) : result.conclude(right);
    });
  }

  async #wait(
    pending: Promise<Identity | Refused>,
    then: (result: Identity | Refused) => void,
  ): Promise<void> {
    const { connection, parser, read } = this.#applicant;
    this.#isPending = true;
    this.limitTime();
    parser.hold();
    connection.pauseReading();
    const result = await pending;
    this.#isPending = false;
    if (!connection.isOpen) return;
    this.close();
    read(() => {
      then(result);
      parser.resume();
    });
    if (!this.#isPending) connection.resumeReading();
  }
}
