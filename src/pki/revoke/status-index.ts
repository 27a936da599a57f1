// What the ledger says about the status of each certificate, in memory. It follows a ledger that this and other processes
// append to or replace.
import type { ReadPosition } from '../../files/append.ts';
import type { Ledger } from '../store/ledger.ts';

/** What is remembered of a revocation. */
export interface KnownRevocation {
  /** Milliseconds. */
  readonly time: number;
  /** As in RFC 5280 section 5.3.1; absent when none was given. */
  readonly reason: string | undefined;
}

export class StatusIndex {
  readonly #ledger: Ledger;
  #position: ReadPosition | undefined;
  /** The pin of the issuer of each certificate, by serial number. */
  #issued = new Map<string, string>();
  #revoked = new Map<string, KnownRevocation>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Reads what was written to the ledger since the last call; returns whether a certificate was revoked. */
  refresh(): boolean {
    const { entries, revocations, position, isWhole } = this.#ledger.readAfter(this.#position);
    if (isWhole) {
      this.#issued = new Map();
      this.#revoked = new Map();
    }
    this.#position = position;
    for (const { serial, issuer } of entries) this.#issued.set(serial, issuer);
    for (const { revoked, time, reason } of revocations.values()) {
      this.#revoked.set(revoked, { time: Date.parse(time), reason });
    }
    return isWhole || revocations.size > 0;
  }

  /** Returns whether an issuer, by its pin, signed a certificate with this serial number. */
  isIssued(serial: string, issuer: string): boolean {
    return this.#issued.get(serial) === issuer;
  }

  revocationOf(serial: string): KnownRevocation | undefined {
    return this.#revoked.get(serial);
  }
}
