// What the ledger says, in memory: the newest certificate of each name, by whom each was replaced, and whose each key is.
// It follows a ledger that this and other processes append to or replace.
import type { ReadPosition } from '../../files/append.ts';
import { given } from '../../given.ts';
import { isAuthority, type Ledger, type LedgerEntry } from '../../pki/store/ledger.ts';
import type { ProfileName } from '../../pki/store/profile.ts';

/** An entry of a leaf. */
export type LeafEntry = LedgerEntry & { readonly profile: ProfileName };

/** What is remembered of each certificate. */
export interface Issued {
  readonly name: string;
  readonly pin: string;
  readonly notAfter: number;
  /** The certificate that its member renewed it into. */
  successor?: { readonly serial: string; readonly pin: string };
  /** The certificate before it with the same key. */
  readonly earlier?: Issued;
}

/** A use of an invitation. */
export interface InvitationUse {
  readonly serial: string;
  readonly pin: string;
  readonly time: string;
}

export class LedgerIndex {
  readonly #ledger: Ledger;
  #position: ReadPosition | undefined;
  #newest = new Map<string, LeafEntry>();
  #issued = new Map<string, Issued>();
  /** The last certificate of each key. */
  #lastByPin = new Map<string, Issued>();
  /** The names of the keys of authorities, `ca` and `intermediate`, by their pins. */
  #authorityByPin = new Map<string, string>();
  #revoked = new Set<string>();
  #revokedPins = new Set<string>();
  #uses = new Map<string, InvitationUse[]>();
  /** The pin of the issuer of each intermediate, by its pin. */
  #intermediates = new Map<string, string>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Reads what was written to the ledger since the last call. */
  refresh(): void {
    const { entries, revocations, position, isWhole } = this.#ledger.readAfter(this.#position);
    if (isWhole) this.#clear();
    this.#position = position;
    for (const entry of entries) this.#add(entry);
    for (const serial of revocations.keys()) {
      this.#revoked.add(serial);
      const pin = this.#issued.get(serial)?.pin;
      if (pin !== undefined) this.#revokedPins.add(pin);
    }
  }

  /** Forgets everything, so that the next refresh reads the whole ledger. */
  forget(): void {
    this.#position = undefined;
  }

  /** Takes an entry into account that `record` is going to write; forget it all when that fails. */
  expect(entry: LeafEntry): void {
    this.#add(entry);
  }

  /** Appends entries to the ledger; hold the lock of the folder, and refresh first. */
  async record(entries: readonly LeafEntry[]): Promise<void> {
    await this.#ledger.record(entries);
    this.refresh();
  }

  /** The newest certificate of each name. */
  get newest(): ReadonlyMap<string, LeafEntry> {
    return this.#newest;
  }

  issued(serial: string): Issued | undefined {
    return this.#issued.get(serial);
  }

  /** Returns the name that a key was certified for; `ca` and `intermediate` for the keys of authorities. */
  nameOfKey(pin: string): string | undefined {
    return this.#lastByPin.get(pin)?.name ?? this.#authorityByPin.get(pin);
  }

  isRevoked(serial: string): boolean {
    return this.#revoked.has(serial);
  }

  /** Returns whether a certificate with this key was revoked. */
  isRevokedKey(pin: string): boolean {
    return this.#revokedPins.has(pin);
  }

  get revocations(): number {
    return this.#revoked.size;
  }

  usesOf(invitation: string): readonly InvitationUse[] {
    return this.#uses.get(invitation) ?? [];
  }

  /** Returns the pin of the root above the key that signed a certificate. */
  rootAbove(issuer: string): string {
    let at = issuer;
    for (const seen = new Set<string>(); !seen.has(at); at = this.#intermediates.get(at) ?? at) seen.add(at);
    return at;
  }

  #clear(): void {
    this.#newest = new Map();
    this.#issued = new Map();
    this.#lastByPin = new Map();
    this.#authorityByPin = new Map();
    this.#revoked = new Set();
    this.#revokedPins = new Set();
    this.#uses = new Map();
    this.#intermediates = new Map();
  }

  #add(entry: LedgerEntry): void {
    const { serial, name, pin, profile, issuer, notAfter, member, time } = entry;
    if (isAuthority(profile)) {
      this.#authorityByPin.set(pin, name);
      if (profile === 'intermediate') this.#intermediates.set(pin, issuer);
      return;
    }
    this.#newest.set(name, entry as LeafEntry);
    if (this.#revoked.has(serial)) this.#revokedPins.add(pin);
    // An entry that was expected is read again from the ledger.
    if (!this.#issued.has(serial)) {
      this.#succeed(this.#issued.get(member?.replaces ?? ''), { serial, pin });
      const earlier = this.#lastByPin.get(pin);
      const issued = { name, pin, notAfter: Date.parse(notAfter), ...given({ earlier }) };
      this.#issued.set(serial, issued);
      this.#lastByPin.set(pin, issued);
    }
    if (member?.invitation === undefined) return;
    const uses = this.#uses.get(member.invitation) ?? [];
    if (uses.some((use) => use.serial === serial)) return;
    this.#uses.set(member.invitation, [...uses, { serial, pin, time }]);
  }

  /** Records what replaced a certificate; one key has one successor, whichever of its certificates asked. */
  #succeed(replaced: Issued | undefined, successor: NonNullable<Issued['successor']>): void {
    if (replaced === undefined) return;
    replaced.successor = successor;
    for (let each = this.#lastByPin.get(replaced.pin); each !== undefined; each = each.earlier) {
      if (each === replaced) continue;
      // Those before it were replaced with it.
      if (each.successor !== undefined) return;
      if (each.name === replaced.name) each.successor = successor;
    }
  }
}
