// Mapping of subjects between accounts, in both directions.
import { describe, expect, it } from 'vitest';
import { SubjectMapping, withPlaceholders, withWildcards } from '../../src/subjects/mapping.ts';

describe('a subject mapping', () => {
  it.each([
    ['a.*.*', 'b.$2.$1', 'a.1.2', 'b.2.1'],
    ['a.*', 'b.{{wildcard(1)}}.$1', 'a.x', 'b.x.x'],
    ['a.>', 'b.c.>', 'a.1.2.3', 'b.c.1.2.3'],
    ['a.*.>', '$1.>', 'a.x.y.z', 'x.y.z'],
    ['>', 'p.>', 'x.y', 'p.x.y'],
    ['a.*', '$.x$1.$1', 'a.1', '$.x$1.1'],
  ])('a mapping from %s to %s maps %s to %s', (source, destination, subject, mapped) => {
    expect(new SubjectMapping(source, destination).map(subject.split('.'))).toBe(mapped);
  });

  it.each([
    ['a.*.*', 'b.$2.$1', 'b.2.1', 'a.1.2'],
    ['a.>', 'b.c.>', 'b.c.1.2', 'a.1.2'],
    ['a.*.>', 'x.$1.>', 'x.*.>', 'a.*.>'],
  ])('the reverse of a mapping from %s to %s maps %s to %s', (source, destination, subject, mapped) => {
    expect(new SubjectMapping(source, destination).reverse().map(subject.split('.'))).toBe(mapped);
  });

  it('provides a target pattern that matches all mapped subjects', () => {
    expect(new SubjectMapping('a.*.*.>', 'x.$2.y.$1.>').target).toBe('x.*.y.*.>');
  });

  it.each([
    ['a.*', 'b'],
    ['a.*', 'b.$2'],
    ['a.*', 'b.$0'],
    ['a.*', 'b.*'],
    ['a.>', 'b'],
    ['a', 'b.>'],
    ['a..b', 'c'],
    ['a', ''],
    ['a', 'b c'],
    ['a', 'b.$1'],
    ['a.*', '{{split(1,-)}}'],
  ])('a mapping from %s to %j is invalid', (source, destination) => {
    expect(() => new SubjectMapping(source, destination)).toThrow();
  });

  it('replaces wildcards by placeholders and vice versa', () => {
    expect(withPlaceholders('a.*.b.*.>')).toBe('a.$1.b.$2.>');
    expect(withWildcards('a.$1.b.{{ Wildcard( 2 ) }}.$x.>')).toBe('a.*.b.*.$x.>');
  });
});
