// Listing the members of JSON objects.
import { describe, expect, it } from 'vitest';
import { readMembers } from '../../src/protocol/json-members.ts';

const members = (json: string) => readMembers(Buffer.from(json)).map(({ name, text }) => [name, text]);

describe('readMembers', () => {
  it('returns each member as it is written, including repeated ones', () => {
    expect(members(' {"a" : 1.0 ,"b":{"a":[2,{"c":3}]},"a":"x",\t"":null} ')).toEqual([
      ['a', '1.0'],
      ['b', '{"a":[2,{"c":3}]}'],
      ['a', '"x"'],
      ['', 'null'],
    ]);
  });

  it('ignores syntax characters inside strings', () => {
    expect(members('{"a:,}":"{\\"b\\":1,","\\u0061\\\\":"\\\\","c":"]}"}')).toEqual([
      ['a:,}', '"{\\"b\\":1,"'],
      ['a\\', '"\\\\"'],
      ['c', '"]}"'],
    ]);
  });

  it.each(['{}', ' { } ', 'null'])('returns no member for %j', (json) => {
    expect(members(json)).toEqual([]);
  });

  it.each(['', '[]', '[{"a":1}]', '1', '"{}"', 'true', '{', '{"a"}', '{"a":1,}'])('throws for %j', (json) => {
    expect(() => members(json)).toThrow(SyntaxError);
  });

  it('accepts 10,000 levels of nesting and no more', () => {
    const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
    expect(members(nested(10_000))).toHaveLength(1);
    expect(() => members(nested(10_001))).toThrow('too deep');
  });
});
