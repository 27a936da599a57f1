import { describe, expect, it } from 'vitest';
import { nearest } from '../src/suggest.ts';

describe('nearest', () => {
  it.each([
    ['ca_fle', ['cert_file', 'ca_file', 'key_file'], 'ca_file'],
    ['isue', ['init', 'issue', 'inspect'], 'issue'],
    ['lsit', ['list', 'init'], 'list'],
    ['VERIFY', ['verify', 'verify_and_map'], 'verify'],
    ['tlss', ['tls'], 'tls'],
  ])('finds for %s among %j the name %s', (word, known, expected) => {
    expect(nearest(word, known)).toBe(expected);
  });

  it('returns undefined when no known name is near', () => {
    expect(nearest('frobnicate', ['init', 'issue', 'list'])).toBeUndefined();
    expect(nearest('xy', ['init'])).toBeUndefined();
    expect(nearest('list', [])).toBeUndefined();
  });
});
