import { describe, expect, it } from 'vitest';
import { given } from '../src/given.ts';

describe('given', () => {
  it('leaves out what is undefined and keeps every other value', () => {
    const values = { a: undefined, b: null, c: 0, d: '', e: false };
    expect(Object.entries(given(values))).toEqual([
      ['b', null],
      ['c', 0],
      ['d', ''],
      ['e', false],
    ]);
  });
});
