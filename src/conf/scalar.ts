// Reads one scalar of nats-server's configuration language: strings in all their forms, numbers, dates, booleans and
// variable references (the rules of nats-server conf/lex.go and conf/parse.go). It does not handle keys or blocks.

import type { ScalarNode, Span } from './tree.ts';

/** Rejects the text at an offset; the message never contains that text, which may be a secret. */
export class Refusal extends Error {
  readonly offset: number;
  readonly hint: string | undefined;
  /** Whether the rest of the text cannot be parsed. */
  readonly final: boolean;

  constructor(offset: number, message: string, options: { hint?: string | undefined; final?: boolean } = {}) {
    super(message);
    this.offset = offset;
    this.hint = options.hint;
    this.final = options.final ?? false;
  }
}

const BARE_RUN = /[^\\\n\r;,\]}\t ']*/y;
const QUOTED_RUN = /[^\\"]*/y;
// Go's unicode.IsDigit: a number may start with any decimal digit, but only ASCII digits convert to a value.
const DIGITS = /\p{Nd}+/uy;
const ADDRESS_RUN = /[\p{Nd}.:-]*/uy;
const SIZE_SUFFIX = /[kmgtpe][bi]*/iy;
const DATE = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/y;
const NUMBER_END = /[\n\r};,\t ]|$/y;

const UNQUOTED_HINT = 'put quotes around a string that starts like a number';

/** Reads the scalar that starts at `at`, where no whitespace or opening bracket is; throws Refusal. */
export function scanScalar(text: string, at: number): ScalarNode {
  switch (text[at]) {
    case "'":
      return scanSingleQuoted(text, at);
    case '"':
      return scanDoubleQuoted(text, at);
    case '(':
      return scanBlockString(text, at);
    case '.':
      throw new Refusal(at, 'a number must start with a digit', {
        hint: 'put quotes around a string that starts with a dot',
      });
    case '\n':
    case '\r':
      throw new Refusal(at, 'expected a value, found the end of the line');
    case '-':
      return scanNegativeNumber(text, at);
  }
  return runEnd(DIGITS, text, at) > at ? scanNumber(text, at) : scanBare(text, at, at);
}

/** Matches a sticky pattern at an offset; returns the end of the match, or the offset itself. */
export function runEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

function scanSingleQuoted(text: string, start: number): ScalarNode {
  const close = text.indexOf("'", start + 1);
  if (close < 0) throw neverClosed(start);
  return { kind: 'string', start, end: close + 1, value: text.slice(start + 1, close) };
}

function neverClosed(start: number): Refusal {
  return new Refusal(start, 'this quote is never closed', { final: true });
}

function scanDoubleQuoted(text: string, start: number): ScalarNode {
  const { parts, end } = readEscaped(text, start + 1, start + 1, QUOTED_RUN);
  if (end >= text.length) throw neverClosed(start);
  return { kind: 'string', start, end: end + 1, value: joinParts(parts) };
}

/** Reads a word without quotes; its characters before `from` belong to it, whatever they are. */
function scanBare(text: string, start: number, from: number): ScalarNode {
  const { parts, end } = readEscaped(text, start, from, BARE_RUN);
  // A word that ends with a single quote, or contains an escape, is a string whatever it looks like.
  if (text[end] === "'") return { kind: 'string', start, end: end + 1, value: joinParts(parts) };
  if (parts.length > 1) return { kind: 'string', start, end, value: joinParts(parts) };
  return interpretBare(text.slice(start, end), { start, end });
}

/** Reads plain text and escapes as far as they go; the numbers among the parts are bytes of `\xHH` escapes. */
function readEscaped(text: string, start: number, from: number, run: RegExp) {
  const parts: (string | number)[] = [];
  let end = runEnd(run, text, from);
  parts.push(text.slice(start, end));
  while (text[end] === '\\') {
    const escaped = scanEscape(text, end);
    end = runEnd(run, text, escaped.end);
    parts.push(escaped.value, text.slice(escaped.end, end));
  }
  return { parts, end };
}

function interpretBare(word: string, span: Span): ScalarNode {
  if (/^(true|yes|on)$/i.test(word)) return { kind: 'boolean', ...span, value: true };
  if (/^(false|no|off)$/i.test(word)) return { kind: 'boolean', ...span, value: false };
  if (word.startsWith('$')) return { kind: 'variable', ...span, name: word.slice(1) };
  return { kind: 'string', ...span, value: word };
}

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', '"': '"', '\\': '\\' };

function scanEscape(text: string, at: number): { value: string | number; end: number } {
  const letter = text[at + 1] ?? '';
  const character = ESCAPES[letter];
  if (character !== undefined) return { value: character, end: at + 2 };
  const digits = letter === 'x' ? text.slice(at + 2, at + 4) : '';
  if (/^[0-9a-f]{2}$/i.test(digits)) return { value: Number.parseInt(digits, 16), end: at + 4 };
  throw new Refusal(at, 'unknown escape', {
    hint: 'use \\t, \\n, \\r, \\", \\\\ or \\xHH; in single quotes a backslash is literal',
  });
}

/** Joins text and bytes; together the bytes may encode UTF-8 characters. */
function joinParts(parts: readonly (string | number)[]): string {
  if (parts.length === 1) return String(parts[0]);
  return Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))),
  ).toString();
}

function scanBlockString(text: string, start: number): ScalarNode {
  const close = /\n\)(?=\n|$)/g;
  close.lastIndex = start + 1;
  const match = close.exec(text);
  if (match === null) {
    throw new Refusal(start, 'this block of text is never closed', {
      hint: 'end it with a line that contains only ")", without a carriage return',
      final: true,
    });
  }
  const end = close.lastIndex;
  // At the end of the file nats-server includes the parenthesis in the text; so does this parser.
  return { kind: 'string', start, end, value: text.slice(start + 1, end < text.length ? end - 1 : end) };
}

function scanNegativeNumber(text: string, start: number): ScalarNode {
  const end = runEnd(DIGITS, text, start + 1);
  if (end === start + 1) {
    throw new Refusal(start, 'expected a digit after "-"', {
      hint: 'put quotes around a string that starts with "-"',
    });
  }
  if (text[end] === '.') return scanFraction(text, start, end);
  return scanSized(text, start, end) ?? integer(text, start, end, '');
}

function scanNumber(text: string, start: number): ScalarNode {
  const end = runEnd(DIGITS, text, start);
  if (text[end] === '.') return scanFraction(text, start, end);
  if (text[end] === '-') return scanDate(text, start);
  const sized = scanSized(text, start, end);
  if (sized !== undefined) return sized;
  if (endsNumber(text, end)) return integer(text, start, end, '');
  // The first character that a number cannot have belongs to the string whatever it is, even a bracket or backslash.
  return scanBare(text, start, end + 1);
}

/** Reads `10k`, `64MiB`; a word that only starts like one is a string. Returns undefined without a suffix. */
function scanSized(text: string, start: number, digitsEnd: number): ScalarNode | undefined {
  const end = runEnd(SIZE_SUFFIX, text, digitsEnd);
  if (end === digitsEnd) return undefined;
  if (endsNumber(text, end)) return integer(text, start, digitsEnd, text.slice(digitsEnd, end).toLowerCase());
  return scanBare(text, start, end);
}

function endsNumber(text: string, at: number): boolean {
  NUMBER_END.lastIndex = at;
  return NUMBER_END.test(text);
}

function integer(text: string, start: number, digitsEnd: number, suffix: string): ScalarNode {
  const digits = text.slice(start, digitsEnd);
  const scale = sizeOf(suffix);
  if (!/^-?[0-9]+$/.test(digits)) throw notPlainDigits(start);
  // nats-server silently drops the entry.
  if (scale === undefined) {
    throw new Refusal(digitsEnd, 'unknown size suffix', {
      hint: 'use k, kb, kib, m, mb, mib and so on up to eib',
    });
  }
  const value = BigInt(digits) * scale;
  // In nats-server the multiplication wraps around.
  if (BigInt.asIntN(64, value) !== value) throw new Refusal(start, 'the integer does not fit into 64 bits');
  return { kind: 'integer', start, end: digitsEnd + suffix.length, value };
}

/** Returns the factor of a lower-case suffix: `k` is 1000; `kb`, `ki` and `kib` are 1024. */
function sizeOf(suffix: string): bigint | undefined {
  if (suffix === '') return 1n;
  const power = BigInt('kmgtpe'.indexOf(suffix.charAt(0)) + 1);
  const unit = suffix.slice(1);
  if (unit === '') return 1000n ** power;
  return unit === 'b' || unit === 'i' || unit === 'ib' ? 1024n ** power : undefined;
}

function notPlainDigits(start: number): Refusal {
  return new Refusal(start, 'a number may only contain the digits 0 to 9');
}

/** Reads a number with a fraction, or an address such as 127.0.0.1:4222 that starts like one. */
function scanFraction(text: string, start: number, point: number): ScalarNode {
  const end = runEnd(DIGITS, text, point + 1);
  if (end === point + 1) {
    throw new Refusal(end, 'expected a digit after the decimal point', { hint: UNQUOTED_HINT });
  }
  if (text[end] === '.') {
    const addressEnd = runEnd(ADDRESS_RUN, text, end);
    return { kind: 'string', start, end: addressEnd, value: text.slice(start, addressEnd) };
  }
  const digits = text.slice(start, end);
  const value = Number(digits);
  if (Number.isNaN(value)) throw notPlainDigits(start);
  if (!Number.isFinite(value)) throw new Refusal(start, 'the number is too large');
  return { kind: 'float', start, end, value };
}

function scanDate(text: string, start: number): ScalarNode {
  const end = runEnd(DATE, text, start);
  if (end === start) {
    throw new Refusal(start, 'expected a date such as 2026-01-31T12:00:00Z', { hint: UNQUOTED_HINT });
  }
  const written = text.slice(start, end);
  const value = new Date(written);
  // Date converts February 30th to a day in March, and accepts 24:00.
  const exists = !Number.isNaN(value.getTime()) && value.toISOString() === written.replace('Z', '.000Z');
  if (!exists) throw new Refusal(start, 'this date does not exist');
  return { kind: 'datetime', start, end, value };
}
