import { describe, expect, it } from 'vitest';
import { formatDuration, formatGoDuration, parseDuration, parseGoDuration } from '../src/duration.ts';

const hour = 3_600_000;

describe('parseGoDuration', () => {
  it.each([
    ['2s', 2000],
    ['1h30m', 1.5 * hour],
    ['300ms', 300],
    ['1.5s', 1500],
    ['.5s', 500],
    ['1.s', 1000],
    ['-1m', -60_000],
    ['+1m', 60_000],
    ['0', 0],
    ['-0', 0],
    ['250us', 0.25],
    ['250µs', 0.25],
    ['250μs', 0.25],
    ['1000000ns', 1],
    ['1h0m0.5s', hour + 500],
  ])('parses %s as Go does', (text, milliseconds) => {
    expect(parseGoDuration(text)).toBe(milliseconds);
  });

  it.each([
    '',
    '-',
    '1',
    '.s',
    's',
    '1x',
    '1 s',
    ' 1s',
    '1s ',
    '1d',
    '1w',
    '1h-2m',
    '1e3s',
    '300000000h',
    'toString',
  ])('rejects %j as Go does', (text) => {
    expect(parseGoDuration(text)).toBeUndefined();
  });
});

describe('parseDuration', () => {
  it('accepts days and weeks in addition to the units of Go', () => {
    expect(parseDuration('30d')).toBe(30 * 24 * hour);
    expect(parseDuration('1w2d12h')).toBe((9 * 24 + 12) * hour);
  });

  it('throws a UsageError with an example for an invalid duration', () => {
    expect(() => parseDuration('30 days')).toThrow(
      expect.objectContaining({
        message: 'invalid duration "30 days"',
        hint: 'give numbers with units, for example 30d, 12h or 1y',
        exitCode: 2,
      }),
    );
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0s', '0s'],
    [300, '300ms', '300ms'],
    [0.25, '250us', '250us'],
    [1500, '1s500ms', '1s500ms'],
    [1.5 * hour, '1h30m', '1h30m'],
    [30 * 24 * hour, '30d', '720h'],
    [-2000, '-2s', '-2s'],
  ])('prints %d milliseconds with and without days, and both parse back', (milliseconds, text, goText) => {
    expect(formatDuration(milliseconds)).toBe(text);
    expect(formatGoDuration(milliseconds)).toBe(goText);
    expect(parseDuration(text)).toBe(milliseconds);
    expect(parseGoDuration(goText)).toBe(milliseconds);
  });
});
