import { describe, expect, it } from 'vitest';
import { editArrays } from '../../src/conf/arrays.ts';
import { addItem, items, setBlock } from '../../src/conf/editor.ts';
import { parseConf } from '../../src/conf/parser.ts';
import { printBlock } from '../../src/conf/printer.ts';
import { plain } from '../support/conf-values.ts';

const TLS = printBlock('tls', { cert_file: 'c.pem', inner: { x: true } });
const PINS = ['tls', 'pinned_certs'];

describe('setBlock', () => {
  it('replaces only the text between the braces, and keeps the key, the separator and the rest of the file', () => {
    const text = '# top\nport: 4222 # why\n\n"tls" = { cert_file: old } // after\nhttp: 8222\n';
    expect(setBlock(text, ['tls'], TLS)).toBe(
      '# top\nport: 4222 # why\n\n"tls" = {\n  cert_file: "c.pem"\n  inner {\n    x: true\n  }\n} // after\nhttp: 8222\n',
    );
  });

  it('adds a missing block at the end, after an empty line', () => {
    expect(setBlock('port: 4222\n', ['tls'], TLS)).toBe(`port: 4222\n\n${TLS}\n`);
    expect(setBlock('port: 4222 # no last newline', ['tls'], TLS)).toBe(
      `port: 4222 # no last newline\n\n${TLS}`,
    );
    expect(setBlock('', ['tls'], TLS)).toBe(`${TLS}\n`);
    expect(setBlock('\ufeff', ['tls'], TLS)).toBe(`\ufeff${TLS}\n`);
  });

  it('uses the indentation and the line endings of the file', () => {
    expect(setBlock('cluster {\r\n\tport: 6222\r\n\r\n\t# end\r\n}\r\n', ['cluster', 'tls'], TLS)).toBe(
      'cluster {\r\n\tport: 6222\r\n\r\n\t# end\r\n' +
        '\ttls {\r\n\t\tcert_file: "c.pem"\r\n\t\tinner {\r\n\t\t\tx: true\r\n\t\t}\r\n\t}\r\n}\r\n',
    );
    expect(setBlock('a {\n    b: 1\n}\n', ['tls'], TLS)).toBe(
      'a {\n    b: 1\n}\n\ntls {\n    cert_file: "c.pem"\n    inner {\n        x: true\n    }\n}\n',
    );
  });

  it('adds missing parent blocks', () => {
    expect(setBlock('a: 1\n', ['cluster', 'tls'], printBlock('tls', { verify: true }))).toBe(
      'a: 1\n\ncluster {\n  tls {\n    verify: true\n  }\n}\n',
    );
  });

  it('breaks a parent block on one line into several lines', () => {
    const block = printBlock('tls', { verify: true });
    expect(setBlock('cluster { port: 1 }\nb: 2\n', ['cluster', 'tls'], block)).toBe(
      'cluster { port: 1\n  tls {\n    verify: true\n  }\n}\nb: 2\n',
    );
    expect(setBlock('  cluster {}', ['cluster', 'tls'], block)).toBe(
      '  cluster {\n    tls {\n      verify: true\n    }\n  }',
    );
  });

  it('adds a block inside braces that enclose the whole file', () => {
    const block = printBlock('tls', { verify: true });
    const inner = '  tls {\n    verify: true\n  }\n';
    expect(setBlock('{\n  "port": 4222\n}\n# end\n', ['tls'], block)).toBe(
      `{\n  "port": 4222\n${inner}}\n# end\n`,
    );
    expect(setBlock('{ "port": 4222 }', ['tls'], block)).toBe(`{ "port": 4222\n${inner}}`);
    expect(setBlock('{ {\n  a: 1\n}\n}\n', ['tls'], block)).toBe(`{ {\n  a: 1\n${inner}}\n}\n`);
    expect(setBlock('  port: 4222\n}', ['tls'], block)).toBe(`  port: 4222\n${inner}}`);
  });

  it('changes the last of several blocks of the same name in any case, which is the effective one', () => {
    expect(setBlock('tls { a: 1 }\nTLS { a: 2 }\n', ['tls'], printBlock('tls', {}))).toBe(
      'tls { a: 1 }\nTLS {\n}\n',
    );
  });

  it('replaces a variable or a plain value with the block', () => {
    expect(setBlock('tls $TLS\n', ['tls'], printBlock('tls', {}))).toBe('tls {\n}\n');
    expect(setBlock('tls: {a: 1}, b: 2', ['tls'], printBlock('tls', {}))).toBe('tls: {\n}, b: 2');
  });

  it('reports the position at which a file cannot be edited', () => {
    expect(() => setBlock('a: 1\ncluster: $CLUSTER\n', ['cluster', 'tls'], TLS, 'nats.conf')).toThrow(
      'nats.conf:2:10: expected a block for "cluster", found a variable',
    );
    expect(() => setBlock('a: 1 2\n', ['tls'], TLS, 'nats.conf')).toThrow(
      'nats.conf:1:6: expected the end of the line after the value',
    );
  });
});

/** Removes the matching strings from the arrays of a text. */
function removeItems(text: string, matches: (item: string) => boolean): string {
  return editArrays(text, (all) => ({ added: [], removed: all.filter(matches) }), 'f');
}

describe('array items', () => {
  // Each text with an item added; removing the item again must restore the text.
  it.each([
    ['tls { pinned_certs: [] }', 'tls { pinned_certs: ["new"] }'],
    ['tls { pinned_certs: [ ] }', 'tls { pinned_certs: ["new" ] }'],
    ['tls { pinned_certs: ["a"] }', 'tls { pinned_certs: ["a", "new"] }'],
    ['tls { pinned_certs: [ a ] }', 'tls { pinned_certs: [ a, "new" ] }'],
    ['tls { pinned_certs: ["a", ] }', 'tls { pinned_certs: ["a", "new", ] }'],
    ['tls { pinned_certs: ["a" # one\n] }', 'tls { pinned_certs: ["a", "new" # one\n] }'],
    ['tls { pinned_certs: [\n  "a"\n] }', 'tls { pinned_certs: [\n  "a"\n  "new"\n] }'],
    [
      'tls { pinned_certs: [\r\n\t"a" // one\r\n\t] }',
      'tls { pinned_certs: [\r\n\t"a" // one\r\n\t"new"\r\n\t] }',
    ],
    ['tls { pinned_certs: [\n  "a", # one\n] }', 'tls { pinned_certs: [\n  "a", # one\n  "new",\n] }'],
    [
      'tls { pinned_certs: [\n  "a",\n  "b" # two\n  # end\n] }',
      'tls { pinned_certs: [\n  "a",\n  "b", # two\n  "new"\n  # end\n] }',
    ],
    ['tls { pinned_certs: ["a",\n  "b"] }', 'tls { pinned_certs: ["a",\n  "b",\n  "new"] }'],
    ['tls {\n  pinned_certs: [\n  ]\n}', 'tls {\n  pinned_certs: [\n    "new"\n  ]\n}'],
    ['tls {\n  pinned_certs: [ # none yet\n  ]\n}', 'tls {\n  pinned_certs: ["new" # none yet\n  ]\n}'],
  ])('adds an item to %j in the style of the array', (text, expected) => {
    const edited = addItem(text, PINS, 'new');
    expect(edited).toBe(expected);
    expect(items(edited, PINS)).toEqual([...items(text, PINS), 'new']);
    expect(removeItems(edited, (item) => item === 'new')).toBe(text);
  });

  it.each([
    ['[ "x", "b" ]', '[ "b" ]'],
    ['[ "a", "x" ]', '[ "a" ]'],
    ['[ "a", "x", "b" ]', '[ "a", "b" ]'],
    ['["x", "X"]', '[]'],
    ['[ "x", # old\n  "b" ]', '[ # old\n  "b" ]'],
    ['[\n  "x", # old\n  "b"\n]', '[\n  "b"\n]'],
    ['[\n  "a"\n  "x" # old\n  # end\n]', '[\n  "a"\n  # end\n]'],
    ['[\n  "a",\n  "x"\n]', '[\n  "a"\n]'],
    ['[\n  "a",\n  "x",\n]', '[\n  "a",\n]'],
    ['[\n  "a", "x"\n]', '[\n  "a"\n]'],
    ['[ $x, x, "b" ]', '[ $x, "b" ]'],
  ])('removes an item from %j together with its comma and its line', (array, expected) => {
    const text = `# x\nx: 1\ntls { pinned_certs: ${array} } # x`;
    expect(removeItems(text, (item) => item.toLowerCase() === 'x')).toBe(
      `# x\nx: 1\ntls { pinned_certs: ${expected} } # x`,
    );
  });

  it('adds a missing array to its block, but does not add a missing block', () => {
    expect(addItem('tls {\n    verify: true\n}\n', PINS, 'p')).toBe(
      'tls {\n    verify: true\n    pinned_certs: ["p"]\n}\n',
    );
    expect(() => addItem('include tls.conf\n', PINS, 'p', 'nats.conf')).toThrow(
      expect.objectContaining({
        message: 'nats.conf:1:1: no block tls to edit',
        hint: 'if it is in an included file, edit that file',
      }),
    );
  });

  it('reports the position of a value that is not an array', () => {
    expect(() => addItem('tls { pinned_certs: "a" }', PINS, 'p', 'f')).toThrow(
      'f:1:21: expected an array for "pinned_certs", found something else',
    );
  });

  it('finds and removes nothing in a text without arrays', () => {
    expect(removeItems('a: 1', () => true)).toBe('a: 1');
    expect(items('a: 1', PINS)).toEqual([]);
  });
});

describe('edits of a large commented file', () => {
  const text = [
    '\ufeff# The server of the office.\r',
    'server_name: "n1" // short\r',
    '\r',
    'tls {\r',
    '    cert_file: "a.pem"\t# the pair\r',
    '    key_file:  "b.pem"\r',
    '    pinned_certs: [\r',
    '        "aa" # node 1\r',
    '    ]\r',
    '}\r',
    'cluster { name: C, tls { verify: true } }   \r',
    '',
  ].join('\n');

  it('keeps every byte outside of the edited block and array', () => {
    const block = printBlock('tls', { verify: false });
    const edited = addItem(setBlock(text, ['cluster', 'tls'], block), PINS, 'bb');
    const [before, after] = [
      text.indexOf('"aa" # node 1') + '"aa" # node 1'.length,
      text.indexOf('{ verify: true }'),
    ];
    expect(edited).toBe(
      `${text.slice(0, before)}\r\n        "bb"${text.slice(before, after)}{\r\n    verify: false\r\n}` +
        text.slice(after + '{ verify: true }'.length),
    );
    expect(plain(parseConf(edited.slice(1), { file: 'f' }))).toMatchObject({
      tls: { pinned_certs: ['aa', 'bb'] },
      cluster: { name: 'C', tls: { verify: false } },
    });
  });
});
