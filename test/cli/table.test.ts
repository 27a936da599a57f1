import { describe, expect, it } from 'vitest';
import { type Column, tableLines } from '../../src/cli/table.ts';
import { terminalOf } from '../../src/cli/terminal.ts';
import { escapeControls } from '../../src/log.ts';

interface Row {
  name: string;
  words: string;
  pin: string;
}

const rows: Row[] = [
  { name: 'server', words: 'localhost 127.0.0.1 ::1', pin: 'a'.repeat(24) },
  { name: 'x', words: '', pin: 'b' },
];
const columns: Column<Row>[] = [
  { header: 'NAME', value: ({ name }) => name },
  { header: 'WORDS', value: ({ words }) => words, minimum: 10, leaves: 1 },
  { header: 'PIN', value: ({ pin }) => pin, minimum: 6, leaves: 2 },
];
const piped = terminalOf({}, {});
const wide = (columns: number) => terminalOf({ isTTY: true, columns }, { NO_COLOR: '1', LANG: 'C.UTF-8' });

describe('tableLines', () => {
  it('cuts nothing in a pipe', () => {
    expect(tableLines(rows, columns, piped)).toEqual([
      'NAME    WORDS                    PIN',
      'server  localhost 127.0.0.1 ::1  aaaaaaaaaaaaaaaaaaaaaaaa',
      'x                                b',
    ]);
  });

  it('cuts the widest column first to fit a terminal', () => {
    expect(tableLines(rows, columns, wide(40))).toEqual([
      'NAME    WORDS            PIN',
      'server  localhost 127.…  aaaaaaaaaaaaaa…',
      'x                        b',
    ]);
  });

  it('leaves columns out when none can shrink any more', () => {
    expect(tableLines(rows, columns, wide(22))).toEqual(['NAME    WORDS', 'server  localhost 127…', 'x']);
    expect(tableLines(rows, columns, wide(12))).toEqual(['NAME', 'server', 'x']);
  });

  it.each([20, 33, 45, 57, 80])('prints no line wider than a terminal of %i columns', (width) => {
    for (const line of tableLines(rows, columns, wide(width))) expect(line.length).toBeLessThanOrEqual(width);
  });

  it('escapes control characters and characters that change the reading direction', () => {
    const evil = [{ name: 'a\x1b[2Jb', words: 'c\u202ed', pin: '\x00\n' }];
    expect(tableLines(evil, columns, piped)[1]).toBe('a\\x1b[2Jb  c\\u202ed  \\x00\\n');
    expect(escapeControls('grün 名前')).toBe('grün 名前');
  });
});

describe('terminalOf', () => {
  it('gives colours to a terminal and none to a pipe', () => {
    expect(terminalOf({ isTTY: true, columns: 80 }, { TERM: 'xterm' }).red('x')).toBe('\x1b[31mx\x1b[39m');
    expect(terminalOf({ isTTY: false }, { TERM: 'xterm' }).red('x')).toBe('x');
  });

  it.each([{ NO_COLOR: '1' }, { TERM: 'dumb' }])('gives no colours with %j', (environment) => {
    expect(terminalOf({ isTTY: true, columns: 80 }, environment).red('x')).toBe('x');
  });

  it('allows characters beyond ASCII only in a UTF-8 locale', () => {
    expect(terminalOf({ isTTY: true, columns: 80 }, { LANG: 'C' }).unicode).toBe(false);
    expect(terminalOf({ isTTY: true, columns: 80 }, { LANG: 'de_DE.UTF-8' }).unicode).toBe(true);
    expect(terminalOf({ isTTY: true, columns: 80 }, { LC_ALL: 'POSIX', LANG: 'de_DE.UTF-8' }).unicode).toBe(
      false,
    );
  });
});
