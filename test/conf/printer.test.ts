import { describe, expect, it } from 'vitest';
import { parseConf } from '../../src/conf/parser.ts';
import { type PrintValue, printBlock, printKey, printValue } from '../../src/conf/printer.ts';
import { plain } from '../support/conf-values.ts';

describe('printBlock', () => {
  it('prints one field per line, blocks and long arrays over several lines, and omits undefined fields', () => {
    const pin = 'a'.repeat(64);
    const printed = printBlock('tls', {
      cert_file: './certs/server-cert.pem',
      key_file: undefined,
      verify: true,
      timeout: 0.5,
      limit: 10,
      short: ['a', 'b'],
      numbers: [1, 2],
      pinned_certs: [pin, pin],
      certs: [{ cert_file: 'a' }],
      inner: { x: 1n, empty: [], none: {} },
    });
    expect(printed).toBe(`tls {
  cert_file: "./certs/server-cert.pem"
  verify: true
  timeout: 0.5
  limit: 10
  short: ["a", "b"]
  numbers: [
    1
    2
  ]
  pinned_certs: [
    "${pin}"
    "${pin}"
  ]
  certs: [
    {
      cert_file: "a"
    }
  ]
  inner {
    x: 1
    empty: []
    none {
    }
  }
}`);
    expect(plain(parseConf(printed, { file: 'f' }))).toMatchObject({
      tls: { numbers: [1n, 2n], short: ['a', 'b'], certs: [{ cert_file: 'a' }], inner: { x: 1n } },
    });
  });

  it.each([
    'quote " and \\ backslash',
    'line\nline\r\n\ttab',
    'nul \0 and \x7f and \x1b',
    "it's",
    '$HOME',
    'true',
    '4222',
    'é 😀 \u2028',
    '# not a comment',
    '(',
    '',
  ])('prints the string %j so that it parses back', (text) => {
    expect(plain(parseConf(`a: ${printValue(text)}`, { file: 'f' }))).toEqual({ a: text });
  });

  it.each<PrintValue>([0, -5, 4222, 0.25, -0.5, 2n ** 62n, true, [1], [true], [-1.5], ['a', 1]])(
    'prints the value %s so that it parses back',
    (value) => {
      const read = plain(parseConf(`a: ${printValue(value)}`, { file: 'f' })) as { a: unknown };
      expect(JSON.stringify(read.a, numbers)).toBe(JSON.stringify(value, numbers));
    },
  );

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 1e21, 1e-7])(
    'throws for the number %d, which the language cannot express',
    (value) => {
      expect(() => printValue(value)).toThrow(RangeError);
    },
  );

  it.each(['include', 'a b', 'a"b', "a'b", 'foo.>', '{', '', '9', 'x:y'])(
    'prints the key %j so that it parses back',
    (key) => {
      expect(plain(parseConf(`${printKey(key)} 1`, { file: 'f' }))).toEqual({ [key]: 1n });
      expect(plain(parseConf(`m { ${printKey(key)} 1 }`, { file: 'f' }))).toEqual({ m: { [key]: 1n } });
    },
  );

  it('throws for a key that contains both kinds of quotes', () => {
    expect(() => printKey('\'"')).toThrow(RangeError);
  });
});

function numbers(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}
