// A revocation list for lookups by serial number. A list of 100,000 entries takes seconds to read into objects; this reads
// it in slices between which the process serves connections, and keeps 8 bytes an entry beside the list itself.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DerError, readDer, readDerAt } from './der.ts';
import { RevocationListHead, readEntry } from './revocation-list.ts';

/** Entries that are read before other work of the process gets its turn: about a millisecond. */
const entriesPerTurn = 2000;

/** The bytes of CRLEntryExtensions with nothing but a reason, up to the reason itself (RFC 5280 section 5.3.1). */
const reasonOnly = Buffer.from('300c300a0603551d1504030a01', 'hex');

export class RevocationIndex extends RevocationListHead {
  /** The number of entries. */
  size = 0;
  /** As in RevocationList: the list must not be relied on when there are any. */
  unknownCritical: readonly string[] = [];
  /** Positions of serial numbers in `der`, by hash with linear probing; 0 is free. */
  #slots = new Uint32Array(0);

  /** Reads DER; rejects with DerError. */
  static async read(der: Buffer): Promise<RevocationIndex> {
    const index = new RevocationIndex(der);
    await index.#readEntries();
    return index;
  }

  /** Returns whether a certificate of the issuer is revoked. @param serial lower-case hex in whole bytes */
  has(serial: string): boolean {
    if (this.size === 0) return false;
    const bytes = Buffer.from(/^[89a-f]/.test(serial) ? `00${serial}` : serial, 'hex');
    return this.#slots[this.#slotOf(bytes)] !== 0;
  }

  async #readEntries(): Promise<void> {
    const unknown = new Set(this.unknownInHead);
    const { entries, der } = this;
    if (entries !== undefined) {
      const end = entries.content.byteOffset - der.byteOffset + entries.content.length;
      // An entry has at least 20 bytes; half of the slots stay free.
      this.#slots = new Uint32Array(2 * Math.ceil(entries.content.length / 20) + 1);
      let at = end - entries.content.length;
      while (at < end) {
        at = this.#readOne(at, end, unknown);
        if (this.size % entriesPerTurn === 0) await nextTurn();
      }
    }
    this.unknownCritical = [...unknown];
  }

  /** Reads the entry at a position; returns the position after it. */
  #readOne(at: number, limit: number, unknown: Set<string>): number {
    const { der } = this;
    const [start, end] = this.#span(at, limit, 0x30);
    const [serialStart, serialEnd] = this.#span(start, end, 0x02);
    if (serialEnd === serialStart || serialEnd - serialStart > 0x7f) throw new DerError('unreadable serial');
    const timeEnd = this.#span(serialEnd, end)[1];
    const rest = der.subarray(timeEnd, end);
    const isUsual = rest.length === reasonOnly.length + 1 && rest.subarray(0, -1).equals(reasonOnly);
    // Only what decides the meaning of an entry is read: its serial number and its critical extensions.
    if (rest.length > 0 && !isUsual) readEntry(readDer(der.subarray(at, end)), unknown);
    const slot = this.#slotOf(der.subarray(serialStart, serialEnd));
    this.#slots[slot] = serialStart;
    this.size++;
    return end;
  }

  /** Returns where the content of the value at a position begins and ends; throws DerError. */
  #span(at: number, limit: number, tag?: number): [start: number, end: number] {
    const { der } = this;
    if (at + 2 > limit || (tag !== undefined && der[at] !== tag)) throw new DerError('unreadable entry');
    const length = der[at + 1] as number;
    if (length < 0x80 && at + 2 + length <= limit) return [at + 2, at + 2 + length];
    // Rare, and the strict reader knows what is wrong with it.
    const { raw, content } = readDerAt(der.subarray(0, limit), at);
    return [at + raw.length - content.length, at + raw.length];
  }

  /** Returns the slot of a serial number, or the free slot where it belongs. @param serial the content of its INTEGER */
  #slotOf(serial: Buffer): number {
    const { der } = this;
    const count = this.#slots.length;
    // FNV-1a; the authority that signs the list chooses the numbers.
    let hash = 0x811c9dc5;
    for (const byte of serial) hash = Math.imul(hash ^ byte, 0x01000193);
    for (let slot = (hash >>> 0) % count; ; slot = (slot + 1) % count) {
      const start = this.#slots[slot] as number;
      if (start === 0) return slot;
      const isSame =
        der[start - 1] === serial.length && serial.equals(der.subarray(start, start + serial.length));
      if (isSame) return slot;
    }
  }
}
