// One client's way in: what it is given to sign, how long it may take, and the verdict on what it says of itself. Where
// a password is hashed the verdict takes a while, in which nothing of the client is read.
import { randomBytes } from 'node:crypto';
import type { Parser } from '../../protocol/parser.ts';
import type { PeerCertificate } from '../../tls/peer.ts';
import { authTimeoutMs, type BrokerOptions } from '../options/options.ts';
import type { Connection } from '../transport/connection.ts';
import type { Authenticator, Identity, Refused } from './auth.ts';
import type { ConnectOptions } from './connect-options.ts';
import type { PasswordHashes } from './password-hashes.ts';

/** What is needed to judge; a reload puts another authenticator and other options in their place. */
export interface Judges {
  readonly options: BrokerOptions;
  readonly authenticator: Authenticator;
  readonly passwordHashes: PasswordHashes;
}

/** Whose admission it is. */
export interface Applicant {
  readonly connection: Connection;
  readonly parser: Parser;
  readonly peer: () => PeerCertificate | undefined;
  /** Called when the time is over. */
  readonly onLate: () => void;
  /** Runs what reads, and survives a defect in it. */
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

  /** Makes what the client is to sign; empty where nobody signs anything. The size is nats-server's (nkey.go). */
  challenge(): string {
    if (this.#judges.authenticator.needsNonce) this.#nonce = randomBytes(11).toString('base64url');
    return this.#nonce;
  }

  /** Lets the time run, until a verdict. */
  limitTime(): void {
    this.#timer ??= setTimeout(this.#applicant.onLate, authTimeoutMs(this.#judges.options));
  }

  /** Ends the time. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Hands the verdict on, at once or after a while; not while an earlier one is still to come, which will do. */
  judge(connect: ConnectOptions, then: (verdict: Identity | Refused) => void): void {
    if (this.#isPending) return;
    const verdict = this.#ask(connect);
    if (verdict instanceof Promise) {
      void this.#wait(verdict, then);
    } else {
      this.close();
      then(verdict);
    }
  }

  /** The verdict on one who says nothing of itself. */
  judgeSilent(connect: ConnectOptions): Identity | Refused {
    const verdict = this.#judges.authenticator.authenticate(connect, this.#applicant.peer);
    return 'hash' in verdict ? verdict.conclude(false) : verdict;
  }

  #ask(connect: ConnectOptions): Identity | Refused | Promise<Identity | Refused> {
    const { authenticator, passwordHashes } = this.#judges;
    const { peer, connection } = this.#applicant;
    const verdict = authenticator.authenticate(connect, peer, this.#nonce);
    if (!('hash' in verdict)) return verdict;
    const { hash, password } = verdict;
    if (passwordHashes.knows(hash, password)) return verdict.conclude(true);
    const asker = { address: connection.remoteAddress, isGone: () => !connection.isOpen };
    return passwordHashes.check(hash, password, asker).then((right) => {
      // A reload in between has made other rules.
      const isOld = authenticator !== this.#judges.authenticator;
      return isOld && connection.isOpen ? this.#ask(connect) : verdict.conclude(right);
    });
  }

  async #wait(
    verdict: Promise<Identity | Refused>,
    then: (verdict: Identity | Refused) => void,
  ): Promise<void> {
    const { connection, parser, read } = this.#applicant;
    this.#isPending = true;
    this.limitTime();
    parser.hold();
    connection.hold();
    const late = await verdict;
    this.#isPending = false;
    if (!connection.isOpen) return;
    this.close();
    read(() => {
      then(late);
      parser.resume();
    });
    if (!this.#isPending) connection.proceed();
  }
}
