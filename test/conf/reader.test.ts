import { describe, expect, it } from 'vitest';
import { type ConfProblem, formatProblem } from '../../src/conf/error.ts';
import { parseConf } from '../../src/conf/parser.ts';
import { MapReader } from '../../src/conf/reader.ts';
import { plain } from '../support/conf-values.ts';

function open(text: string, where = 'tls') {
  const problems: ConfProblem[] = [];
  const reader = new MapReader(parseConf(text, { file: 'f', environment: {} }), problems, where);
  return { reader, found: () => problems.map(formatProblem), problems };
}

describe('MapReader', () => {
  it('reads every type of option by its name or an alias, in any case', () => {
    const { reader, found } = open(
      'Name: n\nPORT: 4222\nratio: 0.5\nwhole: 2\ndebug: on\nuser: u\nlist: [ a, b ]\none: a\nempty: []\nb { x: 1 }',
    );
    expect(reader.string('name')).toBe('n');
    expect(reader.integer('port')).toBe(4222);
    expect(reader.number('ratio')).toBe(0.5);
    expect(reader.number('whole')).toBe(2);
    expect(reader.boolean('debug')).toBe(true);
    expect(reader.string('username', 'user')).toBe('u');
    expect(reader.strings('list')).toEqual(['a', 'b']);
    expect(reader.strings('one')).toEqual(['a']);
    expect(reader.strings('empty')).toEqual([]);
    expect(reader.array('list')?.items).toHaveLength(2);
    expect(plain(reader.map('b') ?? expect.fail())).toEqual({ x: 1n });
    expect(reader.value('port')?.kind).toBe('integer');
    reader.finish();
    expect(found()).toEqual([]);
  });

  it('returns undefined for an absent option without reporting a problem', () => {
    const { reader, found } = open('');
    expect(reader.string('a')).toBeUndefined();
    expect(reader.strings('a')).toBeUndefined();
    expect(reader.integer('a')).toBeUndefined();
    expect(reader.durationMs('a')).toBeUndefined();
    expect(reader.has('a')).toBe(false);
    reader.finish();
    expect(found()).toEqual([]);
  });

  it('reads a bare number as seconds and a string as a duration', () => {
    const { reader, found } = open('a: 2\nb: 0.5\nc: "1m30s"\nd: 250ms\ne: soon\nf: true\ng: "1d"');
    expect(reader.durationMs('a')).toBe(2000);
    expect(reader.durationMs('b')).toBe(500);
    expect(reader.durationMs('c')).toBe(90_000);
    expect(reader.durationMs('d')).toBe(250);
    expect(['e', 'f', 'g'].map((name) => reader.durationMs(name))).toEqual([undefined, undefined, undefined]);
    expect(found()).toEqual([
      'f:5:4: "e" in tls is not a duration',
      'f:6:4: expected a duration for "f" in tls, found a boolean',
      'f:7:4: "g" in tls is not a duration',
    ]);
  });

  it('limits a duration to the longest delay of a timer, because a longer timer would fire at once', () => {
    const { reader } = open('a: "1000h"\nb: 10000000\nc: "-1000h"');
    expect(['a', 'b', 'c'].map((name) => reader.durationMs(name))).toEqual([
      2 ** 31 - 1,
      2 ** 31 - 1,
      -3_600_000_000,
    ]);
  });

  it('reports the expected and the found type with the position of the value, but never the value', () => {
    const { reader, found } = open(
      'a: s3cret\nb: 1\nc: [ s3cret, 2 ]\nd: { s3cret: 1 }\ne: 99999999999999999',
      '',
    );
    reader.integer('a');
    reader.string('b');
    reader.strings('c');
    reader.boolean('d');
    reader.integer('e');
    expect(found()).toEqual([
      'f:1:4: expected an integer for "a", found a string',
      'f:2:4: expected a string for "b", found an integer',
      'f:3:14: expected an array of strings for "c", found an integer',
      'f:4:4: expected a boolean for "d", found a block',
      'f:5:4: the number for "e" is too large',
    ]);
  });

  it('reports each field that was not read, with the nearest field that was', () => {
    const { reader, problems } = open('ca_fle: x\n"cluster.tls": y\ncert_file: z');
    reader.string('ca_file');
    reader.string('cert_file');
    reader.finish();
    expect(problems).toMatchObject([
      {
        position: { line: 1, column: 1 },
        message: 'unknown field "ca_fle" in tls',
        hint: 'did you mean "ca_file"',
      },
      { position: { line: 2, column: 1 }, message: 'unknown field "cluster.tls" in tls', severity: 'error' },
    ]);
    expect(problems[1]).not.toHaveProperty('hint');
  });

  it('reports every unknown field, but suggests a name for the first fifty only', () => {
    const { reader, problems } = open(Array.from({ length: 60 }, (_, index) => `port${index}: 1`).join('\n'));
    reader.integer('port');
    reader.finish();
    expect(problems).toHaveLength(60);
    expect(problems.filter(({ hint }) => hint !== undefined)).toHaveLength(50);
  });

  it('does not report a field that a variable refers to', () => {
    const { reader, found } = open('certs: "./certs"\nca_file: $certs');
    expect(reader.string('ca_file')).toBe('./certs');
    reader.finish();
    expect(found()).toEqual([]);
  });

  it('rejects an option given twice in different spellings, of which nats-server uses one at random', () => {
    const { reader, found } = open('Port: 1\nport: 2\nuser: a\nusername: b', '');
    reader.integer('port');
    reader.string('user', 'username');
    reader.string('user', 'username');
    reader.finish();
    expect(found()).toEqual([
      'f:2:1: "port" is the same option as "Port"',
      'f:4:1: "username" is the same option as "user"',
    ]);
  });

  it('returns the position of an option, or of its block when the option is absent', () => {
    const { reader } = open('a: 1\n  b: 2');
    expect(reader.position('b')).toMatchObject({ line: 2, column: 6 });
    expect(reader.position('c')).toMatchObject({ line: 1, column: 1 });
  });

  it('adds errors and warnings of its caller to the problems', () => {
    const { reader, problems } = open('a: 1');
    reader.error(reader.position('a'), 'must be even', 'use 2');
    reader.warning(reader.position('a'), 'is odd');
    expect(problems).toMatchObject([
      { severity: 'error', message: 'must be even', hint: 'use 2' },
      { severity: 'warning', message: 'is odd' },
    ]);
  });
});
