// The reader of DER, with bytes that @peculiar/asn1-schema writes and with malformed ones.
import {
  AsnConvert,
  AsnGeneralizedTimeConverter,
  AsnIntegerConverter,
  AsnObjectIdentifierConverter,
  AsnUTCTimeConverter,
  type IAsnConverter,
} from '@peculiar/asn1-schema';
import { KeyUsage } from '@peculiar/asn1-x509';
import { describe, expect, it } from 'vitest';
import {
  DerError,
  readChildren,
  readDer,
  readFlags,
  readHexInteger,
  readOid,
  readSmallInteger,
  readTime,
  tags,
} from '../../src/x509/der.ts';
import { writeDer } from '../support/der.ts';

/** Encodes a value with a converter of @peculiar/asn1-schema. */
function written<T>(converter: IAsnConverter<T>, value: T): Buffer {
  return Buffer.from(converter.toASN(value).toBER());
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('DER', () => {
  it('is read with lengths of every size', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65535, 65536]) {
      const content = Buffer.alloc(length, 7);
      const value = readDer(writeDer(tags.octetString, content));
      expect(value.tag).toBe(tags.octetString);
      expect(value.content.equals(content)).toBe(true);
    }
  });

  it('rejects object identifiers longer than any in use', () => {
    const oid = (content: Buffer) => readDer(writeDer(tags.oid, content));
    expect(readOid(oid(Buffer.from(`2a${'01'.repeat(63)}`, 'hex')))).toBe(`1.2${'.1'.repeat(63)}`);
    expect(readOid(oid(hex('2a ff ff ff ff ff ff ff ff 7f')))).toBe(`1.2.${2n ** 63n - 1n}`);
    for (const content of [
      Buffer.alloc(65, 1),
      hex('2a 81 80 80 80 80 80 80 80 80 00'),
      Buffer.alloc(1e6, 0xff),
    ]) {
      expect(() => readOid(oid(content))).toThrow('object identifier too long');
    }
  });

  it('reads object identifiers with large arcs, also those below the root without a limit', () => {
    for (const oid of [
      '1.2.840.113549.1.1.11',
      '2.5.29.17',
      '0.9.2342.19200300.100.1.25',
      '2.999.1',
      '1.3.101.112',
    ]) {
      expect(readOid(readDer(written(AsnObjectIdentifierConverter, oid)))).toBe(oid);
    }
  });

  it('reads the named bits of a key usage', () => {
    for (const flags of [[0], [0, 2], [5, 6], [7], [8], [0, 8]]) {
      const usage = new KeyUsage(flags.reduce((all, flag) => all | (1 << flag), 0));
      expect(readFlags(readDer(Buffer.from(AsnConvert.serialize(usage))))).toEqual(flags);
    }
    expect(readFlags(readDer(hex('03 01 00')))).toEqual([]);
    expect(readFlags(readDer(hex('03 04 07 80 01 80')))).toEqual([0, 15, 16]);
  });

  it.each([
    ['bits set behind its end', '03 02 07 81'],
    ['bits missing from no byte', '03 01 01'],
    ['more than a byte of bits missing', '03 02 08 80'],
    ['no count of missing bits', '03 00'],
  ])('rejects named bits with %s', (_, bytes) => {
    expect(() => readFlags(readDer(hex(bytes)))).toThrow(DerError);
  });

  it('reads times to the second in both forms', () => {
    for (const [text, converter] of [
      ['1950-01-01T00:00:00Z', AsnUTCTimeConverter],
      ['2049-12-31T23:59:59Z', AsnUTCTimeConverter],
      ['2050-01-01T00:00:00Z', AsnGeneralizedTimeConverter],
      ['1949-12-31T23:59:59Z', AsnGeneralizedTimeConverter],
    ] as const) {
      expect(readTime(readDer(written(converter, new Date(text))))).toEqual(new Date(text));
    }
  });

  it('reads non-negative integers and rejects others', () => {
    for (const number of [0, 1, 127, 128, 255, 256, 16384, 600_000]) {
      expect(readSmallInteger(readDer(written(AsnIntegerConverter, number)))).toBe(number);
    }
    expect(() => readSmallInteger(readDer(hex('02 01 ff')))).toThrow(DerError);
  });

  it('reads a serial number as whole bytes without the leading zero byte', () => {
    expect(readHexInteger(readDer(hex('02 02 00 ff')))).toBe('ff');
    expect(readHexInteger(readDer(hex('02 02 01 02')))).toBe('0102');
    expect(readHexInteger(readDer(hex('02 01 00')))).toBe('00');
  });

  it('reads a negative serial number with its sign, and rejects superfluous leading bytes as Go does', () => {
    const serial = (hex: string) => readHexInteger(readDer(writeDer(0x02, Buffer.from(hex, 'hex'))));
    expect(serial('fd')).toBe('-03');
    expect(serial('8000')).toBe('-8000');
    for (const padded of ['0001', '000080', 'ffff', 'ff80'])
      expect(() => serial(padded)).toThrow('superfluous leading bytes');
  });

  it('numbers named bits from the first one', () => {
    expect(readFlags(readDer(hex('03 02 01 06')))).toEqual([5, 6]);
    expect(readFlags(readDer(hex('03 03 07 00 80')))).toEqual([8]);
  });

  it('reads both forms of time, with the century of the short one', () => {
    const time = (tag: number, text: string) =>
      readTime(readDer(writeDer(tag, Buffer.from(text)))).toISOString();
    expect(time(tags.utcTime, '491231235959Z')).toBe('2049-12-31T23:59:59.000Z');
    expect(time(tags.utcTime, '500101000000Z')).toBe('1950-01-01T00:00:00.000Z');
    expect(time(tags.generalizedTime, '20500101000000Z')).toBe('2050-01-01T00:00:00.000Z');
    expect(() => time(tags.utcTime, '20500101000000Z')).toThrow('unreadable time');
    expect(() => time(tags.generalizedTime, '20500101000000+0100')).toThrow('unreadable time');
  });

  it.each([
    ['nothing', ''],
    ['a tag without a length', '30'],
    ['content that is cut off', '30 03 02 01'],
    ['bytes after the end', '30 00 00'],
    ['an indefinite length', '30 80 00 00'],
    ['a length in more bytes than it needs', '04 81 01 00'],
    ['a length with leading zeros', `04 82 00 80 ${'00'.repeat(128)}`],
    ['a length beyond four bytes', '04 85 01 00 00 00 00'],
    ['a length that ends before it is said', '04 82 01'],
    ['a tag of many bytes', '1f 81 01 00'],
  ])('rejects %s', (_, bytes) => {
    expect(() => readDer(hex(bytes))).toThrow(DerError);
  });

  it('rejects a value without children, of another kind or missing', () => {
    expect(() => readChildren(readDer(hex('04 00')))).toThrow('expected tag 0x30, found tag 0x4');
    expect(() => readChildren(undefined)).toThrow('expected tag 0x30, found nothing');
  });
});
