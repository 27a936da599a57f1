// A strict reader of ASN.1 in DER (X.690), limited to the types in certificates, requests, revocation lists and keys. It
// does not interpret the values, and does not write DER.

export interface DerValue {
  /** The identifier octet: 0x30 for a SEQUENCE, 0x02 for an INTEGER, 0xa0 for constructed context 0, ... */
  readonly tag: number;
  /** Identifier, length and content. */
  readonly raw: Buffer;
  readonly content: Buffer;
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The bytes are not DER, or not the expected DER. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Reads the single value in `bytes`; throws DerError when bytes follow it. */
export function readDer(bytes: Buffer): DerValue {
  const value = readDerAt(bytes, 0);
  if (value.raw.length !== bytes.length) throw new DerError('bytes after the end');
  return value;
}

/** Reads the values inside a constructed one; throws DerError, also when it does not have the expected tag. */
export function readChildren(value: DerValue | undefined, tag: number = tags.sequence): DerValue[] {
  expectTag(value, tag);
  const children: DerValue[] = [];
  for (let at = 0; at < value.content.length; ) {
    const child = readDerAt(value.content, at);
    children.push(child);
    at += child.raw.length;
  }
  return children;
}

/** Asserts the tag of a value; throws DerError when it has another one or is missing. */
export function expectTag(value: DerValue | undefined, tag: number): asserts value is DerValue {
  if (value?.tag !== tag) {
    const found = value === undefined ? 'nothing' : `tag 0x${value.tag.toString(16)}`;
    throw new DerError(`expected tag 0x${tag.toString(16)}, found ${found}`);
  }
}

/** Limits far above any object identifier in use: its length in bytes, and an arc of at most 63 bits. */
const maximumOid = 64;
const maximumArc = 1n << 63n;

/** Reads an OBJECT IDENTIFIER as `1.2.840.113549`; throws DerError for one that exceeds the limits. */
export function readOid(value: DerValue | undefined): string {
  expectTag(value, tags.oid);
  if (value.content.length > maximumOid) throw new DerError('object identifier too long');
  const arcs: bigint[] = [];
  let arc = 0n;
  for (const byte of value.content) {
    arc = (arc << 7n) | BigInt(byte & 0x7f);
    if (arc >= maximumArc) throw new DerError('object identifier too long');
    if (byte & 0x80) continue;
    arcs.push(arc);
    arc = 0n;
  }
  const first = arcs[0];
  if (first === undefined || (value.content.at(-1) as number) & 0x80)
    throw new DerError('incomplete object identifier');
  const root = first < 80n ? first / 40n : 2n;
  return [root, first - root * 40n, ...arcs.slice(1)].join('.');
}

/** Reads a non-negative INTEGER of at most 6 bytes. */
export function readSmallInteger(value: DerValue | undefined): number {
  expectTag(value, tags.integer);
  const { content } = value;
  refuseLongInteger(content);
  if (content.length > 6 || (content[0] as number) & 0x80) {
    throw new DerError('integer out of range');
  }
  return content.readUIntBE(0, content.length);
}

/** Reads an INTEGER as lower-case hex in whole bytes, with a minus sign if negative, as serial numbers are printed. */
export function readHexInteger(value: DerValue | undefined): string {
  expectTag(value, tags.integer);
  refuseLongInteger(value.content);
  const isNegative = ((value.content[0] as number) & 0x80) !== 0;
  if (!isNegative) return value.content.toString('hex').replace(/^00(?=.)/, '');
  const magnitude = (1n << BigInt(8 * value.content.length)) - BigInt(`0x${value.content.toString('hex')}`);
  const hex = magnitude.toString(16);
  return `-${hex.padStart(hex.length + (hex.length % 2), '0')}`;
}

/** Throws DerError unless an INTEGER has the fewest bytes for its value (X.690 section 8.3.2). */
function refuseLongInteger(content: Buffer): void {
  const [first, second = 0] = content;
  if (first === undefined) throw new DerError('integer without bytes');
  const isPadded = (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
  if (content.length > 1 && isPadded) throw new DerError('integer with superfluous leading bytes');
}

/** Reads the bytes of a BIT STRING; throws DerError for one with unused bits. */
export function readBitString(value: DerValue | undefined): Buffer {
  expectTag(value, tags.bitString);
  if (value.content[0] !== 0) throw new DerError('bit string does not end with a byte');
  return value.content.subarray(1);
}

/** Reads the numbers of the bits set in a BIT STRING of named flags; its padding must be zero (X.690 section 11.2.1). */
export function readFlags(value: DerValue | undefined): number[] {
  expectTag(value, tags.bitString);
  const [padding = 8, ...rest] = value.content;
  const last = rest.at(-1) ?? 0xff;
  if (padding > 7 || (padding > 0 && last & (0xff >> (8 - padding))))
    throw new DerError('invalid padding of a bit string');
  const bits = value.content.subarray(1);
  const flags: number[] = [];
  for (let bit = 0; bit < bits.length * 8; bit++) {
    if ((bits[bit >> 3] as number) & (0x80 >> (bit & 7))) flags.push(bit);
  }
  return flags;
}

/** Reads a UTCTime or GeneralizedTime in the form of RFC 5280 section 4.1.2.5: with seconds, in UTC. */
export function readTime(value: DerValue | undefined): Date {
  const long = value?.tag === tags.generalizedTime;
  if (!long) expectTag(value, tags.utcTime);
  const text = value?.content.toString('latin1') ?? '';
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  if (match?.[1]?.length !== (long ? 4 : 2)) throw new DerError('unreadable time');
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [number, ...number[]];
  const full = long ? year : year + (year < 50 ? 2000 : 1900);
  const time = new Date(0);
  time.setUTCFullYear(full, (month as number) - 1, day);
  time.setUTCHours(hour as number, minute, second);
  if (time.getUTCMonth() + 1 !== month || time.getUTCDate() !== day || time.getUTCSeconds() !== second)
    throw new DerError('impossible time');
  return time;
}

/** Reads the value that begins at `start`, whatever follows it; throws DerError. */
export function readDerAt(bytes: Buffer, start: number): DerValue {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined) throw new DerError('ends in the middle of a value');
  if ((tag & 0x1f) === 0x1f) throw new DerError('tag number over 30');
  let contentStart = start + 2;
  let length = first;
  if (first >= 0x80) {
    const size = first & 0x7f;
    if (size === 0 || size > 4) throw new DerError('indefinite or impossible length');
    if (contentStart + size > bytes.length) throw new DerError('ends in the middle of a value');
    length = bytes.readUIntBE(contentStart, size);
    if (length < 0x80 || length < 2 ** (8 * (size - 1))) throw new DerError('length is not minimal');
    contentStart += size;
  }
  const end = contentStart + length;
  if (end > bytes.length) throw new DerError('ends in the middle of a value');
  return { tag, raw: bytes.subarray(start, end), content: bytes.subarray(contentStart, end) };
}
