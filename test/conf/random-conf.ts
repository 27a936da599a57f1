// Generates random configurations from a seed: well-formed ones, mutated ones, and random sequences of tokens.
import { below } from '../support/seeded.ts';

type Random = () => number;

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  '(',
  ')',
  '\n)\n',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ',',
  ';',
  '=',
  ':',
  '"',
  "'",
  '#',
  '//',
  '/',
  '\\',
  '\\n',
  '\\"',
  '\\x41',
  '\\xc3\\xa9',
  '$',
  '$a',
  '$b',
  '$2a$11$x',
  'a',
  'b',
  'foo',
  'include ',
  'true',
  'NO',
  'on',
  '1',
  '-1',
  '12',
  '2016-05-04T18:53:41Z',
  '2016-',
  '1.5',
  '1.',
  '-',
  '.',
  '127.0.0.1:4222',
  '5k',
  '7GiB',
  '3e',
  '4e2abc',
  '1kbb',
  '9223372036854775807',
  'é',
  '٣',
  '\u00a0',
  '\u0085',
  '\v',
  'x=',
  'm {',
  'a: ',
  '"q"',
  "'s'",
  '(\nblock\n)\n',
  '\u2028',
  '😀',
  '\ud83d',
  '<&>',
  '-1.5',
  '1.2.3',
  '\0',
  '\ufeff',
  '{a:1}',
];
const SCALARS = [
  '1',
  'true',
  '"q"',
  "'s'",
  'foo',
  '5k',
  '1.5',
  '2016-05-04T18:53:41Z',
  '-3',
  '127.0.0.1:4222',
  '"a\\tb"',
  '(\nx\n)\n',
  '1e5',
  '10s',
  '$2a$10$abc',
  '""',
  'a\\tb',
  'nats://h:1',
  '"é 😀"',
];
const KEYS = ['a', 'b', 'c_d', 'tls', 'TLS', 'pins', '"q k"', "'z'"];
const SEPARATORS = [' ', '=', ':', ' = ', ': ', '\t', '\n'];
const ENDS = ['\n', '\n', '\r\n', ', ', ' ; ', ' # c\n', ' // c\n'];
const ITEM_ENDS = [', ', ',', '\n', ' ', ' # c\n', ',\n', '\n  '];

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[below(random, choices.length)] as T;
}

/** Returns a configuration that nats-server usually accepts. */
export function wellFormed(random: Random): string {
  const text = repeat(random, 5, () => entry(random, 0));
  return random() < 0.2 ? `{\n${text}}` : text;
}

/** Returns anything from a configuration with a few mistakes to a random sequence of tokens. */
export function anything(random: Random): string {
  if (random() < 0.4) return repeat(random, 14, () => pick(random, PIECES));
  let text = wellFormed(random);
  for (let slips = below(random, 4); slips > 0; slips--) {
    const at = below(random, text.length + 1);
    const kind = random();
    if (kind < 0.3) text = text.slice(0, at) + text.slice(at + 1);
    else if (kind < 0.8) text = text.slice(0, at) + pick(random, PIECES) + text.slice(at);
    else text = text.slice(0, at);
  }
  return text;
}

function repeat(random: Random, most: number, make: () => string): string {
  return Array.from({ length: 1 + below(random, most) }, make).join('');
}

function entry(random: Random, depth: number): string {
  return pick(random, KEYS) + pick(random, SEPARATORS) + value(random, depth) + pick(random, ENDS);
}

function value(random: Random, depth: number): string {
  const kind = depth > 4 ? 1 : random();
  const space = pick(random, ['', ' ', '\n  ', '\r\n\t']);
  if (kind < 0.25) return `{${space}${repeat(random, 3, () => entry(random, depth + 1))}}`;
  if (kind > 0.45) return pick(random, SCALARS);
  // The space is needed: a bracket directly after a number is part of a string.
  return `[${space}${repeat(random, 3, () => value(random, depth + 1) + pick(random, ITEM_ENDS))} ]`;
}
