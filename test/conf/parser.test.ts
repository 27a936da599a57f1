import { describe, expect, it } from 'vitest';
import { ConfErrors, formatProblem } from '../../src/conf/error.ts';
import { type ParseOptions, parseConf } from '../../src/conf/parser.ts';
import { NatspkiError } from '../../src/errors.ts';
import { plain } from '../support/conf-values.ts';

function read(text: string, options: Partial<ParseOptions> = {}): unknown {
  return plain(parseConf(text, { file: 'nats.conf', environment: {}, ...options }));
}

function problems(text: string, options: Partial<ParseOptions> = {}): string[] {
  try {
    read(text, options);
  } catch (error) {
    if (error instanceof ConfErrors) return error.problems.map(formatProblem);
    throw error;
  }
  throw new Error('it was accepted');
}

/** Reads included files from a table. */
function files(table: Record<string, string>) {
  return (path: string) => {
    const text = table[path];
    if (text === undefined) throw new NatspkiError('missing', `no such file: ${path}`);
    return text;
  };
}

describe('values', () => {
  it.each<[string, unknown]>([
    ['"a b"', 'a b'],
    ["'a \\n b'", 'a \\n b'],
    ['"tab\\t quote\\" backslash\\\\ \\x41"', 'tab\t quote" backslash\\ A'],
    ['"\\xc3\\xa9"', 'é'],
    ['"two\nlines"', 'two\nlines'],
    ['bare', 'bare'],
    ['nats://me:pw@host:4222', 'nats://me:pw@host:4222'],
    ['b#c//d', 'b#c//d'],
    ["closed'", 'closed'],
    ['(\nline 1\n  line 2)\n)\n', '\nline 1\n  line 2)\n'],
    ['127.0.0.1:4222', '127.0.0.1:4222'],
    ['10s', '10s'],
    ['4e2abc', '4e2abc'],
    ['-1k2abc', '-1k2abc'],
    ['$2a$11$abc', '$2a$11$abc'],
    ['', ''],
    ['22', 22n],
    ['-22', -22n],
    ['007', 7n],
    ['9223372036854775807', 9223372036854775807n],
    ['8k', 8000n],
    ['4kb', 4096n],
    ['3Ki', 3072n],
    ['64MiB', 64n * 1024n ** 2n],
    ['2g', 2_000_000_000n],
    ['1tb', 1024n ** 4n],
    ['1p', 10n ** 15n],
    ['7EiB', 7n * 1024n ** 6n],
    ['2.5', 2.5],
    ['-0.5', -0.5],
    ['TRUE', true],
    ['yes', true],
    ['On', true],
    ['false', false],
    ['NO', false],
    ['off', false],
    ["true'", 'true'],
    ['"true"', 'true'],
    ['2016-05-04T18:53:41Z', new Date('2016-05-04T18:53:41Z')],
    ['[]', []],
    ['[ a, "b" c\n]', undefined],
    ['[ a, "b"\n c # comment\n // another\n]', ['a', 'b', 'c']],
    ['[ 1, 2 ]', [1n, 2n]],
    ['{}', {}],
    ['{ a: 1, b 2; c=3\n d { e: f } }', { a: 1n, b: 2n, c: 3n, d: { e: 'f' } }],
  ])('parses x = %s', (text, expected) => {
    if (expected === undefined) expect(problems(`x = ${text}`)).toHaveLength(1);
    else expect(read(`x = ${text}`)).toEqual({ x: expected });
  });

  it('uses the last value of a key that is given twice', () => {
    expect(read('a = 1\nb = 2\na = 3')).toEqual({ a: 3n, b: 2n });
  });

  it('accepts braces around the whole file, as in JSON, and an unmatched one at the end', () => {
    expect(read('{ "port": 4222, "tls": { "verify": true } }')).toEqual({
      port: 4222n,
      tls: { verify: true },
    });
    expect(read('{\n{ a: 1 // one\n}\n# two\n}\n# three\n')).toEqual({ a: 1n });
    expect(read('tls { verify: true }\n}\n')).toEqual({ tls: { verify: true } });
  });

  it('records the position of each key and value', () => {
    const root = parseConf('# one\r\ntls {\r\n  verify: true\r\n}\r\n', { file: 'a/nats.conf' });
    const tls = root.entries.get('tls');
    expect(tls?.keyPosition).toEqual({ file: 'a/nats.conf', line: 2, column: 1, offset: 7 });
    expect(tls?.value.position).toMatchObject({ line: 2, column: 5 });
    const verify = tls?.value.kind === 'map' ? tls.value.entries.get('verify') : undefined;
    expect(verify?.keyPosition).toMatchObject({ line: 3, column: 3 });
    expect(verify?.value.position).toMatchObject({ line: 3, column: 11 });
  });
});

describe('variables', () => {
  it('resolves a variable to the innermost definition that precedes it', () => {
    const text = 'i = 22\nnest { i = 11, a = $i }\nb = $i\nlist = [ { c: $i } ]\ni = 33\nd = $i';
    expect(read(text)).toMatchObject({ nest: { a: 11n }, b: 22n, list: [{ c: 22n }], d: 33n });
  });

  it('repeats blocks and arrays at the position of the reference', () => {
    const root = parseConf('users = [ { user: a } ]\nA { users = $users }', { file: 'f' });
    expect(plain(root)).toEqual({ users: [{ user: 'a' }], A: { users: [{ user: 'a' }] } });
    const account = root.entries.get('A')?.value;
    const users = account?.kind === 'map' ? account.entries.get('users') : undefined;
    expect(users?.value.position).toMatchObject({ line: 2, column: 13 });
  });

  it('marks the entries that a variable refers to', () => {
    const root = parseConf('a = 1\nb = $a', { file: 'f' });
    expect(root.entries.get('a')?.referenced).toBe(true);
    expect(root.entries.get('b')?.referenced).toBe(false);
  });

  it('parses environment variables as values, which may refer to other variables', () => {
    const environment = { PORT: '4222', HOST: '"a b"', BLOCK: '{ x: $PORT }', EMPTY: '' };
    expect(read('a = $PORT\nb = $HOST\nc = $BLOCK\nd = $EMPTY', { environment })).toEqual({
      a: 4222n,
      b: 'a b',
      c: { x: 4222n },
      d: '',
    });
  });

  it('rejects environment variables that refer to each other in a cycle', () => {
    expect(problems('\na = $A', { environment: { A: '[ $B ]', B: '$A' } })).toEqual([
      'nats.conf:2:5: in the environment variable A: in the environment variable B: ' +
        'the environment variable A refers to itself',
    ]);
  });

  it('does not resolve a variable to an inherited property of an object', () => {
    expect(problems('a = $toString\nb = $__proto__')).toHaveLength(2);
    expect(problems('a = $toString', { environment: process.env })).toHaveLength(1);
  });

  it('reports the position of an undefined variable, but not its name, which may be an unquoted password', () => {
    const found = problems('password = $ecret\nother = $ecret2');
    expect(found).toEqual([
      'nats.conf:1:12: this variable has no value',
      'nats.conf:2:9: this variable has no value',
    ]);
  });

  it('stops when variables repeat more than a million values', () => {
    let text = 'a0 = [ x, x ]\n';
    for (let i = 1; i < 40; i++) text += `a${i} = [ $a${i - 1}, $a${i - 1} ]\n`;
    expect(problems(text)).toEqual([expect.stringContaining('more than 1000000 values')]);
  });

  it('stops when variables nest values deeper than 100 levels', () => {
    let text = 'a0 = []\n';
    for (let i = 1; i < 110; i++) text += `a${i} = [ $a${i - 1} ]\n`;
    expect(problems(text)).toEqual(['nats.conf:101:8: nested deeper than 100 levels']);
  });
});

describe('include', () => {
  it('reads a file relative to the one that includes it, into the block of the include', () => {
    const readFile = files({
      'etc/tls/main.conf': 'verify: true\ninclude "sub/more.conf"',
      'etc/tls/sub/more.conf': '{ timeout: 2 }',
    });
    const text = 'tls { INCLUDE tls/main.conf }\nport: 4222';
    expect(read(text, { file: 'etc/nats.conf', readFile })).toEqual({
      tls: { verify: true, timeout: 2n },
      port: 4222n,
    });
  });

  it('defines variables for the rest of the including file, but cannot use those of that file', () => {
    const readFile = files({ 'a.conf': 'PASS: x', 'b.conf': 'c: $PASS' });
    expect(read("include 'a.conf'\nb: $PASS", { readFile })).toEqual({ PASS: 'x', b: 'x' });
    expect(problems('PASS: x; include b.conf', { readFile })).toEqual([
      'b.conf:1:4: this variable has no value',
    ]);
  });

  it('treats include as a key when a separator follows', () => {
    expect(read('include: a\nx { include=b, y: { "include" c } }')).toEqual({
      include: 'a',
      x: { include: 'b', y: { include: 'c' } },
    });
  });

  it('reports the errors of all files, each with its own position', () => {
    const readFile = files({ 'a.conf': '\n  x: "open' });
    expect(problems('include a.conf\ny: $NONE\ninclude ./gone.conf', { readFile })).toEqual([
      'a.conf:2:6: this quote is never closed',
      'nats.conf:2:4: this variable has no value',
      'nats.conf:3:1: cannot include: no such file: gone.conf',
    ]);
  });

  it('rejects a file that includes itself through another file', () => {
    const readFile = files({ 'b/a.conf': 'include ../nats.conf', 'nats.conf': 'include b/a.conf' });
    expect(problems('include b/a.conf', { readFile })).toEqual(['b/a.conf:1:1: "nats.conf" includes itself']);
  });

  it('rejects includes that are nested without end', () => {
    const readFile = (path: string) => `include x${path}`;
    expect(problems('include a', { readFile })).toEqual([
      expect.stringMatching(/^x+a:1:1: files include each other more than 16 levels deep$/),
    ]);
  });

  it('rejects more than 256 included files', () => {
    const readFile = () => 'a: 1';
    const text = Array.from({ length: 300 }, (_, i) => `include f${i}\n`).join('');
    expect(problems(text, { readFile })[0]).toBe('nats.conf:257:1: more than 256 files are included');
  });
});

describe('errors', () => {
  it.each([
    ['port: 4222 4223', '1:12: expected the end of the line after the value'],
    ['tls {\n  verify true false\n}', '2:15: expected a new line, a comma or "}" after the value'],
    ['a: [ x y ]', '1:8: expected a comma, a new line or "]" after the value'],
    ['a: [ 1, , 2 ]', '1:9: expected a value or "]", found ","'],
    ['a: [ /etc/x ]', '1:6: expected a value or "]", found "/"'],
    ['a: [1, 2]\nb: 3', '1:9: expected a space before "]"'],
    ['a: "open\nb: 1', '1:4: this quote is never closed'],
    ["a: [ 'x', '", '1:11: this quote is never closed'],
    ['"', '1:1: this quote is never closed'],
    ['a: (\nb\r\n)\r\n', '1:4: this block of text is never closed'],
    ['tls {\n  a: 1\n', '1:5: this "{" is never closed'],
    ['tls { a: [ 1, {\n', '1:15: this "{" is never closed'],
    ['{ a: 1', '1:1: this "{" is never closed'],
    ['cluster{\n  port: 1\n}', '1:8: expected a space before "{"'],
    ['tls { a: 1 }\n}\nport: 1', '2:1: unmatched "}"'],
    ['tls { a: }', '1:7: this key has no value'],
    ['tls { a: , b: 1 }', '1:7: this key has no value'],
    ['port', '1:1: this key has no value'],
    ['a: 1\n= 2', '2:1: expected a key, found "="'],
    ['a: 1\n/etc: 2', '2:1: expected a key, found "/"'],
    ['a { ] }', '1:5: expected a key or "}", found "]"'],
    ['a =\nb 1', '1:4: expected a value, found the end of the line'],
    ['a = .5', '1:5: a number must start with a digit'],
    ['a = 5.', '1:7: expected a digit after the decimal point'],
    ['a = -b', '1:5: expected a digit after "-"'],
    ['a = 12-34', '1:5: expected a date such as 2026-01-31T12:00:00Z'],
    ['a = 2026-02-30T00:00:00Z', '1:5: this date does not exist'],
    ['a = 5kbb', '1:6: unknown size suffix'],
    ['a = 10e', '1:5: the integer does not fit into 64 bits'],
    ['a = 9223372036854775808', '1:5: the integer does not fit into 64 bits'],
    [`a = ${'9'.repeat(400)}.0`, '1:5: the number is too large'],
    ['a = ٣', '1:5: a number may only contain the digits 0 to 9'],
    ['a = "\\q"', '1:6: unknown escape'],
    ['include [a]', '1:9: expected the name of a file to include'],
    ['\ufeffport: 1', '1:1: the file starts with a byte order mark'],
    ['p\0o\0r\0t\0', '1:2: unexpected NUL character'],
  ])('reports the position and the problem of %j', (text, expected) => {
    expect(problems(text)).toEqual([`nats.conf:${expected}`]);
  });

  it('continues after an error and reports the errors of several lines together', () => {
    const text = 'a: 1 2\nb: .5, .6\ntls {\n  c: , d: 3kbb\n  e: [ x y, z ]\n}\ncluster{ f: 1 }\n}\ng: 1';
    expect(problems(text).map((problem) => problem.split(':')[1])).toEqual(['1', '2', '4', '5', '7', '8']);
  });

  it('stops after twenty lines with syntax errors, or fifty undefined variables', () => {
    expect(problems('a b c\n'.repeat(1000))).toHaveLength(20);
    expect(problems('a: $NONE\n'.repeat(1000))).toHaveLength(50);
  });

  it('never includes a value in an error', () => {
    const text = 'password: s3cret s3cret\nb: "s3cret\\q"\nc: 5s3cret-\nd: -s3cret\ne: $s3cret\nf: 12-s3cret';
    expect(problems(text).join('\n')).not.toContain('s3cret');
    expect(problems('a: $A', { environment: { A: '"s3cret' } }).join()).not.toContain('s3cret');
  });

  it('uses the hint of a single error as the hint, and prints the hints of several errors inline', () => {
    const thrown = (text: string) => {
      try {
        read(text);
      } catch (error) {
        return error;
      }
    };
    expect(thrown('a = .5')).toMatchObject({
      code: 'invalid-configuration',
      message: 'nats.conf:1:5: a number must start with a digit',
      hint: 'put quotes around a string that starts with a dot',
      exitCode: 1,
    });
    expect(thrown('a = .5\nb')).toMatchObject({
      message:
        'nats.conf:1:5: a number must start with a digit (put quotes around a string that starts with a dot)\n' +
        'nats.conf:2:1: this key has no value',
      hint: undefined,
    });
  });
});

describe('limits', () => {
  it.each([
    ['a ', '['],
    ['', 'a {'],
    ['', '{'],
    ['', 'a [ {'],
  ])('rejects %j followed by 200,000 times %j without exhausting the stack', (start, open) => {
    expect(problems(start + open.repeat(200_000))[0]).toMatch(/nested deeper than 100 levels$/);
  });

  it('rejects deep nesting through environment variables', () => {
    const environment = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`V${i}`, `${'['.repeat(30)}$V${i + 1}${']'.repeat(30)}`]),
    );
    expect(problems('a = $V0', { environment })[0]).toMatch(/nested deeper than 100 levels$/);
  });

  it('rejects a text of more than 4 MiB', () => {
    expect(problems('#'.repeat(4 * 1024 * 1024 + 1))).toEqual([
      'nats.conf:1:1: larger than 4194304 characters',
    ]);
  });

  it.each([
    ['braces', '}'.repeat(4_000_000)],
    ['commas', `a [${','.repeat(4_000_000)}`],
    ['escapes', `a "${'\\n'.repeat(2_000_000)}`],
    ['open blocks of text', 'a (\n'.repeat(1_000_000)],
    ['unfinished numbers', 'a 1.\n'.repeat(800_000)],
    ['keys', 'a 1 '.repeat(1_000_000)],
    ['spaces', `a${' '.repeat(4_000_000)}`],
  ])('parses four million characters of %s in less than two seconds of the processor', (_, text) => {
    const start = process.cpuUsage();
    expect(problems(text).length).toBeGreaterThan(0);
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(2000);
  });
});
